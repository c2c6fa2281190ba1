"""Records and rings against an adversary who cuts every write, at power-up too, and chooses what weak bits read as.

All states that can be reached are visited: what the card has told once stays true.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from mykey_cardap.emulator.memory import Fault, Image, Memory, MemoryFault, PowerLost, Tear
from mykey_cardap.emulator.service_application import storage
from mykey_cardap.emulator.service_application.storage import PAGE, Record, Ring, StorageError, StorageMac

KEY = bytes(range(16))
SIZE = 60
STEPS = 40


class Adversary(Memory):
    """Weak bytes read as they were or as they should have become, by a script of choices, one for each read."""

    def __init__(self, size: int, page: int) -> None:
        super().__init__(size, page=page, chance=self)  # type: ignore[arg-type]
        self.script: list[int] = []
        self.asked = 0
        self._now = 0

    def read(self, offset: int, size: int) -> bytes:
        """Choose for this read."""
        if any(offset <= place < offset + size for place in self._weak):
            self._now = self.script[self.asked] if self.asked < len(self.script) else 0
            self.asked += 1
        return super().read(offset, size)

    def randrange(self, _: int) -> int:
        """In the place of a random number."""
        return self._now


@dataclass(frozen=True, slots=True)
class Node:
    """A memory without power, and what the record in it may be."""

    image: Image
    allowed: frozenset[bytes]
    commits: int
    cuts: int


class Explorer:
    """Visits everything that `commits` commits, cuts and power-ups can lead to."""

    def __init__(self, tears: tuple[Tear, ...], *, commits: int, cuts: int) -> None:
        self.memory = Adversary(Record.space(SIZE), PAGE)
        self.tears, self.commits, self.cuts = tears, commits, cuts
        self.seen: set[Node] = set()
        self.edges = 0

    def record(self) -> Record:
        """The record as the card's program sees it after power-up."""
        return Record(self.memory, 0, SIZE, KEY)

    def run(self) -> None:
        """From a fresh record to all that follows."""
        self.record().format(value(0))
        todo = [Node(self.memory.image(), frozenset({value(0)}), 0, 0)]
        while todo:
            node = todo.pop()
            if node in self.seen:
                continue
            self.seen.add(node)
            todo += self.successors(node)

    def successors(self, node: Node) -> Iterator[Node]:
        """Power-ups that are cut, one that is not, and then commits that are cut or not."""
        for fault in self.faults(node.cuts):
            cut = False
            for record in self.power_ups(node, fault):
                self.edges += 1
                if record is None:
                    cut = True
                    yield Node(self.memory.image(), node.allowed, node.commits, node.cuts + 1)
                    continue
                told = record.payload
                assert told in node.allowed, "a third state, or the card changed its mind"
                yield Node(self.memory.image(), frozenset({told}), node.commits, node.cuts)
                yield from self.commit(record, told, node)
            if not cut:
                break  # it had nothing (more) to write

    def power_ups(self, node: Node, fault: Fault | None) -> Iterator[Record | None]:
        """Recover with every choice of weak reads; None: the power was cut."""
        scripts: list[list[int]] = [[]]
        while scripts:
            self.memory.restore(node.image)
            self.memory.script, self.memory.asked = script, _ = scripts.pop(), 0
            self.memory.arm(fault)
            record = self.record()
            try:
                record.recover()
                self.memory.arm(None)
                asked = self.memory.asked
                yield record
            except PowerLost:
                self.memory.arm(None)
                asked = self.memory.asked
                yield None
            scripts += [[*script, *[0] * (place - len(script)), 0xFF] for place in range(len(script), asked)]

    def commit(self, record: Record, told: bytes, node: Node) -> Iterator[Node]:
        """The next value; cut at each step, and once not."""
        if node.commits == self.commits:
            return
        before, new, commits = self.memory.image(), value(node.commits + 1), node.commits + 1
        state = record._current, record.sequence, record.payload, record._ring.value, record._ring._group
        for fault in self.faults(node.cuts):
            self.memory.restore(before)
            record._current, record.sequence, record.payload, record._ring.value, record._ring._group = state
            self.memory.arm(fault)
            try:
                record.commit(new)
            except PowerLost:
                self.memory.arm(None)
                yield Node(self.memory.image(), frozenset({told, new}), commits, node.cuts + 1)
                continue
            self.memory.arm(None)
            yield Node(self.memory.image(), frozenset({new}), commits, node.cuts)
            return

    def faults(self, cuts: int) -> Iterator[Fault | None]:
        """Cut points in order, each with every kind of tear, as long as cuts are left; then none."""
        if cuts < self.cuts:
            for step in range(STEPS):
                for tear in self.tears:
                    yield Fault(step, tear)
        yield None


def value(number: int) -> bytes:
    """A payload."""
    return bytes((number + 1,)) * SIZE


ALL = (Tear.MIXED, Tear.GARBAGE, Tear.CLEAN)


def explore(capsys: pytest.CaptureFixture[str], *, commits: int, cuts: int) -> None:
    explorer = Explorer(ALL, commits=commits, cuts=cuts)
    explorer.run()
    assert len(explorer.seen) > 1_000
    with capsys.disabled():
        print(  # noqa: T201 - asked for
            f"\nadversary, {commits} commits, {cuts} cuts: {len(explorer.seen)} states, "
            f"{explorer.edges} power-ups, 0 violations",
            end="",
        )


def test_what_was_told_stays_true(capsys: pytest.CaptureFixture[str]) -> None:
    """Any two cuts in three commits, in pages of 64 bytes, at which a whole cell tears."""
    explore(capsys, commits=3, cuts=2)


@pytest.mark.nightly
@pytest.mark.parametrize(("commits", "cuts"), [(2, 3), (4, 3)])
@pytest.mark.timeout(1200)
def test_what_was_told_stays_true_after_three_cuts(capsys: pytest.CaptureFixture[str], commits: int, cuts: int) -> None:
    """Any three cuts: as many as there are cells in a group."""
    explore(capsys, commits=commits, cuts=cuts)


def test_a_ring_only_grows() -> None:
    """Cut at each byte, the value is the old or the new one; afterwards the higher one is never lost."""
    for step in range(24):
        for tear in Tear:
            memory = Memory(Ring.SIZE, page=1, chance=random.Random(step))  # noqa: S311 - test data
            ring = Ring(memory, 0, StorageMac(KEY))
            ring.format(7)
            ring.advance(8)
            memory.arm(Fault(step, tear))
            with pytest.raises(PowerLost):
                ring.advance(9)
            memory.arm(None)
            found = Ring(memory, 0, StorageMac(KEY))
            found.recover()
            assert found.value in {8, 9}
            assert found.value == 9 or step < 9
            found.advance(10)
            again = Ring(memory, 0, StorageMac(KEY))
            again.recover()
            assert again.value == 10


def test_rolled_back_and_blank_memories_are_refused() -> None:
    """No whole bank, no whole cell, or banks older than the ring."""
    memory = Memory(Record.space(SIZE))
    with pytest.raises(StorageError):
        Record(memory, 0, SIZE, KEY).recover()
    record = Record(memory, 0, SIZE, KEY)
    record.format(value(0))
    old = [memory.read(0, PAGE * 4)]
    record.commit(value(1))
    record.commit(value(2))
    memory.write(0, old[0])
    with pytest.raises(StorageError):
        Record(memory, 0, SIZE, KEY).recover()
    memory.write(0, bytes(PAGE * 4))
    with pytest.raises(StorageError):
        Record(memory, 0, SIZE, KEY).recover()


def test_wrong_use_is_refused() -> None:
    """Payloads of another size, banks of one page, memories that are too small, images of another memory."""
    memory = Memory(Record.space(SIZE))
    record = Record(memory, 0, SIZE, KEY)
    record.format(value(0))
    with pytest.raises(ValueError, match="size"):
        record.commit(b"short")
    with pytest.raises(ValueError, match="page"):
        Record(memory, 0, PAGE - 12, KEY)
    with pytest.raises(IndexError):
        memory.write(len(memory) - 1, b"ab")
    with pytest.raises(ValueError, match="another"):
        memory.restore(Image(b"", ()))


def test_weak_bits_read_differently_until_they_are_written() -> None:
    """The model of the memory itself: garbage anywhere in the page, or just the bits that were to change."""
    memory = Memory(128, chance=random.Random(3))  # noqa: S311 - test data
    memory.arm(Fault(0, Tear.GARBAGE))
    with pytest.raises(PowerLost):
        memory.write(10, b"abc")
    memory.arm(None)
    assert len({memory.read(0, 64) for _ in range(20)}) == 20
    assert memory.read(64, 64) == bytes(64)
    memory.write(0, bytes(64))
    assert memory.read(0, 64) == bytes(64)
    memory.arm(Fault(0, Tear.MIXED))
    with pytest.raises(PowerLost):
        memory.write(5, b"\x03")
    memory.arm(None)
    assert {memory.read(0, 64)[5] for _ in range(100)} == {0, 1, 2, 3}
    memory.arm(Fault(0, lasting=True))
    for _ in range(2):
        with pytest.raises(MemoryFault):
            memory.write(5, b"\x03")


GUARANTEES: dict[str, Callable[[pytest.MonkeyPatch], None]] = {}


def breaking(name: str) -> Callable[[Any], Any]:
    """Register a way to break a guarantee on purpose."""

    def register(patch: Callable[[pytest.MonkeyPatch], None]) -> Callable[[pytest.MonkeyPatch], None]:
        GUARANTEES[name] = patch
        return patch

    return register


@breaking("the ring is not settled before the bank is rewritten")
def _no_settle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ring, "settle", lambda _: None)


@breaking("a half-written bank is left as it is")
def _no_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    def repair(self: Record, banks: list[Any], newest: Any) -> None:
        if newest.sequence > self._ring.value:
            original(self, banks, newest)

    original = Record._repair
    monkeypatch.setattr(Record, "_repair", repair)


@breaking("a half-written bank becomes a copy of the winner")
def _copy(monkeypatch: pytest.MonkeyPatch) -> None:
    def blank(self: Record, bank: int) -> None:
        self._write(bank, self.sequence, self.payload)

    monkeypatch.setattr(Record, "_blank", blank)


@breaking("one cell instead of three")
def _one_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "COPIES", 1)


@breaking("a weak winner is not written again")
def _no_roll_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    def repair(self: Record, banks: list[Any], newest: Any) -> None:
        if newest.sequence == self._ring.value:
            original(self, banks, newest)

    original = Record._repair
    monkeypatch.setattr(Record, "_repair", repair)


@breaking("the newer bank is overwritten")
def _wrong_bank(monkeypatch: pytest.MonkeyPatch) -> None:
    def commit(self: Record, payload: bytes) -> None:
        self._write(self._current, self.sequence + 1, payload)
        self._ring.advance(self.sequence + 1)

    monkeypatch.setattr(Record, "commit", commit)


@breaking("banks without a MAC")
def _no_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StorageMac, "__call__", lambda _mac, _message: bytes(16))


@pytest.mark.parametrize("name", list(GUARANTEES))
def test_each_rule_of_recovery_is_needed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any one of them the adversary wins: so the test above can fail, and no rule is idle."""
    GUARANTEES[name](monkeypatch)
    with pytest.raises((AssertionError, StorageError)):
        Explorer(ALL, commits=3, cuts=3).run()
