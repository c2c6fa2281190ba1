"""Looking a serial number up in an index, in place. Building one is in `index`."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Final

from pyroaring import FrozenBitMap

from mykey_core.trust.revocation.index import COLLISION_BYTES, KEY_MASK, RECORD_BYTES, Layout

_EMPTY: Final = FrozenBitMap()


class SerialIndex:
    """An index over a buffer (bytes, or a mapped file). Slices are decoded when they are first asked for.

    `is_revoked(serial) -> bool` is exact for every integer; it is bound at construction to the variant for
    short or long serials, so that the hot path is one call.
    """

    __slots__ = ("_buffer", "_layout", "_offsets", "_parts", "_ranks", "_shift", "is_revoked")

    is_revoked: Callable[[int], bool]

    def __init__(self, layout: Layout, buffer: memoryview) -> None:
        """`buffer` begins with the index; it may be longer. Raises ValueError when it is shorter."""
        if len(buffer) < layout.length or layout.bitmaps_at != 8 * (layout.slices + 1):
            raise ValueError("the index is truncated")
        self._layout = layout
        self._buffer = buffer
        self._shift = layout.shift
        half = layout.bitmaps_at // 2
        self._offsets = buffer[:half].cast("I")
        self._ranks = buffer[half : 2 * half].cast("I")
        self._parts: list[FrozenBitMap | None] = [None] * layout.slices
        self.is_revoked = self._is_revoked_long if layout.wide else self._is_revoked_short

    def find(self, serial: int) -> int | None:
        """The reason code of a revoked serial (0: none was given), or None when it is not in the CRL."""
        layout = self._layout
        if not layout.wide:
            return self._code_at(self._position(serial)) if self.is_revoked(serial) else None
        if serial < 0 or serial >> (RECORD_BYTES * 8):
            return None
        record = serial.to_bytes(RECORD_BYTES)
        key = serial & KEY_MASK
        if not self._has_key(key):
            return None
        position = self._position(key)
        if self._record_at(position) == record:
            return self._code_at(position)
        return self._find_collision(record)

    def warm_like(self, other: SerialIndex) -> Iterator[None]:
        """Decode the slices that `other` has decoded, one a step, so that no tap pays for it after a swap."""
        for number, part in enumerate(other._parts):
            same = number << other._shift >> self._shift
            if part is not None and same < len(self._parts) and self._parts[same] is None:
                self._decode(same)
                yield

    def _is_revoked_short(self, serial: int) -> bool:
        try:
            part = self._parts[serial >> self._shift]
            if part is None:  # not its truth: that would count all its keys
                part = self._decode(serial >> self._shift)
            answer: bool = serial in part
        except (IndexError, OverflowError):  # beyond the greatest serial, or negative
            return False
        return answer

    def _is_revoked_long(self, serial: int) -> bool:
        key = serial & KEY_MASK
        number = key >> self._shift
        try:
            part = self._parts[number]
            if part is None:
                part = self._decode(number)
            if key not in part:
                return False
            record = serial.to_bytes(RECORD_BYTES)
        except (IndexError, OverflowError):  # beyond the greatest key, or longer than any serial
            return False
        position = self._ranks[number] + part.rank(key) - 1
        return self._record_at(position) == record or self._find_collision(record) is not None

    def _has_key(self, key: int) -> bool:
        number = key >> self._shift
        return number < len(self._parts) and key in self._part(number)

    def _part(self, number: int) -> FrozenBitMap:
        part = self._parts[number]
        return self._decode(number) if part is None else part

    def _decode(self, number: int) -> FrozenBitMap:
        begin = self._layout.bitmaps_at
        raw = self._buffer[begin + self._offsets[number] : begin + self._offsets[number + 1]]
        part = FrozenBitMap.deserialize(bytes(raw)) if raw else _EMPTY
        self._parts[number] = part
        return part

    def _position(self, key: int) -> int:
        """The rank of a key that is in the index: how many keys are smaller."""
        number = key >> self._shift
        return self._ranks[number] + self._part(number).rank(key) - 1

    def _code_at(self, position: int) -> int:
        layout = self._layout
        if not layout.code_bits:
            return layout.codes[0]
        bit = position * layout.code_bits
        at = layout.codes_at + (bit >> 3)
        word = int.from_bytes(self._buffer[at : at + 2], "little")
        return layout.codes[word >> (bit & 7) & ((1 << layout.code_bits) - 1)]

    def _record_at(self, position: int) -> memoryview:
        at = self._layout.records_at + position * RECORD_BYTES
        return self._buffer[at : at + RECORD_BYTES]

    def _find_collision(self, record: bytes) -> int | None:
        begin = self._layout.collisions_at
        count = (self._layout.length - begin) // COLLISION_BYTES

        def serial_at(number: int) -> bytes:
            at = begin + number * COLLISION_BYTES
            return bytes(self._buffer[at : at + RECORD_BYTES])

        found = bisect_left(range(count), record, key=serial_at)
        if found == count or serial_at(found) != record:
            return None
        return self._buffer[begin + found * COLLISION_BYTES + RECORD_BYTES]
