"""Writing the card's two encodings: JICSAP BER TLV in transparent files and simple TLV in records.

Only what the card stores is supported. asn1crypto and other ASN.1 libraries refuse the card's two-byte tags
whose number would fit in one (`FF 10`), hence this module; reading them back is the reader's, and separate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHORT_LENGTH: Final = 0x7F
_MAX_LENGTH: Final = 0xFFFF
_SIMPLE_SHORT_LENGTH: Final = 0xFE
_OFFSET_SIZE: Final = 2


class EncodingError(ValueError):
    """A tag or a length that the card's encodings cannot express."""


def ber_length(length: int) -> bytes:
    """The shortest definite BER length: one byte, `81 xx` or `82 xxxx`."""
    if not 0 <= length <= _MAX_LENGTH:
        raise EncodingError(f"no file of the card holds an object of {length} bytes")
    if length <= _SHORT_LENGTH:
        return bytes((length,))
    size = 1 if length <= 0xFF else 2  # noqa: PLR2004 - one byte of length
    return bytes((0x80 | size,)) + length.to_bytes(size, "big")


def ber(tag: int, *values: bytes) -> bytes:
    """One BER object; `tag` is the tag's bytes as a number (0x86, 0xFF20), the values are concatenated."""
    if not 0 < tag <= 0xFFFF:  # noqa: PLR2004 - tags of one or two bytes
        raise EncodingError(f"the card has no tag {tag:X}")
    value = b"".join(values)
    return tag.to_bytes(1 if tag <= 0xFF else 2, "big") + ber_length(len(value)) + value  # noqa: PLR2004


def ber_with_offsets(tag: int, table_tag: int, objects: Sequence[bytes]) -> bytes:
    """An object whose first member lists where each further member begins, counted from the outer tag.

    One big-endian u16 per object of `objects` (already encoded). The first offset depends on the length of
    the outer length: 000E, 000F or 0010 for the four objects of text EF 0002.
    """
    table_size = len(ber(table_tag, bytes(_OFFSET_SIZE * len(objects))))
    inner_size = table_size + sum(map(len, objects))
    position = len(ber(tag, bytes(inner_size))) - inner_size + table_size
    offsets = []
    for member in objects:
        offsets.append(position.to_bytes(_OFFSET_SIZE, "big"))
        position += len(member)
    return ber(tag, ber(table_tag, *offsets), *objects)


def simple(tag: int, value: bytes) -> bytes:
    """One simple TLV (JICSAP v1.1 4.4.1): a byte of tag, then a byte of length or `FF` and two bytes."""
    if not 0 < tag < 0xFF:  # noqa: PLR2004 - 00 and FF are no tags
        raise EncodingError(f"no simple TLV has the tag {tag:X}")
    if len(value) > _MAX_LENGTH:
        raise EncodingError(f"no record holds {len(value)} bytes")
    if len(value) <= _SIMPLE_SHORT_LENGTH:
        return bytes((tag, len(value))) + value
    return bytes((tag, 0xFF)) + len(value).to_bytes(2, "big") + value
