"""The tearing sweep: every cut point of every command that writes, second cuts during recovery, weak bits, wear.

After any of them the card is what it was before or what it would have become, for good; an operation counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from mykey_cardap.emulator.memory import Fault, Image, PowerLost, Tear
from mykey_cardap.emulator.status import Refused
from mykey_cardap.errors import ApduError, CardMemoryError, CardRemovedError
from mykey_cardap.service_application.administration import ServiceDirectory
from mykey_cardap.service_application.errors import OutcomeUnknownError
from mykey_cardap.service_application.numbers import Kind, Role
from mykey_cardap.service_application.orders import OperationId
from mykey_cardap.service_application.session import Outcome
from mykey_cardap.service_application.transaction_mac import verify_receipt
from mykey_cardap.service_application.wrapped_keys import WrappedKeys

SERIAL = bytes.fromhex("04A1B2C3D4E5F6")
TAXI = 0x0301
REBOOTS = 3


@dataclass(slots=True)
class Sweep:
    """Cuts one action everywhere. `every` thins out the second cuts (1: all of them)."""

    rig: Any
    every: int = 1
    first: int = 0
    """Cut points of actions."""
    second: int = 0
    """Cut points during recovery."""
    old: int = 0
    new: int = 0
    tears: tuple[Tear, ...] = tuple(Tear)

    def boot(self) -> Any:
        """What the card holds after a power-up without accident, and after every later one."""
        self.rig.memory.arm(None)
        self.rig.application.power_up()
        seen = self.rig.observe()
        for _ in range(REBOOTS):
            self.rig.application.power_up()
            assert self.rig.observe() == seen, "the card changed its mind"
        return seen

    def run(self, act: Callable[[], object], settle: Callable[[bool], None] = lambda _: None) -> None:
        """Cut `act` at each page write. `settle(was_new)` runs after each first cut, on the recovered card."""
        before = self.rig.memory.image()
        old = self.boot()
        self.rig.restore(before)
        act()
        new = self.boot()
        assert new != old
        done = self.rig.memory.image()
        for tear in self.tears:
            for step in count():
                if not self._cut(before, Fault(step, tear), act):
                    break
                self._judge(old, new)
                settle(self.boot() == new)
        self.rig.restore(done)

    def _cut(self, before: Image, fault: Fault, act: Callable[[], object]) -> bool:
        self.rig.restore(before, fault)
        try:
            act()
        except (CardRemovedError, OutcomeUnknownError):
            self.first += 1
            return True
        return False

    def _judge(self, old: Any, new: Any) -> None:
        torn = self.rig.memory.image()
        for fault in self._second_cuts():
            self.rig.memory.restore(torn)
            self.rig.memory.arm(fault)
            self.rig.application.power_up()
            try:
                self.rig.observe()
            except PowerLost:
                self.second += 1
                assert self.boot() in (old, new)
                continue
            break
        self.rig.memory.restore(torn)
        seen = self.boot()
        assert seen in (old, new), "a third state"
        self.old += seen == old
        self.new += seen == new

    def _second_cuts(self) -> Iterator[Fault]:
        for step in range(self.first % self.every, 10_000, self.every):
            yield Fault(step, list(Tear)[(self.first + step) % 3])

    def report(self, name: str) -> str:
        """One line for the log."""
        return (
            f"{name}: {self.first} cuts + {self.second} second cuts during recovery; "
            f"{self.old} old, {self.new} new, 0 violations"
        )


def show(line: str) -> None:
    """The number of cases, into the log of the test run."""
    print(f"\n{line}", end="")  # noqa: T201 - asked for


def settle_ride(rig: Any, order: Any, counter: int) -> Callable[[bool], None]:
    """Tap again after each cut: the reader finds out what became of the ride, and it counts exactly once."""

    def settle(was_new: bool) -> None:  # noqa: FBT001 - the signature of Sweep.run
        rig.insert()
        session = rig.session()
        before = session.state().balance
        found = session.resolve(order, counter=counter)
        assert found.outcome is (Outcome.COMMITTED if was_new else Outcome.NOT_WRITTEN)
        receipt = session.commit(order)
        verify_receipt(rig.key(Role.TRANSACTION_MAC), order, receipt, serial=SERIAL)
        assert receipt.counter == counter + 1
        assert session.commit(order) == receipt
        assert before.value - receipt.balance.value == (0 if was_new else order.amount)
        assert receipt.balance.left + receipt.balance.used == 70
        assert [record.order.operation for record in session.log()].count(order.operation) == 1

    return settle


def sweep_ride(rig: Any, *, every: int) -> Sweep:
    rig.session().commit(rig.order(1))
    rig.session().commit(rig.order(2))
    order, sweep = rig.order(3), Sweep(rig, every=every)
    sweep.run(lambda: rig.session().commit(order), settle_ride(rig, order, counter=2))
    return sweep


def sweep_writing(rig: Any, *, every: int) -> Iterator[tuple[str, Sweep]]:
    """Every command of a personalisation, each cut at every page; a torn step is done again afterwards."""
    for name, step in rig.steps():
        sweep = Sweep(rig, every=every)

        def again(*now: bool, step: Callable[[], None] = step, name: str = name) -> None:
            rig.insert()
            if now == (True,) and name == "create":
                with pytest.raises(ApduError):
                    step()
            else:
                step()

        sweep.run(step, again)
        yield name, sweep


def later_commands(rig: Any) -> Iterator[tuple[str, Callable[[], object]]]:
    """Everything else that writes."""
    root = WrappedKeys.wrap(rig.keys(Role.ADMIN, service=0, generation=2), rig.keys(Role.ADMIN, service=0))
    time = rig.order().time
    yield "debit", lambda: rig.session().commit(rig.order(11, kind=Kind.DEBIT))
    yield "refund", lambda: rig.session().commit(rig.order(12, kind=Kind.REFUND))
    yield (
        "credit",
        lambda: rig.session(Role.CREDIT).credit(OperationId(b"COUNTER1", 1), amount=5, time=time, period=2026),
    )
    yield (
        "grant",
        lambda: rig.session(Role.CREDIT).grant(OperationId(b"COUNTER1", 2), rides=9, time=time, period=2027),
    )
    yield (
        "rotate K2",
        lambda: rig.administration().put_key(Role.DEBIT, generation=2, keys=rig.wrapped(Role.DEBIT, generation=2)),
    )
    yield (
        "rotate K0",
        lambda: rig.administration().put_key(Role.ADMIN, generation=2, keys=rig.wrapped(Role.ADMIN, generation=2)),
    )
    yield "rotate the card's K0", lambda: rig.directory().put_key(generation=2, keys=root)
    yield "raise the floor", lambda: raise_floor(rig)
    yield "suspend", lambda: suspend(rig)
    yield "delete", lambda: delete(rig)


def _new_root(rig: Any) -> ServiceDirectory:
    directory = ServiceDirectory(rig.transport)
    directory.authenticate(Role.ADMIN, rig.keys(Role.ADMIN, service=0, generation=2))
    return directory


def raise_floor(rig: Any) -> None:
    _new_root(rig).raise_floor(2)


def suspend(rig: Any) -> None:
    from mykey_cardap.service_application.administration import ServiceAdministration

    administration = ServiceAdministration(rig.transport, TAXI)
    administration.authenticate(Role.ADMIN, rig.keys(Role.ADMIN, generation=2))
    administration.deactivate()


def delete(rig: Any) -> None:
    _new_root(rig).delete(TAXI)


def test_a_torn_ride_counts_once_or_not_at_all(rig: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Every page of a ride, three kinds of tear, every second cut; then the passenger taps again."""
    sweep = sweep_ride(rig, every=1)
    assert sweep.first == 27  # six pages of a bank and three cells, three kinds of tear
    assert sweep.old > 0
    assert sweep.new > 0
    with capsys.disabled():
        show(sweep.report("ride, pages of 64 bytes"))


def test_a_torn_personalisation_is_never_half_written(blank_rig: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Every page of every step, from CREATE to ACTIVATE; the torn step is repeated and the next one follows."""
    cases = 0
    for _, sweep in sweep_writing(blank_rig, every=29):
        assert sweep.old > 0
        assert sweep.new > 0
        cases += sweep.first + sweep.second
    assert blank_rig.session().commit(blank_rig.order()).counter == 1
    with capsys.disabled():
        show(f"personalisation, pages of 64 bytes: {cases} cuts, 0 violations")


def test_torn_administration_and_other_transactions(rig: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Debit, refund, credit, grant, rotation, floor, suspension, deletion."""
    cases = 0
    for _, act in later_commands(rig):
        sweep = Sweep(rig, every=29)
        sweep.run(act)
        cases += sweep.first + sweep.second
    with capsys.disabled():
        show(f"other commands, pages of 64 bytes: {cases} cuts, 0 violations")


def test_every_byte_of_a_ride(make_rig: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The memory tears inside each byte; between them and with garbage it does in the long version."""
    rig = make_rig(page=1)
    rig.personalise()
    rig.session().commit(rig.order(1))
    slot = rig.application.contents.slot(TAXI)
    changed = slot.purse
    rig.session().commit(rig.order(2))
    sweep = Sweep(rig, every=499, tears=(Tear.MIXED,))
    sweep.run(lambda: rig_transact(rig, changed))
    assert sweep.first == 375  # 351 bytes of a bank, 24 of three cells
    with capsys.disabled():
        show(sweep.report("ride, every byte"))


def rig_transact(rig: Any, purse: Any) -> None:
    """The write of a ride without its session; a cut takes the power."""
    try:
        rig.application.contents.slot(TAXI).transact(purse)
    except PowerLost:
        raise CardRemovedError("cut") from None


@pytest.mark.parametrize("lasting", [False, True])
def test_a_worn_memory_is_6581_and_old_or_new(rig: Any, *, lasting: bool) -> None:
    """Each page write of a ride fails, once or from then on: the reader is in doubt, the card is not."""
    rig.session().commit(rig.order(1))
    before = rig.memory.image()
    old = rig.observe()
    rig.session().commit(rig.order(2))
    new = rig.observe()
    for step in range(9):
        rig.restore(before)
        session = rig.session()
        session.state()
        rig.memory.arm(Fault(step, lasting=lasting))
        with pytest.raises(OutcomeUnknownError) as doubt:
            session.commit(rig.order(2))
        assert isinstance(doubt.value.__cause__, CardMemoryError)
        seen = rig.observe()
        assert seen in (old, new)
        found = rig.session().resolve(rig.order(2), counter=doubt.value.counter)
        assert found.outcome is (Outcome.COMMITTED if seen == new else Outcome.NOT_WRITTEN)
        if lasting:
            with pytest.raises(OutcomeUnknownError):
                rig.session().commit(rig.order(3))
            rig.transport.card.power_off()
            rig.application.power_up()
        else:
            rig.insert()
        assert rig.observe() == seen
        if not lasting:
            assert rig.session().commit(rig.order(2)).counter == 2


def test_an_old_bank_that_is_played_back_is_noticed(rig: Any) -> None:
    """Both banks of the purse restored to an earlier state: the counters outside them know better (6581)."""
    rig.session().commit(rig.order(1))
    slot = rig.application.contents.slot(TAXI)
    banks = [(offset, rig.memory.read(offset, 384)) for offset in slot._purse._banks]
    rig.session().commit(rig.order(2))
    rig.session().commit(rig.order(3))
    for offset, bank in banks:
        rig.memory.write(offset, bank)
    rig.insert()
    with pytest.raises(CardMemoryError) as refusal:
        rig.session()
    assert refusal.value.sw == 0x6581


def test_a_deleted_service_leaves_no_keys(rig: Any) -> None:
    """After deletion at once, and after a cut of the deletion at the next power-up, the slot is blank."""
    keys = rig.keys(Role.DEBIT)
    rig.administration().deactivate()
    before = rig.memory.image()
    assert keys.enc in before.content
    rig.directory().delete(TAXI)
    assert keys.enc not in rig.memory.image().content
    for step in range(12):
        rig.restore(before, Fault(step, Tear.GARBAGE))
        with suppress(CardRemovedError):
            rig.directory().delete(TAXI)
        rig.insert()
        gone = TAXI not in rig.application.contents.root.slots
        content = bytes(rig.memory.read(0, len(rig.memory)))
        assert (keys.enc not in content) is gone
    assert gone


def test_a_memory_of_something_else_is_refused(rig: Any) -> None:
    """Blank or foreign memory: 6581 to SELECT, never an answer made of it."""
    rig.memory.write(0, bytes(64))
    rig.application.power_up()
    with pytest.raises(Refused) as refusal:
        rig.application.select(0)
    assert refusal.value.sw == 0x6581


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_the_whole_sweep(make_rig: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Every cut point and every second cut, in pages of 64, of 16 and of 4 bytes; the ride in single bytes, too."""
    for page in (64, 16, 4):
        rig = make_rig(page=page)
        every = {64: 1, 16: 5, 4: 23}[page]
        for name, sweep in sweep_writing(rig, every=every):
            with capsys.disabled():
                show(sweep.report(f"{name}, pages of {page}"))
        sweep = sweep_ride(rig, every=1)
        with capsys.disabled():
            show(sweep.report(f"ride, pages of {page}"))
        for name, act in later_commands(rig):
            sweep = Sweep(rig, every=every)
            sweep.run(act)
            with capsys.disabled():
                show(sweep.report(f"{name}, pages of {page}"))
    rig = make_rig(page=1)
    rig.personalise()
    with capsys.disabled():
        show(sweep_ride(rig, every=3).report("ride, every byte"))
