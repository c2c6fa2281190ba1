"""One service on a card as a terminal uses it: read its state, commit a transaction, and settle a doubt by a new tap.

Writing a service onto a card is `administration.py`; verifying receipts is the back office's (`transaction_mac.py`).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum, unique
from typing import Final

from mykey_cardap.apdu import SHORT_MAX_RESPONSE, SW, CommandApdu
from mykey_cardap.errors import ApduError, BadCardDataError, FileNotFoundOnCardError, TransportError
from mykey_cardap.globalplatform.errors import SecureChannelError
from mykey_cardap.service_application.channel import ServiceChannel
from mykey_cardap.service_application.checks import check_order
from mykey_cardap.service_application.errors import OperationReusedError, OutcomeUnknownError
from mykey_cardap.service_application.numbers import (
    LOG_RECORD_SIZE,
    LOG_RECORDS,
    DataObject,
    FileId,
    Kind,
    ServiceIns,
)
from mykey_cardap.service_application.orders import LogRecord, OperationId, Order, Receipt, ServiceState

_FROM_HERE: Final = 0x05


@unique
class Outcome(StrEnum):
    """What became of an order whose answer was lost."""

    COMMITTED = "committed"
    """It counted; the receipt is there."""
    COMMITTED_EARLIER = "committed-earlier"
    """It counted, and others came after it: the log has it, but the card no longer has its MAC."""
    NOT_WRITTEN = "not-written"
    """The card is as it was before: commit the same order now, or drop it."""
    VOID = "void"
    """The card went on without it: it never counted and never will."""
    UNKNOWN = "unknown"
    """More than ten transactions came after; only the back office can tell."""


class Resolution:
    """An outcome, with the receipt or the log record that proves it."""

    __slots__ = ("outcome", "receipt", "record")

    def __init__(self, outcome: Outcome, *, receipt: Receipt | None = None, record: LogRecord | None = None) -> None:
        self.outcome = outcome
        self.receipt = receipt
        self.record = record

    def __repr__(self) -> str:
        return f"<Resolution {self.outcome}>"


class ServiceSession(ServiceChannel):
    """A service of the card in the reader; the constructor selects it, `authenticate` opens the session.

    `service` is its number (taxi 03xx, points 05xx, …). One ride is five APDUs: select, two to authenticate, the
    state, and one COMMIT.
    """

    _state: ServiceState | None = None

    def state(self) -> ServiceState:
        """Life cycle, balance, limits, counter and last transaction."""
        command = CommandApdu(0x80, ServiceIns.GET_DATA, *divmod(DataObject.STATE, 0x100), le=SHORT_MAX_RESPONSE)
        self._state = ServiceState.from_bytes(self._send("read the service's state", command))
        return self._state

    def profile(self) -> bytes:
        """The profile: BER-TLV objects of the service's own."""
        return self._read_file(FileId.PROFILE, "read the profile")

    def log(self) -> tuple[LogRecord, ...]:
        """The last transactions, the newest first, at most ten."""
        found: list[LogRecord] = []
        while len(found) < LOG_RECORDS:
            piece = self._records(len(found) + 1)
            if not piece or len(piece) % LOG_RECORD_SIZE:
                break
            found += [LogRecord.from_bytes(piece[at : at + 32]) for at in range(0, len(piece), LOG_RECORD_SIZE)]
        return tuple(found[:LOG_RECORDS])

    def ride(self, operation: OperationId, *, fare: int, subsidy: int, time: datetime, period: int) -> Receipt:
        """Count a ride; `subsidy` (yen) also leaves the value if the service is made so."""
        return self.commit(Order(Kind.RIDE, operation, fare, subsidy, time, period))

    def debit(self, operation: OperationId, *, amount: int, time: datetime, period: int, total: int = 0) -> Receipt:
        """Take `amount` yen or points off the value; `total` is the price, for the log."""
        return self.commit(Order(Kind.DEBIT, operation, total, amount, time, period))

    def credit(self, operation: OperationId, *, amount: int, time: datetime, period: int, total: int = 0) -> Receipt:
        """Add to the value."""
        return self.commit(Order(Kind.CREDIT, operation, total, amount, time, period))

    def refund(self, operation: OperationId, *, amount: int, time: datetime, period: int) -> Receipt:
        """Undo the last transaction, a ride or a debit, up to its amount."""
        return self.commit(Order(Kind.REFUND, operation, 0, amount, time, period))

    def grant(self, operation: OperationId, *, rides: int, time: datetime, period: int) -> Receipt:
        """Open a new period with `rides` rides."""
        return self.commit(Order(Kind.GRANT, operation, rides, 0, time, period))

    def commit(self, order: Order) -> Receipt:
        """Let the card do `order`, once: the same order again gives the same receipt and changes nothing.

        Write the order and the counter (`state().counter`) to the journal first. Raises a
        `TransactionRefusedError` or `ServiceNotUsableError` before anything is sent, `OperationReusedError`,
        `ApduError` when the card refused and nothing changed, and `OutcomeUnknownError` when nobody can know.
        """
        self._require_session()
        state = self._state or self.state()
        if not _is_last(order, state):
            if state.last_operation == order.operation:
                raise OperationReusedError
            check_order(order, state)
        self._state = None
        return self._committed(order, state)

    def resolve(self, order: Order, *, counter: int) -> Resolution:
        """What became of an order that was sent without an answer; `counter` is the card's TMC before it.

        On the same card (give its `serial` to the constructor). Changes nothing.
        """
        state = self.state()
        if _is_last(order, state):
            return Resolution(Outcome.COMMITTED, receipt=state.receipt, record=state.last)
        if state.counter == counter:
            return Resolution(Outcome.NOT_WRITTEN)
        if state.counter < counter:
            raise BadCardDataError("the card's transaction counter went back: a copy, or a restored card")
        for record in self.log():
            if bytes(record.order) == bytes(order):
                return Resolution(Outcome.COMMITTED_EARLIER, record=record)
        return Resolution(Outcome.VOID if state.counter - counter <= LOG_RECORDS else Outcome.UNKNOWN)

    def _committed(self, order: Order, state: ServiceState) -> Receipt:
        command = CommandApdu(0x80, ServiceIns.COMMIT, 0x00, 0x00, bytes(order), SHORT_MAX_RESPONSE)
        try:
            receipt = Receipt.from_bytes(self._send("commit", command))
        except (TransportError, SecureChannelError, BadCardDataError) as error:
            raise OutcomeUnknownError(order, counter=state.counter) from error
        except ApduError as error:
            if error.sw == SW.MEMORY_FAILURE:
                raise OutcomeUnknownError(order, counter=state.counter) from error
            raise
        return receipt

    def _records(self, first: int) -> bytes:
        command = CommandApdu(0x00, ServiceIns.READ_RECORD, first, FileId.LOG << 3 | _FROM_HERE, le=SHORT_MAX_RESPONSE)
        try:
            return self._send("read the log", command)
        except FileNotFoundOnCardError:
            return b""


def _is_last(order: Order, state: ServiceState) -> bool:
    return state.last is not None and bytes(state.last.order) == bytes(order)
