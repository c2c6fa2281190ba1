"""Reading command data on the card: LV fields, BER objects and DGIs. The card's own, apart from the reader's TLV code.

Every fault is `Refused` 6A80; nothing here knows what a field means.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mykey_cardap.apdu import SW
from mykey_cardap.emulator.status import Refused

_SHORT_LIMIT: Final = 0x80
_ONE_BYTE, _TWO_BYTES = 0x81, 0x82
_LONG_TAG: Final = 0x1F
_DGI_LONG: Final = 0xFF


class Fields:
    """A cursor over command data that refuses to run past its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def finished(self) -> bool:
        """Whether everything was read."""
        return self._at >= len(self._data)

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        taken = self._data[self._at : self._at + count]
        if len(taken) != count:
            raise Refused(SW.WRONG_DATA)
        self._at += count
        return taken

    def byte(self) -> int:
        """The next byte."""
        return self.take(1)[0]

    def lv(self) -> bytes:
        """A value behind its length: one byte up to 80 (80 itself is 128 here, GP 11.1.5), `81 xx` or `82 xxxx`."""
        return self.take(self._length(_SHORT_LIMIT))

    def ber(self) -> bytes:
        """The value of a BER object; a length of 80 would be the indefinite form."""
        return self.take(self._length(_SHORT_LIMIT - 1))

    def _length(self, longest: int) -> int:
        first = self.byte()
        if first <= longest:
            return first
        if first not in {_ONE_BYTE, _TWO_BYTES}:
            raise Refused(SW.WRONG_DATA)
        return int.from_bytes(self.take(first - _SHORT_LIMIT), "big")

    def tag(self) -> int:
        """A BER tag of one or two bytes."""
        first = self.byte()
        return first if first & _LONG_TAG != _LONG_TAG else first << 8 | self.byte()


def objects(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and value of every BER object; they must fill `data`."""
    cursor = Fields(data)
    while not cursor.finished:
        tag = cursor.tag()
        yield tag, cursor.ber()


def groupings(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Identifier and value of every DGI: two bytes, then a length of one byte or `FF` and two bytes."""
    cursor = Fields(data)
    while not cursor.finished:
        identifier = int.from_bytes(cursor.take(2), "big")
        length = cursor.byte()
        yield identifier, cursor.take(int.from_bytes(cursor.take(2), "big") if length == _DGI_LONG else length)
