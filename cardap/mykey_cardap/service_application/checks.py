"""Whether a card would take an order, judged by the state that it told: so that a person gets a reason.

The card decides for itself; this only turns its 6985 into words before anything is sent.
"""

from __future__ import annotations

from mykey_cardap.service_application.errors import (
    CapExceededError,
    InvalidServiceDataError,
    NoRidesLeftError,
    NothingToRefundError,
    PeriodError,
    ServiceNotUsableError,
    ValueOutsideLimitsError,
)
from mykey_cardap.service_application.numbers import Flag, Kind, LifeCycle
from mykey_cardap.service_application.orders import Order, ServiceState


def check_order(order: Order, state: ServiceState) -> None:
    """Raise the reason for which the card would refuse `order`, if there is one."""
    if state.life_cycle is not LifeCycle.ACTIVATED:
        raise ServiceNotUsableError(state.life_cycle)
    if order.kind is Kind.RIDE:
        _check_ride(order, state)
    elif order.kind is Kind.DEBIT:
        _check_period(order, state, opens=True)
        _check_amount(order, state)
        _check_value(state, -order.amount)
    elif order.kind is Kind.CREDIT:
        _check_period(order, state, opens=False)
        _check_amount(order, None)
        _check_value(state, order.amount)
    elif order.kind is Kind.REFUND:
        _check_refund(order, state)
    elif not state.balance.period < order.period <= state.last_period:
        raise PeriodError(card_period=state.balance.period)


def _check_ride(order: Order, state: ServiceState) -> None:
    if order.amount > order.total:
        raise InvalidServiceDataError("a subsidy is never more than the fare")
    _check_period(order, state, opens=True)
    opened = order.period != state.balance.period
    if not (state.allowance if opened else state.balance.left):
        raise NoRidesLeftError(left=0, used=state.balance.used)
    if order.amount > state.cap:
        raise CapExceededError(cap=state.cap)
    if state.flags & Flag.RIDE_DEBITS_VALUE:
        _check_value(state, -order.amount)


def _check_refund(order: Order, state: ServiceState) -> None:
    last = state.last.order if state.last else None
    if last is None or last.kind not in {Kind.RIDE, Kind.DEBIT} or order.amount > last.amount:
        raise NothingToRefundError
    _check_period(order, state, opens=False)


def _check_period(order: Order, state: ServiceState, *, opens: bool) -> None:
    period = state.balance.period
    may_open = opens and state.allowance and period < order.period <= state.last_period
    if order.period != period and not may_open:
        raise PeriodError(card_period=period)


def _check_amount(order: Order, state: ServiceState | None) -> None:
    if not order.amount:
        raise InvalidServiceDataError("an amount of nothing changes nothing")
    if state is not None and order.amount > state.cap:
        raise CapExceededError(cap=state.cap)


def _check_value(state: ServiceState, change: int) -> None:
    value = state.balance.value
    if change and not state.lower <= value + change <= state.upper:
        raise ValueOutsideLimitsError(value=value, lower=state.lower, upper=state.upper)
