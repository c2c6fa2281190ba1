"""The non-volatile memory of an emulated card: pages that a power cut can tear, weak bits, and wear.

What is stored in it, and how a torn state is repaired, is the business of `service_application/storage.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, unique
from typing import Final

BLANK: Final = 0x00


class PowerLost(BaseException):
    """The card lost its power in the middle of a write; it gives no answer any more.

    No `Exception`, because no code in a card can catch it: whoever feeds the card takes it for a pulled card.
    """


class MemoryFault(Exception):
    """A page that can no longer be written (wear); its content is undefined now."""


@unique
class Tear(Enum):
    """What a page looks like whose writing was cut.

    Weak bytes read differently each time, until they are written again.
    """

    CLEAN = "clean"
    """Not begun: the cut lies exactly between two pages."""
    MIXED = "mixed"
    """The bits that were to change are weak: each read gives the old or the new value, bit by bit."""
    GARBAGE = "garbage"
    """The whole page is weak: each read gives any value, also beside the bytes that were to be written."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong at the page write number `step` (from 0) after it was armed."""

    step: int
    tear: Tear | None = None
    """How the page is torn by a power cut; None: the page is worn out instead."""
    lasting: bool = False
    """Worn out: whether all later writes fail, too."""


@dataclass(frozen=True, slots=True)
class Image:
    """A copy of everything that a memory holds, weak bits included."""

    content: bytes
    weak: tuple[tuple[int, int], ...]


class Memory:
    """`size` bytes in pages of `page` bytes. A write is a sequence of page writes in rising order.

    Not safe for several threads, like the card that it is part of. `chance` decides what weak bytes read as.
    """

    def __init__(self, size: int, *, page: int = 64, chance: random.Random | None = None) -> None:
        self.page = page
        self.steps = 0
        """Page writes since `arm` (or the beginning)."""
        self.stored: Callable[[], None] | None = None
        """Called after every write, whole or torn: keeps a state file in step with the memory."""
        self._content = bytearray(size)
        self._weak: dict[int, int] = {}
        self._fault: Fault | None = None
        self._chance = chance or random.SystemRandom()

    def __len__(self) -> int:
        return len(self._content)

    def arm(self, fault: Fault | None) -> None:
        """Let `fault` happen; the steps are counted from now. None: everything works again."""
        self._fault = fault
        self.steps = 0

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset`; weak bits are drawn anew at each read."""
        data = self._content[offset : offset + size]
        if self._weak:
            for place, mask in self._weak.items():
                if offset <= place < offset + size:
                    data[place - offset] ^= self._chance.randrange(256) & mask
        return bytes(data)

    def write(self, offset: int, data: bytes) -> None:
        """Write `data`, page by page. Raises `PowerLost` or `MemoryFault` when one is armed for a page."""
        if offset < 0 or offset + len(data) > len(self._content):
            raise IndexError("outside the memory")
        try:
            self._write(offset, data)
        finally:
            if self.stored is not None:
                self.stored()

    def _write(self, offset: int, data: bytes) -> None:
        end = offset + len(data)
        first, last = offset // self.page, -(-end // self.page)
        fault = self._fault
        if fault is None or fault.step >= self.steps + last - first:
            self.steps += last - first
            self._program(offset, data)
            return
        for page in range(first, last):
            start, stop = max(offset, page * self.page), min(end, (page + 1) * self.page)
            self._write_page(start, data[start - offset : stop - offset], fault)

    def image(self) -> Image:
        """A copy, for `restore`."""
        return Image(bytes(self._content), tuple(self._weak.items()))

    def restore(self, image: Image) -> None:
        """Become what `image` was; nothing is armed afterwards. `ValueError` when the size differs."""
        if len(image.content) != len(self._content):
            raise ValueError("an image of another memory")
        self._content[:] = image.content
        self._weak = dict(image.weak)
        self.arm(None)

    def _write_page(self, offset: int, data: bytes, fault: Fault) -> None:
        step, self.steps = self.steps, self.steps + 1
        if step == fault.step and fault.tear is not None:
            self._tear(offset, data, fault.tear)
            raise PowerLost
        if step == fault.step or (step > fault.step and fault.lasting and fault.tear is None):
            self._tear(offset, data, Tear.GARBAGE)
            raise MemoryFault
        self._program(offset, data)

    def _program(self, offset: int, data: bytes) -> None:
        self._content[offset : offset + len(data)] = data
        if self._weak:
            for place in [place for place in self._weak if offset <= place < offset + len(data)]:
                del self._weak[place]

    def _tear(self, offset: int, data: bytes, tear: Tear) -> None:
        if tear is Tear.MIXED:
            for place, byte in enumerate(data, offset):
                self._weaken(place, byte ^ self._content[place])
        elif tear is Tear.GARBAGE:
            start = offset // self.page * self.page
            for place in range(start, min(start + self.page, len(self._content))):
                self._weaken(place, 0xFF)

    def _weaken(self, place: int, mask: int) -> None:
        mask |= self._weak.get(place, 0)
        if mask:
            self._weak[place] = mask
