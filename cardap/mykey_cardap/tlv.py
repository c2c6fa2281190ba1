"""The two TLV encodings of a JICSAP card: BER in transparent files, simple TLV in records.

Strict and bounded, for hostile data: every fault is a `TlvError`. The sessions know what objects mean.

The card's two-byte tags such as `FF 10` are not minimal in the sense of X.690 (the second byte is below 1F),
which general ASN.1 libraries refuse to read; this module exists for that reason and stays this small.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique

_TAG_MORE = 0x1F
_TAG_CONSTRUCTED = 0x20
_TAG_CONTINUED = 0x80
_LENGTH_LONG = 0x80
_MAX_LENGTH_BYTES = 2
_SIMPLE_LONG = 0xFF
_MAX_OBJECTS = 64


class TlvError(ValueError):
    """Bytes that are no data object of the expected encoding. Never carries the bytes."""


@unique
class Encoding(Enum):
    """How a file begins: its first `header_length` bytes tell its length (card reference, §11)."""

    DER = 4
    """A certificate: `30 82 hh ll`."""
    BER = 7
    """A data object with a tag of one or two bytes."""

    @property
    def header_length(self) -> int:
        """Bytes to read before the length of the object is known."""
        return self.value


@dataclass(frozen=True, slots=True)
class Tlv:
    """One data object: its tag (two-byte tags as FF20), its value, and the bytes it was read from.

    `repr` shows the tag and the length only, because values are personal.
    """

    tag: int
    value: bytes = field(repr=False)
    raw: bytes = field(repr=False)

    def __repr__(self) -> str:
        return f"<Tlv {self.tag:X} {len(self.value)} bytes>"

    def children(self) -> tuple[Tlv, ...]:
        """The objects inside a constructed object; they must fill it exactly."""
        first = self.raw[0]
        if not first & _TAG_CONSTRUCTED:
            raise TlvError(f"object {self.tag:X} holds no objects")
        return parse_all(self.value)


def parse(data: bytes) -> Tlv:
    """Read the one object that fills `data` exactly."""
    tlv = _read(data, 0)
    if len(tlv.raw) != len(data):
        raise TlvError("bytes after the object")
    return tlv


def parse_all(data: bytes) -> tuple[Tlv, ...]:
    """Read the objects that fill `data` exactly, at most 64."""
    found: list[Tlv] = []
    position = 0
    while position < len(data):
        if len(found) == _MAX_OBJECTS:
            raise TlvError("too many objects")
        found.append(_read(data, position))
        position += len(found[-1].raw)
    return tuple(found)


def expect(tlv: Tlv, tag: int, *, length: int | None = None) -> bytes:
    """Return the value of an object that must have this tag (and length)."""
    if tlv.tag != tag:
        raise TlvError(f"object {tag:X} expected, {tlv.tag:X} found")
    if length is not None and len(tlv.value) != length:
        raise TlvError(f"object {tag:X} must have {length} bytes, it has {len(tlv.value)}")
    return tlv.value


def find(objects: tuple[Tlv, ...], tag: int) -> Tlv:
    """Return the only object with this tag; an object that is missing or doubled is a `TlvError`."""
    matches = [tlv for tlv in objects if tlv.tag == tag]
    if len(matches) != 1:
        raise TlvError(f"one object {tag:X} expected, {len(matches)} found")
    return matches[0]


def object_length(head: bytes, encoding: Encoding) -> int:
    """Whole length in bytes (tag, length and value) of the object whose first bytes are `head`.

    A head that is shorter than `encoding.header_length` is fine when the object is that short.
    """
    if encoding is Encoding.DER and head[:1] != b"\x30":
        raise TlvError("a certificate begins with 30")
    _, position = _read_tag(head, 0)
    length, position = _read_length(head, position)
    return position + length


def parse_simple(data: bytes) -> tuple[Tlv, ...]:
    """Read simple TLV (ISO/IEC 7816-4 §5.2.1): one-byte tag, length of one byte or `FF` and two bytes."""
    found: list[Tlv] = []
    position = 0
    while position < len(data):
        if len(found) == _MAX_OBJECTS:
            raise TlvError("too many objects")
        found.append(_read_simple(data, position))
        position += len(found[-1].raw)
    return tuple(found)


def _read(data: bytes, start: int) -> Tlv:
    tag, position = _read_tag(data, start)
    length, position = _read_length(data, position)
    return _cut(data, start, tag, position, length)


def _read_simple(data: bytes, start: int) -> Tlv:
    tag = _byte(data, start)
    if tag in {0x00, 0xFF}:
        raise TlvError("00 and FF are no tags of simple TLV")
    length, position = _byte(data, start + 1), start + 2
    if length == _SIMPLE_LONG:
        length = _byte(data, position) << 8 | _byte(data, position + 1)
        position += 2
    return _cut(data, start, tag, position, length)


def _read_tag(data: bytes, position: int) -> tuple[int, int]:
    tag = _byte(data, position)
    if tag & _TAG_MORE != _TAG_MORE:
        return tag, position + 1
    second = _byte(data, position + 1)
    if second & _TAG_CONTINUED:
        raise TlvError("a tag of more than two bytes")
    return tag << 8 | second, position + 2


def _read_length(data: bytes, position: int) -> tuple[int, int]:
    first = _byte(data, position)
    position += 1
    if first < _LENGTH_LONG:
        return first, position
    count = first - _LENGTH_LONG
    if not 1 <= count <= _MAX_LENGTH_BYTES:
        raise TlvError("a length of indefinite form or of more than two bytes")
    length = 0
    for index in range(count):
        length = length << 8 | _byte(data, position + index)
    return length, position + count


def _byte(data: bytes, position: int) -> int:
    if position >= len(data):
        raise TlvError("the object is cut short")
    return data[position]


def _cut(data: bytes, start: int, tag: int, position: int, length: int) -> Tlv:
    end = position + length
    if end > len(data):
        raise TlvError("the object is longer than the data")
    return Tlv(tag, data[position:end], data[start:end])
