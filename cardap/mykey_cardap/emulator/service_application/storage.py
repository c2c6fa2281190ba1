"""Records that survive a power cut at any byte: two banks, and a ring of counters outside them.

Knows nothing of what a record means. The rules and why they hold at every cut are in
`docs/reference/service-application.md`, "Memory".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC

from mykey_cardap.emulator.memory import Memory, MemoryFault

PAGE: Final = 64
"""No two banks and no two cells share a page of this size, so that tearing one cannot hurt another."""

COPIES: Final = 3
"""Cells that must have a new value before it counts: so many cuts in one transaction are survived whatever weak bits
read as. With bits chosen by an adversary no finite number survives any number of cuts."""

MAX_SEQUENCE: Final = 0xFFFFFFFF
_NUMBER: Final = 4
_BANK_MAC: Final = 8
_CELL_MAC: Final = 4


class StorageError(Exception):
    """A record of which no bank is whole, or whose newest bank is older than its counters tell (rolled back)."""


def cmac(key: bytes, message: bytes) -> bytes:
    """AES-CMAC, 16 bytes."""
    context = CMAC(algorithms.AES(key))
    context.update(message)
    return context.finalize()


class StorageMac:
    """AES-CMAC under the card's storage key; the key schedule is made once, and copied for each message."""

    def __init__(self, key: bytes) -> None:
        self._ready = CMAC(algorithms.AES(key))

    def __call__(self, message: bytes) -> bytes:
        """16 bytes."""
        context = self._ready.copy()
        context.update(message)
        return context.finalize()


def pages(size: int) -> int:
    """`size` rounded up to whole pages, in bytes."""
    return -(-size // PAGE) * PAGE


class Ring:
    """A number that only grows, in two groups of three cells: `value u32 ‖ CMAC4(value)`, a page each.

    `advance` writes the group that does not hold the present value, one cell after the other. A value counts as
    stored when its three cells have it; a cell that has it is never written again before the next `advance`. So a
    value that was once seen whole has a solid cell, unless three cuts have each left a weak one.
    """

    SIZE: Final = 2 * COPIES * PAGE

    def __init__(self, memory: Memory, offset: int, mac: StorageMac) -> None:
        self._memory, self._offset, self._mac = memory, offset, mac
        self.value = 0
        self._group = 0

    def format(self, value: int) -> None:
        """Give all cells `value`."""
        self.value = value
        self.settle()

    def recover(self) -> None:
        """Find the value after power-up, and complete its group when a cut left it half written."""
        cells = [self._read(index) for index in range(2 * COPIES)]
        known = [value for value in cells if value is not None]
        if not known:
            raise StorageError("no cell of the ring is whole")
        self.value = max(known)
        groups = cells[:COPIES], cells[COPIES:]
        self._group = int(groups[1].count(self.value) > groups[0].count(self.value))
        for place, found in enumerate(groups[self._group], self._group * COPIES):
            if found != self.value:
                self._write(place, self.value)

    def settle(self) -> None:
        """Give every cell the present value: no weak cell of a cut `advance`, in either group, can show up later."""
        self._write_group(1 - self._group, self.value)
        self._write_group(self._group, self.value)

    def advance(self, value: int) -> None:
        """Store a higher value."""
        self._write_group(1 - self._group, value)
        self._group = 1 - self._group
        self.value = value

    def _write_group(self, group: int, value: int) -> None:
        for index in range(group * COPIES, (group + 1) * COPIES):
            self._write(index, value)

    def _write(self, index: int, value: int) -> None:
        number = value.to_bytes(_NUMBER, "big")
        self._memory.write(self._offset + index * PAGE, number + self._mac(number)[:_CELL_MAC])

    def _read(self, index: int) -> int | None:
        raw = self._memory.read(self._offset + index * PAGE, _NUMBER + _CELL_MAC)
        number, mac = raw[:_NUMBER], raw[_NUMBER:]
        return int.from_bytes(number, "big") if self._mac(number)[:_CELL_MAC] == mac else None


@dataclass(frozen=True, slots=True)
class _Bank:
    sequence: int
    payload: bytes


class Record:
    """`size` bytes of payload that change all at once: banks `sequence u32 ‖ payload ‖ CMAC8(sequence ‖ payload)`.

    `payload` and `sequence` are what the card works with; they change by `format`, `commit` and `recover` only.
    """

    def __init__(self, memory: Memory, offset: int, size: int, key: bytes | StorageMac) -> None:
        self.size = size
        self.payload = b""
        self.sequence = 0
        self._memory = memory
        self._mac = key if isinstance(key, StorageMac) else StorageMac(key)
        self._bank_size = pages(_NUMBER + size + _BANK_MAC)
        if self._bank_size == PAGE:
            raise ValueError("a bank must be longer than a page: one torn page must not be able to read whole")
        self._banks = (offset, offset + self._bank_size)
        self._ring = Ring(memory, offset + 2 * self._bank_size, self._mac)
        self._current = 0

    @staticmethod
    def space(size: int) -> int:
        """Bytes of memory that a record of `size` bytes of payload takes."""
        return 2 * pages(_NUMBER + size + _BANK_MAC) + Ring.SIZE

    def format(self, payload: bytes, sequence: int = 0) -> None:
        """Begin anew. Not safe against cuts: nothing may refer to the record before this is done."""
        self._ring.format(sequence)
        for bank in (0, 1):
            self._write(bank, sequence, payload)
        self._adopt(0, _Bank(sequence, payload))

    def commit(self, payload: bytes) -> None:
        """Replace the payload: after a cut at any place the record is the old one or the new one, for good.

        `MemoryFault`: the memory is worn; `payload` tells which of the two it is now.
        """
        if len(payload) != self.size or self.sequence >= MAX_SEQUENCE:
            raise ValueError("a payload of another size, or a worn-out counter")
        target, sequence = 1 - self._current, self.sequence + 1
        try:
            self._write(target, sequence, payload)
            self._ring.advance(sequence)
        except MemoryFault:
            self.recover()
            raise
        self._adopt(target, _Bank(sequence, payload))

    def recover(self) -> None:
        """Power-up: choose the newest whole bank, and make solid whatever a cut may have left weak.

        Nothing may be told to the outside before this is done. Each bank is read once, because weak bits read
        differently each time. A memory that cannot be repaired is used as it reads; later commits fail.
        """
        try:
            self._ring.recover()
        except MemoryFault:
            self._choose()
            return
        banks, newest = self._choose()
        try:
            self._repair(banks, newest)
        except MemoryFault:
            return

    def _choose(self) -> tuple[list[_Bank | None], _Bank]:
        banks = [self._read(index) for index in (0, 1)]
        whole = [bank for bank in banks if bank is not None]
        if not whole:
            raise StorageError("no bank is whole")
        newest = max(whole, key=lambda bank: bank.sequence)
        if newest.sequence < self._ring.value:
            raise StorageError("an old bank was played back")
        self._adopt(banks.index(newest), newest)
        return banks, newest

    def _repair(self, banks: list[_Bank | None], newest: _Bank) -> None:
        if newest.sequence > self._ring.value:  # cut between bank and ring: the bank's last page may be weak
            self._ring.settle()
            self._write(self._current, newest.sequence, newest.payload)
            self._ring.advance(newest.sequence)
        elif banks[1 - self._current] is None:  # cut inside the bank: it must never read whole later
            self._blank(1 - self._current)

    def _adopt(self, index: int, bank: _Bank) -> None:
        self._current = index
        self.sequence, self.payload = bank.sequence, bank.payload

    def _write(self, bank: int, sequence: int, payload: bytes) -> None:
        body = sequence.to_bytes(_NUMBER, "big") + payload
        self._memory.write(self._banks[bank], body + self._mac(body)[:_BANK_MAC])

    def _blank(self, bank: int) -> None:
        """Erase a bank that is not blank: once its first page is gone, it can never be whole again.

        Not a copy of the winner: one that was cut at its end could read whole by luck, and then the next commit
        would overwrite the only solid bank.
        """
        start, size = self._banks[bank], _NUMBER + self.size + _BANK_MAC
        if any(self._memory.read(start, size)):
            self._memory.write(start, bytes(size))

    def _read(self, bank: int) -> _Bank | None:
        raw = self._memory.read(self._banks[bank], _NUMBER + self.size + _BANK_MAC)
        body, mac = raw[:-_BANK_MAC], raw[-_BANK_MAC:]
        if self._mac(body)[:_BANK_MAC] != mac:
            return None
        return _Bank(int.from_bytes(body[:_NUMBER], "big"), body[_NUMBER:])
