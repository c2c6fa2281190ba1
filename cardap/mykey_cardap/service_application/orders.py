"""What a terminal asks a service to do, and what it gets back: orders, receipts, state and log as bytes.

Layouts of the reader's side; the card has its own. Sending is the business of `session.py`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self

from mykey_cardap.errors import BadCardDataError
from mykey_cardap.service_application.errors import InvalidServiceDataError
from mykey_cardap.service_application.numbers import (
    LOG_RECORD_SIZE,
    OPERATION_ID_SIZE,
    ORDER_SIZE,
    RECEIPT_SIZE,
    STATE_SIZE,
    TRANSACTION_MAC_SIZE,
    Flag,
    Kind,
    LifeCycle,
)

_TERMINAL_SIZE: Final = 8
_MAX_U16: Final = 0xFFFF
_MAX_U32: Final = 0xFFFFFFFF
_BALANCE: Final = struct.Struct(">iHHH")
_LIMITS: Final = struct.Struct(">BBiiiIHHHHH")


@dataclass(frozen=True, slots=True)
class OperationId:
    """Names one operation for ever: the terminal (8 bytes) and its own sequence number (u32, never reused)."""

    terminal: bytes
    sequence: int

    def __post_init__(self) -> None:
        if len(self.terminal) != _TERMINAL_SIZE or not 0 <= self.sequence <= _MAX_U32 or not any(bytes(self)):
            raise InvalidServiceDataError("a terminal id has 8 bytes, a sequence number is a u32, and not all is zero")

    def __bytes__(self) -> bytes:
        return self.terminal + self.sequence.to_bytes(4, "big")

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self | None:
        """Read 12 bytes; None for zeros, which mean that there was no operation yet."""
        if not any(raw):
            return None
        return cls(raw[:_TERMINAL_SIZE], int.from_bytes(raw[_TERMINAL_SIZE:], "big"))


@dataclass(frozen=True, slots=True)
class Order:
    """One transaction, the data field of COMMIT (27 bytes).

    `total` is the fare or price, `amount` what the service pays or the value changes by (yen); for a GRANT `total`
    is the number of rides. `time` is UTC, kept in whole seconds; `period` is the service's (for example the fiscal
    year). `InvalidServiceDataError` for numbers outside their range.
    """

    kind: Kind
    operation: OperationId
    total: int
    amount: int
    time: datetime
    period: int

    def __post_init__(self) -> None:
        if not (0 <= self.total <= _MAX_U32 and 0 <= self.amount <= _MAX_U32 and 0 <= self.period <= _MAX_U16):
            raise InvalidServiceDataError("amounts are yen from 0 to 4,294,967,295, periods 0 to 65,535")
        if self.time.tzinfo is None or not 0 <= self.time.timestamp() <= _MAX_U32:
            raise InvalidServiceDataError("times are aware and between 1970 and 2106")

    def __bytes__(self) -> bytes:
        seconds = int(self.time.timestamp())
        numbers = b"".join(number.to_bytes(4, "big") for number in (self.total, self.amount, seconds))
        return bytes((self.kind,)) + bytes(self.operation) + numbers + self.period.to_bytes(2, "big")

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read 27 bytes of a log record or a journal; `BadCardDataError`."""
        known = len(raw) == ORDER_SIZE and raw[0] in Kind.__members__.values()
        operation = OperationId.from_bytes(raw[1 : 1 + OPERATION_ID_SIZE]) if known else None
        if operation is None:
            raise BadCardDataError("this is no order of a transaction")
        total, amount, seconds = (int.from_bytes(raw[at : at + 4], "big") for at in (13, 17, 21))
        time = datetime.fromtimestamp(seconds, UTC)
        return cls(Kind(raw[0]), operation, total, amount, time, int.from_bytes(raw[25:], "big"))


@dataclass(frozen=True, slots=True)
class Balance:
    """What a transaction leaves: value in yen, rides left and used, period. 10 bytes."""

    value: int
    left: int
    used: int
    period: int

    def __bytes__(self) -> bytes:
        return _BALANCE.pack(self.value, self.left, self.used, self.period)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read 10 bytes."""
        return cls(*_BALANCE.unpack(raw))


@dataclass(frozen=True, slots=True)
class Receipt:
    """The card's answer to COMMIT: its counter (TMC), the transaction MAC, and the balance now. 22 bytes."""

    counter: int
    mac: bytes
    balance: Balance

    def __bytes__(self) -> bytes:
        return self.counter.to_bytes(4, "big") + self.mac + bytes(self.balance)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read 22 bytes; `BadCardDataError`."""
        if len(raw) != RECEIPT_SIZE:
            raise BadCardDataError("a receipt has 22 bytes")
        mac = raw[4 : 4 + TRANSACTION_MAC_SIZE]
        return cls(int.from_bytes(raw[:4], "big"), mac, Balance.from_bytes(raw[4 + TRANSACTION_MAC_SIZE :]))


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One of the last ten transactions: the order, the counter that it got, the generation of K4 that sealed it."""

    order: Order
    counter: int
    key_generation: int

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read 32 bytes; `BadCardDataError`."""
        if len(raw) != LOG_RECORD_SIZE:
            raise BadCardDataError("a log record has 32 bytes")
        return cls(Order.from_bytes(raw[:ORDER_SIZE]), int.from_bytes(raw[ORDER_SIZE:31], "big"), raw[31])


@dataclass(frozen=True, slots=True)
class ServiceState:
    """GET DATA DF01 (85 bytes): all that a terminal needs before a transaction. `last` is the newest log record.

    `cap` bounds one ride or debit, `allowance` is what a new period grants by itself (0: nothing), up to
    `last_period`. `counter` is the TMC, `mac` that of the last transaction.
    """

    life_cycle: LifeCycle
    flags: Flag
    balance: Balance
    lower: int
    upper: int
    cap: int
    allowance: int
    last_period: int
    counter: int
    mac: bytes
    key_generation: int
    last: LogRecord | None

    @property
    def last_operation(self) -> OperationId | None:
        """The operation that the card committed last."""
        return self.last.order.operation if self.last else None

    @property
    def receipt(self) -> Receipt:
        """What the card answered to the last transaction, and answers again to the same order."""
        return Receipt(self.counter, self.mac, self.balance)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read 85 bytes; `BadCardDataError`."""
        if len(raw) != STATE_SIZE:
            raise BadCardDataError("a state has 85 bytes")
        state, flags, value, lower, upper, cap, left, used, period, allowance, last_period = _LIMITS.unpack_from(raw)
        record = raw[53:]
        try:
            last = LogRecord.from_bytes(record) if any(record) else None
            cycle = LifeCycle(state)
        except ValueError as error:
            raise BadCardDataError("a life cycle that does not exist") from error
        if raw[41:53] != record[1:13]:
            raise BadCardDataError("the last operation is not that of the last log record")
        balance = Balance(value, left, used, period)
        counter, mac, generation = int.from_bytes(raw[28:32], "big"), raw[32:40], raw[40]
        found = (cycle, Flag(flags), balance, lower, upper, cap, allowance, last_period, counter, mac, generation, last)
        return cls(*found)
