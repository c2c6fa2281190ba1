"""The rules of one COMMIT: from the state, the limits and an order to the new state, or a refusal.

Pure: nothing is stored here. Who may commit, and that it happens all at once, is decided by its callers.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from mykey_cardap.apdu import SW
from mykey_cardap.emulator.service_application.payloads import Parameters, Purse
from mykey_cardap.emulator.service_application.storage import cmac
from mykey_cardap.emulator.status import Refused
from mykey_cardap.service_application.numbers import (
    LOG_RECORDS,
    OPERATION_ID_SIZE,
    TRANSACTION_MAC_SIZE,
    AccessRule,
    Flag,
    Kind,
)

_ORDER: Final = struct.Struct(f">B{OPERATION_ID_SIZE}sIIIH")
_STATE: Final = struct.Struct(">iHHH")
_LOG: Final = struct.Struct(f">{_ORDER.size}sIB")
_SESSION_VECTOR: Final = bytes.fromhex("5A00010080")
_MAX_USES: Final = 0xFFFF
_ID_AT: Final = slice(1, 1 + OPERATION_ID_SIZE)


@dataclass(frozen=True, slots=True)
class Order:
    """The data field of a COMMIT: 27 bytes. Amounts in yen, time in seconds since 1970 (UTC)."""

    raw: bytes
    kind: Kind
    operation: bytes
    total: int
    amount: int
    time: int
    period: int

    @classmethod
    def from_bytes(cls, raw: bytes) -> Order:
        """6700 for another length, 6A80 for an unknown kind or an operation id of zeros."""
        if len(raw) != _ORDER.size:
            raise Refused(SW.WRONG_LENGTH)
        kind, operation, total, amount, time, period = _ORDER.unpack(raw)
        if kind not in Kind.__members__.values() or not any(operation):
            raise Refused(SW.WRONG_DATA)
        return cls(raw, Kind(kind), operation, total, amount, time, period)


def access_rule(kind: Kind) -> AccessRule:
    """The rule that says which key may commit this."""
    return _RULES[kind]


def is_repeated(purse: Purse, order: Order) -> bool:
    """Whether the order is the last one that was committed. 6985 when its id was used for anything else."""
    for age, record in enumerate(purse.log):
        if record[_ID_AT] == order.operation:
            if age == 0 and record.startswith(order.raw):
                return True
            raise Refused(SW.CONDITIONS_OF_USE)
    return False


def apply(purse: Purse, parameters: Parameters, order: Order) -> Purse:
    """The state after the order, without its log record and MAC. 6985 (or 6A80) when a rule forbids it."""
    return _APPLY[order.kind](purse, parameters, order)


def sealed(purse: Purse, order: Order, counter: int, key: bytes, generation: int, serial: bytes) -> Purse:
    """`purse` with the log record of `order` and the MAC of the transaction number `counter`."""
    session = cmac(key, _SESSION_VECTOR + counter.to_bytes(4, "little") + serial)
    mac = cmac(session, order.raw + state_bytes(purse))[:TRANSACTION_MAC_SIZE]
    record = _LOG.pack(order.raw, counter, generation)
    return replace(purse, transaction_mac=mac, log=(record, *purse.log)[:LOG_RECORDS])


def state_bytes(purse: Purse) -> bytes:
    """Value, rides left, rides used, period: 10 bytes, as answered and as authenticated."""
    return _STATE.pack(purse.value, purse.left, purse.used, purse.period)


def _ride(purse: Purse, parameters: Parameters, order: Order) -> Purse:
    if order.amount > order.total:
        raise Refused(SW.WRONG_DATA)
    purse = _in_period(purse, parameters, order)
    if not purse.left or purse.used == _MAX_USES or order.amount > parameters.cap:
        raise Refused(SW.CONDITIONS_OF_USE)
    cost = order.amount if parameters.flags & Flag.RIDE_DEBITS_VALUE else 0
    return replace(_with_value(purse, parameters, -cost), left=purse.left - 1, used=purse.used + 1)


def _debit(purse: Purse, parameters: Parameters, order: Order) -> Purse:
    purse = _in_period(purse, parameters, order)
    if not order.amount:
        raise Refused(SW.WRONG_DATA)
    if order.amount > parameters.cap:
        raise Refused(SW.CONDITIONS_OF_USE)
    return _with_value(purse, parameters, -order.amount)


def _credit(purse: Purse, parameters: Parameters, order: Order) -> Purse:
    if not order.amount:
        raise Refused(SW.WRONG_DATA)
    _require(order.period == purse.period)
    return _with_value(purse, parameters, order.amount)


def _refund(purse: Purse, parameters: Parameters, order: Order) -> Purse:
    """Undo the last transaction, a ride or a debit, in whole or in part; at most once."""
    _require(bool(purse.log) and order.period == purse.period)
    kind, _, _, amount, _, period = _ORDER.unpack_from(purse.log[0])
    _require(kind in {Kind.RIDE, Kind.DEBIT} and order.amount <= amount and period == order.period)
    if kind == Kind.DEBIT:
        return _with_value(purse, parameters, order.amount)
    back = order.amount if parameters.flags & Flag.RIDE_DEBITS_VALUE else 0
    return replace(_with_value(purse, parameters, back), left=purse.left + 1, used=purse.used - 1)


def _grant(purse: Purse, parameters: Parameters, order: Order) -> Purse:
    """A new period with `total` rides."""
    if order.amount or order.total > _MAX_USES:
        raise Refused(SW.WRONG_DATA)
    _require(purse.period < order.period <= parameters.last_period)
    return replace(purse, left=order.total, used=0, period=order.period)


def _in_period(purse: Purse, parameters: Parameters, order: Order) -> Purse:
    """The state in the period of the order: the present one, or a later one that the service grants by itself."""
    if order.period == purse.period:
        return purse
    _require(bool(parameters.allowance) and purse.period < order.period <= parameters.last_period)
    return replace(purse, left=parameters.allowance, used=0, period=order.period)


def _with_value(purse: Purse, parameters: Parameters, change: int) -> Purse:
    """6985 when the value would leave its limits (a change of nothing never does)."""
    value = purse.value + change
    _require(not change or parameters.lower <= value <= parameters.upper)
    return replace(purse, value=value)


def _require(condition: bool) -> None:  # noqa: FBT001 - reads like assert
    if not condition:
        raise Refused(SW.CONDITIONS_OF_USE)


_RULES: Final[Mapping[Kind, AccessRule]] = {
    Kind.RIDE: AccessRule.RIDES_DEBIT,
    Kind.DEBIT: AccessRule.VALUE_DEBIT,
    Kind.CREDIT: AccessRule.VALUE_CREDIT,
    Kind.REFUND: AccessRule.VALUE_DEBIT,
    Kind.GRANT: AccessRule.RIDES_CREDIT,
}
_APPLY: Final[Mapping[Kind, Callable[[Purse, Parameters, Order], Purse]]] = {
    Kind.RIDE: _ride,
    Kind.DEBIT: _debit,
    Kind.CREDIT: _credit,
    Kind.REFUND: _refund,
    Kind.GRANT: _grant,
}
