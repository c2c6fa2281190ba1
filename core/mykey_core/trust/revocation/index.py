"""The exact set of revoked serial numbers of one CRL: how it is laid out in bytes, and how it is built.

Looking up is in `lookup`; files, names and times are in `snapshot`. The design and its figures are in
docs/adr/0007-revocation-index.md.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Final

from pyroaring import FrozenBitMap

from mykey_core.trust.revocation.reasons import HOLD

KEY_BITS: Final = 32
KEY_MASK: Final = (1 << KEY_BITS) - 1
RECORD_BYTES: Final = 20  # RFC 5280 4.1.2.2
COLLISION_BYTES: Final = RECORD_BYTES + 1  # the serial and its reason code
_CODE_BITS: Final = 4  # a reason code is at most 10
_CODE_MASK: Final = 15
_WIDE_SHIFT: Final = RECORD_BYTES * 8 + _CODE_BITS
_SLICE_LOG: Final = 14  # 2^13 to 2^14 keys in a slice: some 30 µs to decode


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the sections of an index begin, in bytes; written into the snapshot's header.

    Slice i holds the keys whose upper bits, `key >> shift`, are i. `wide` tells that a key is the serial's
    lower 32 bits and that whole serials follow at `records_at`. `codes` are the distinct reason
    codes; each entry has its code's position in that tuple, in `code_bits` bits, at `codes_at`.
    """

    count: int
    wide: bool
    shift: int
    slices: int
    codes: tuple[int, ...]
    code_bits: int
    bitmaps_at: int
    codes_at: int
    records_at: int
    collisions_at: int
    length: int

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Layout:
        """Read what `to_json` wrote; raises TypeError or KeyError on anything else."""
        return cls(**{**fields, "codes": tuple(fields["codes"])})


def build_index(entries: Iterable[tuple[int, int]]) -> tuple[Layout, bytes]:
    """Turn (serial, reason code) pairs, in any order, into an index and its layout.

    Serials have at most 160 bits. One that occurs more than once keeps its gravest entry: a revocation wins
    over a hold. Takes some 45 bytes of memory for an entry while it works.
    """
    rows = [serial << _CODE_BITS | code for serial, code in entries]
    rows.sort()
    if any((one ^ other) <= _CODE_MASK for one, other in pairwise(rows)):
        rows = _gravest(rows)
    if not rows or not rows[-1] >> (KEY_BITS + _CODE_BITS):
        return _assemble(rows, b"", b"", key_shift=_CODE_BITS)
    rows = [(row >> _CODE_BITS & KEY_MASK) << _WIDE_SHIFT | row for row in rows]
    rows.sort()
    rows, sharing = _part_sharing(rows)
    records = b"".join((row >> _CODE_BITS & _SERIAL_MASK).to_bytes(RECORD_BYTES) for row in rows)
    return _assemble(rows, records, _collisions(sharing), key_shift=_WIDE_SHIFT)


_SERIAL_MASK: Final = (1 << RECORD_BYTES * 8) - 1


def _gravest(rows: list[int]) -> list[int]:
    """One row for each serial. `rows` are sorted, so that the rows of one serial are neighbours."""
    kept: list[int] = []
    for row in rows:
        if not kept or (row ^ kept[-1]) > _CODE_MASK:
            kept.append(row)
        elif row & _CODE_MASK != HOLD:
            kept[-1] = row
    return kept


def _part_sharing(rows: list[int]) -> tuple[list[int], list[int]]:
    """The first row of each key, and the rows that share a key with one before them."""
    first: list[int] = []
    sharing: list[int] = []
    last = -1
    for row in rows:
        key = row >> _WIDE_SHIFT
        (sharing if key == last else first).append(row)
        last = key
    return first, sharing


def _collisions(rows: list[int]) -> bytes:
    serials = sorted(((row >> _CODE_BITS & _SERIAL_MASK), row & _CODE_MASK) for row in rows)
    return b"".join(serial.to_bytes(RECORD_BYTES) + bytes((code,)) for serial, code in serials)


def _assemble(rows: list[int], records: bytes, collisions: bytes, *, key_shift: int) -> tuple[Layout, bytes]:
    keys = array("I", [row >> key_shift for row in rows])
    shift, slices = _slicing(keys)
    directory, bitmaps = _slice_bitmaps(keys, shift, slices)
    codes, code_bits, packed = _pack_codes(bytes([row & _CODE_MASK for row in rows]))
    sections = (directory, bitmaps, packed, records, collisions)
    starts = [sum(len(section) for section in sections[:index]) for index in range(1, 6)]
    layout = Layout(
        count=len(rows) + len(collisions) // COLLISION_BYTES,
        wide=key_shift == _WIDE_SHIFT,
        shift=shift,
        slices=slices,
        codes=codes,
        code_bits=code_bits,
        bitmaps_at=starts[0],
        codes_at=starts[1],
        records_at=starts[2],
        collisions_at=starts[3],
        length=starts[4],
    )
    return layout, b"".join(sections)


def _slicing(keys: array[int]) -> tuple[int, int]:
    if not keys:
        return 0, 0
    shift = max(0, keys[-1].bit_length() - max(0, len(keys).bit_length() - _SLICE_LOG))
    return shift, (keys[-1] >> shift) + 1


def _slice_bitmaps(keys: array[int], shift: int, slices: int) -> tuple[bytes, bytes]:
    """The directory (for each slice where its bitmap begins and how many keys come before), and the bitmaps."""
    bounds = [bisect_left(keys, index << shift) for index in range(slices)] + [len(keys)]
    bitmaps = [FrozenBitMap(keys[begin:end]).serialize() if begin < end else b"" for begin, end in pairwise(bounds)]
    offsets = array("I", [0])
    for bitmap in bitmaps:
        offsets.append(offsets[-1] + len(bitmap))
    return offsets.tobytes() + array("I", bounds).tobytes(), b"".join(bitmaps)


def _pack_codes(codes: bytes) -> tuple[tuple[int, ...], int, bytes]:
    """The distinct codes, bits for each entry, and the entries' positions, entry 0 in the lowest bits.

    A number read in base 2, 4, 8 or 16 is exactly such a packing, and Python reads those in linear time.
    """
    distinct = tuple(sorted(set(codes)))
    bits = (len(distinct) - 1).bit_length() if distinct else 0
    if not bits:
        return distinct, 0, b""
    digits = codes.translate(bytes(_digit(distinct, code) for code in range(256)))
    length = (len(codes) * bits + 7) // 8
    return distinct, bits, int(digits[::-1], 1 << bits).to_bytes(length + 1, "little")


def _digit(distinct: tuple[int, ...], code: int) -> int:
    return b"0123456789abcdef"[distinct.index(code)] if code in distinct else 0
