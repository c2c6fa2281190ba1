"""The service application against a small model in plain arithmetic, with power cuts anywhere, in any order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mykey_cardap.emulator.memory import Fault, Tear
from mykey_cardap.errors import ApduError
from mykey_cardap.service_application.errors import OutcomeUnknownError, ServiceError, ServiceNotUsableError
from mykey_cardap.service_application.numbers import Kind, Role
from mykey_cardap.service_application.orders import Order, Receipt
from mykey_cardap.service_application.session import Outcome
from mykey_cardap.service_application.transaction_mac import verify_receipt

SERIAL = bytes.fromhex("04A1B2C3D4E5F6")
ROLES = {
    Kind.RIDE: Role.DEBIT,
    Kind.DEBIT: Role.DEBIT,
    Kind.REFUND: Role.DEBIT,
    Kind.CREDIT: Role.CREDIT,
    Kind.GRANT: Role.CREDIT,
}


@dataclass(frozen=True)
class Model:
    """What a citizen would write into a notebook."""

    value: int = 10_000
    left: int = 70
    used: int = 0
    period: int = 2026
    counter: int = 0
    orders: tuple[Order, ...] = ()

    def after(self, order: Order) -> Model | None:
        """The notebook after an order; None when the rules forbid it."""
        new = self._moved(order)
        if new is None or not 0 <= new.value <= 100_000 or new.left < 0:
            return None
        return replace(new, counter=self.counter + 1, orders=(order, *self.orders))

    def _moved(self, order: Order) -> Model | None:
        in_period = self._in(order.period)
        same = order.period == self.period
        if order.kind is Kind.RIDE and in_period and order.amount <= min(order.total, 2_000):
            return replace(in_period, value=self.value - order.amount, left=in_period.left - 1, used=in_period.used + 1)
        if order.kind is Kind.DEBIT and in_period and 0 < order.amount <= 2_000:
            return replace(in_period, value=self.value - order.amount)
        if order.kind is Kind.CREDIT and same and order.amount:
            return replace(self, value=self.value + order.amount)
        if order.kind is Kind.GRANT and self.period < order.period <= 2030:
            return replace(self, left=order.total, used=0, period=order.period)
        return self._refunded(order) if order.kind is Kind.REFUND and same else None

    def _refunded(self, order: Order) -> Model | None:
        last = self.orders[0] if self.orders else None
        if last is None or last.kind not in {Kind.RIDE, Kind.DEBIT} or order.amount > last.amount:
            return None
        back = 1 if last.kind is Kind.RIDE else 0
        return replace(self, value=self.value + order.amount, left=self.left + back, used=self.used - back)

    def _in(self, period: int) -> Model | None:
        if period == self.period:
            return self
        return replace(self, left=70, used=0, period=period) if self.period < period <= 2030 else None


class Machine(RuleBasedStateMachine):
    """Transactions with and without accidents; after each step the card says what the model says."""

    make_rig: ClassVar[Any] = None

    @initialize()
    def start(self) -> None:
        """A fresh service."""
        self.rig = self.make_rig()
        self.rig.personalise()
        self.model = Model()
        self.sequence = 0
        self.active = True

    @rule(
        kind=st.sampled_from(list(Kind)),
        total=st.sampled_from([0, 1, 9, 1_430, 5_000]),
        amount=st.sampled_from([0, 1, 715, 2_000, 2_001, 50_000]),
        later=st.sampled_from([0, 0, 0, 0, 1, 5, -1]),
        accident=st.one_of(st.none(), st.none(), st.tuples(st.integers(0, 11), st.sampled_from(list(Tear)))),
    )
    def commit(self, kind: Kind, total: int, amount: int, later: int, accident: tuple[int, Tear] | None) -> None:
        """An order, perhaps with a power cut, which the next tap settles."""
        self.sequence += 1
        if kind is Kind.GRANT:
            amount = 0
        order = self.rig.order(self.sequence, kind=kind, total=total, amount=amount, period=self.model.period + later)
        expected = self.model.after(order) if self.active else None
        try:
            receipt = self._try(order, accident)
        except ServiceNotUsableError:
            assert not self.active
            return
        except (ServiceError, ApduError):
            assert self.active
            assert expected is None
            self._refused_by_the_card(order)
            return
        assert expected is not None
        self.model = expected
        verify_receipt(self.rig.key(Role.TRANSACTION_MAC), order, receipt, serial=SERIAL)

    def _refused_by_the_card(self, order: Order) -> None:
        """The card judges for itself: past the reader's checks the answer is a status word."""
        session = self.rig.session(ROLES[order.kind])
        state = session.state()
        with pytest.raises(ApduError) as refusal:
            session._committed(order, state)
        assert refusal.value.sw in {0x6985, 0x6A80}

    def _try(self, order: Order, accident: tuple[int, Tear] | None) -> Receipt:
        role = ROLES[order.kind]
        session = self.rig.session(role)
        session.state()
        self.rig.memory.arm(Fault(*accident) if accident else None)
        try:
            return session.commit(order)
        except OutcomeUnknownError as doubt:
            self.rig.insert()
            session = self.rig.session(role)
            found = session.resolve(doubt.order, counter=doubt.counter)
            assert found.outcome in {Outcome.COMMITTED, Outcome.NOT_WRITTEN}
            return session.commit(doubt.order)
        finally:
            self.rig.memory.arm(None)

    @precondition(lambda self: self.model.orders)
    @rule()
    def repeat(self) -> None:
        """The last order again changes nothing, whatever the state of the service."""
        order = self.model.orders[0]
        receipt = self.rig.session(ROLES[order.kind]).commit(order)
        assert receipt.counter == self.model.counter

    @rule()
    def toggle(self) -> None:
        """Suspend or resume."""
        administration = self.rig.administration()
        if self.active:
            administration.deactivate()
        else:
            administration.activate()
        self.active = not self.active

    @rule()
    def power_cycle(self) -> None:
        """Out of the reader and back."""
        self.rig.insert()

    @invariant()
    def agrees(self) -> None:
        """Balance, counter and log are those of the notebook."""
        if not hasattr(self, "rig"):
            return
        session = self.rig.session(Role.READ)
        state, model = session.state(), self.model
        balance = state.balance
        assert (balance.value, balance.left, balance.used) == (model.value, model.left, model.used)
        assert (balance.period, state.counter) == (model.period, model.counter)
        assert tuple(record.order for record in session.log()) == model.orders[:10]


def _run(rig: Any, examples: int, steps: int) -> None:
    machine = type("Bound", (Machine,), {"make_rig": rig})
    case = machine.TestCase
    case.settings = settings(max_examples=examples, stateful_step_count=steps, deadline=None)
    case().runTest()


def test_the_card_agrees_with_the_model(make_rig: Any) -> None:
    """A few hundred transactions with accidents."""
    _run(make_rig, examples=50, steps=20)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_the_card_agrees_with_the_model_for_long(make_rig: Any) -> None:
    """Tens of thousands."""
    _run(make_rig, examples=1_000, steps=50)
