"""One card in the reader, without the hub: what its slot says, and one transaction, committed once whatever happens.

A transaction has a key of the asking program. The same key again never commits a second time: where the answer was
lost, the card itself says at the next tap what became of it (docs/reference/service-application.md §5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mykey_cardap.errors import CardError
from mykey_cardap.service_application.checks import check_order
from mykey_cardap.service_application.errors import (
    CapExceededError,
    NoRidesLeftError,
    OutcomeUnknownError,
    PeriodError,
    ServiceNotOnCardError,
    ServiceNotUsableError,
    TransactionRefusedError,
)
from mykey_cardap.service_application.numbers import Kind, Role
from mykey_cardap.service_application.orders import Order, Receipt, ServiceState
from mykey_cardap.service_application.session import Outcome, ServiceSession
from mykey_cardap.tlv import parse_all
from mykey_cardap.transport import Transport
from mykey_terminal.errors import AgentError
from mykey_terminal.offline_cards.journal import NotedTap, TapJournal
from mykey_terminal.offline_cards.keys import DebitKeys

if TYPE_CHECKING:
    from mykey_terminal.readers import CardReader

KINDS = {"ride": Kind.RIDE, "debit": Kind.DEBIT, "refund": Kind.REFUND}
"""What a debit key may do."""
_REFUSALS: tuple[tuple[type[CardError], str], ...] = (
    (ServiceNotOnCardError, "service_not_on_card"),
    (ServiceNotUsableError, "service_not_usable"),
    (NoRidesLeftError, "no_rides_left"),
    (PeriodError, "period_not_open"),
    (CapExceededError, "cap_exceeded"),
    (TransactionRefusedError, "tap_refused_by_card"),
)


@dataclass(frozen=True, slots=True)
class OfflineOrder:
    """What a program asks for. `key` names the transaction for ever; `card` is the serial that was read before.

    `total` and `amount` in yen; `period` None: the one that the card is in; `at` is UTC.
    """

    key: str
    service: int
    kind: Kind
    card: bytes
    total: int
    amount: int
    at: datetime
    period: int | None = None

    def is_like(self, order: Order) -> bool:
        """Whether `order` is this one, asked for earlier."""
        return (self.kind, self.total, self.amount) == (order.kind, order.total, order.amount)


@dataclass(slots=True)
class OfflineCardDesk:
    """Reads slots and commits transactions on the card of one reader."""

    reader: CardReader
    keys: DebitKeys
    journal: TapJournal
    watch: Callable[[str], None] = lambda _: None
    """Told of each step of a transaction, for tests that end the program there."""

    def read(self, service: int) -> dict[str, Any]:
        """What the slot says: balance, period, counter, profile and log; open transactions of the card are settled."""
        with self.reader.open() as transport:
            return _in_words(lambda: self._read(transport, service))

    def commit(self, order: OfflineOrder) -> dict[str, Any]:
        """Commit, or find that it was committed before.

        `AgentError` `tap_unknown`: no answer came, tap the same card again. `tap_lost`: only the back office can
        tell what became of it.
        """
        known = self.journal.newest(order.key)
        if known is not None and known.state == "committed":
            return _committed(known.order, known.receipt, known, recovered=True)
        with self.reader.open() as transport:
            return _in_words(lambda: self._commit(transport, order))

    # -- inside -------------------------------------------------------------------------------------------------

    def _open(self, transport: Transport, service: int, card: bytes | None = None) -> ServiceSession:
        session = ServiceSession(transport, service, serial=card)
        session.authenticate(Role.DEBIT, self.keys.key_set(session.header))
        return session

    def _read(self, transport: Transport, service: int) -> dict[str, Any]:
        session = self._open(transport, service)
        state = session.state()
        self._settle(session)
        header, balance = session.header, state.balance
        return {
            "card": header.serial.hex(),
            "life_cycle": state.life_cycle.name.lower(),
            "value": balance.value,
            "rides_left": balance.left,
            "rides_used": balance.used,
            "period": balance.period,
            "counter": state.counter,
            "profile": {f"{entry.tag:02X}": entry.value.hex() for entry in parse_all(session.profile())},
            "log": [_line(record.order) for record in session.log()],
        }

    def _commit(self, transport: Transport, wanted: OfflineOrder) -> dict[str, Any]:
        session = self._open(transport, wanted.service, wanted.card)
        state = session.state()
        self.watch("state")
        self._settle(session)
        known = self.journal.newest(wanted.key)
        if known is not None and known.state == "committed":
            return _committed(known.order, known.receipt, known, recovered=True)
        if known is not None and known.state == "lost":
            raise AgentError("tap_lost", 409)
        if known is not None and known.is_open and wanted.is_like(known.order):
            return self._send(session, known.sequence, known.order, known)
        if known is not None and known.is_open:
            self.journal.end(known.sequence, "void")  # the card has not got it, and it is never sent again
        sequence, order = self._intended(session, state, wanted)
        return self._send(session, sequence, order, None)

    def _intended(self, session: ServiceSession, state: ServiceState, wanted: OfflineOrder) -> tuple[int, Order]:
        header = session.header
        generation = header.generations[Role.TRANSACTION_MAC]
        sequence = self.journal.reserve(wanted.key, wanted.service, header.serial, state.counter, generation)
        period = state.balance.period if wanted.period is None else wanted.period
        operation = self.journal.operation(sequence)
        order = Order(wanted.kind, operation, wanted.total, wanted.amount, wanted.at, period)
        check_order(order, state)
        self.journal.intend(sequence, order)
        self.watch("intent")
        return sequence, order

    def _send(self, session: ServiceSession, sequence: int, order: Order, known: NotedTap | None) -> dict[str, Any]:
        try:
            receipt = session.commit(order)
        except OutcomeUnknownError as error:
            self.journal.end(sequence, "unknown")
            raise AgentError("tap_unknown", 409) from error
        except CardError:
            self.journal.end(sequence, "refused")
            raise
        self.watch("committed")
        self.journal.end(sequence, "committed", receipt)
        generation = known.generation if known else session.header.generations[Role.TRANSACTION_MAC]
        return _committed(order, receipt, None, card=session.header.serial, generation=generation)

    def _settle(self, session: ServiceSession) -> None:
        """Learn from the card what became of its open transactions; one that it has not got stays open."""
        for tap in self.journal.open_of(session.header.serial, session.header.service):
            solved = session.resolve(tap.order, counter=tap.counter)
            if solved.outcome is Outcome.COMMITTED:
                self.journal.end(tap.sequence, "committed", solved.receipt)
            elif solved.outcome is Outcome.COMMITTED_EARLIER:
                self.journal.end(tap.sequence, "committed")
            elif solved.outcome is Outcome.VOID:
                self.journal.end(tap.sequence, "void")
            elif solved.outcome is Outcome.UNKNOWN:
                self.journal.end(tap.sequence, "lost")  # sent again it might count twice: only the back office can tell


def _committed(
    order: Order,
    receipt: Receipt | None,
    known: NotedTap | None,
    *,
    card: bytes = b"",
    generation: int = 0,
    recovered: bool = False,
) -> dict[str, Any]:
    """`proof` is None for a transaction that only the card's log proves: its MAC is gone."""
    serial = known.card if known else card
    answer: dict[str, Any] = {"state": "committed", "recovered": recovered, "card": serial.hex(), "proof": None}
    if receipt is None:
        return answer
    answer["rides_left"], answer["value"] = receipt.balance.left, receipt.balance.value
    answer["proof"] = {
        "card": serial.hex(),
        "order": bytes(order).hex(),
        "balance": bytes(receipt.balance).hex(),
        "tmc": receipt.counter,
        "tmv": receipt.mac.hex(),
        "generation": known.generation if known else generation,
    }
    return answer


def _line(order: Order) -> dict[str, Any]:
    return {
        "kind": order.kind.name.lower(),
        "total": order.total,
        "amount": order.amount,
        "at": order.time.isoformat(),
        "period": order.period,
    }


def _in_words(act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Errors of the service as problems with codes; those of reader and card stay what they are."""
    try:
        return act()
    except CardError as error:
        for kind, code in _REFUSALS:
            if isinstance(error, kind):
                raise AgentError(code, 409) from error
        raise
