"""A tap without PIN: a terminal's card and a service on it, one transaction, committed on the card.

The session with the card runs in the core like that of a writing, so that no key is ever in a terminal. The order is
durable before COMMIT is sent; a tap whose answer was lost is settled by the next tap of the same card.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives import constant_time
from sqlalchemy import func, insert, select, update
from uuid_utils.compat import uuid7

from mykey_cardap.errors import ApduError, CardError
from mykey_cardap.service_application import ServiceSession
from mykey_cardap.service_application.checks import check_order
from mykey_cardap.service_application.errors import (
    InvalidServiceDataError,
    OutcomeUnknownError,
    ServiceNotOnCardError,
    ServiceNotUsableError,
    TransactionRefusedError,
)
from mykey_cardap.service_application.numbers import Kind, Role
from mykey_cardap.service_application.orders import OperationId, Order, Receipt, ServiceState
from mykey_cardap.service_application.session import Outcome
from mykey_cardap.transport import Transport
from mykey_core.audit.records import append
from mykey_core.card_writing.desk import reading_code
from mykey_core.card_writing.errors import WritingCode, WritingRefused
from mykey_core.card_writing.keys.provider import CardKeyProvider, ManagedKeys
from mykey_core.card_writing.keys.slots import KeySlot
from mykey_core.card_writing.profiles import CardProfile
from mykey_core.card_writing.references import CardReferences
from mykey_core.card_writing.tables import card_tap
from mykey_core.clock import Clock
from mykey_core.storage.database import Database

_RULES: Final = {
    Kind.RIDE: "rides_debit",
    Kind.DEBIT: "value_debit",
    Kind.CREDIT: "value_credit",
    Kind.REFUND: "value_debit",
    Kind.GRANT: "rides_credit",
}
_STATES: Final = {
    Outcome.COMMITTED: "done",
    Outcome.COMMITTED_EARLIER: "done",
    Outcome.VOID: "void",
    Outcome.UNKNOWN: "unknown",
}


@dataclass(frozen=True, slots=True)
class TapOrder:
    """What a terminal asks for: `total` and `amount` in yen (for a GRANT `total` is the rides).

    `period` None: the one that the card is in.
    """

    plugin: str
    kind: Kind
    total: int = 0
    amount: int = 0
    period: int | None = None

    def is_like(self, order: Order) -> bool:
        """Whether `order` is this one, asked for earlier."""
        return (self.kind, self.total, self.amount) == (order.kind, order.total, order.amount)


@dataclass(frozen=True, slots=True)
class TapResult:
    """What the card committed, and what is left on it. `recovered`: an earlier tap that had lost its answer."""

    receipt: Receipt
    recovered: bool = False

    def as_json(self) -> dict[str, Any]:
        """For the terminal; the back office has checked the transaction's MAC."""
        balance = self.receipt.balance
        return {
            "transaction": self.receipt.counter,
            "value": balance.value,
            "rides_left": balance.left,
            "rides_used": balance.used,
            "period": balance.period,
            "recovered": self.recovered,
        }


@dataclass(frozen=True, slots=True)
class _Open:
    """A tap in the journal whose outcome is not known."""

    id: UUID
    order: Order
    counter: int
    terminal: UUID


class TapJournal:
    """The taps of one municipality in the hub's database."""

    def __init__(self, database: Database, municipality: str, clock: Clock, references: CardReferences) -> None:
        self._database = database
        self._municipality = municipality
        self._clock = clock
        self._references = references

    def open_of(self, serial: bytes, service: int) -> list[_Open]:
        """Taps of a card and a service without known outcome, oldest first."""
        own = card_tap.c
        wanted = select(own.id, own.order, own.counter, own.terminal_id).where(
            own.municipality == self._municipality,
            own.card.in_(self._references.all(serial)),
            own.service == service,
            own.state.in_(("intent", "unknown")),
        )
        with self._database.reading() as session:
            rows = session.execute(wanted.order_by(own.begun_at)).all()
        return [_Open(row.id, Order.from_bytes(bytes(row.order)), row.counter, row.terminal_id) for row in rows]

    def next_operation(self, terminal: UUID) -> OperationId:
        """The next operation id of a terminal; its half is the random half of the terminal's id."""
        own = card_tap.c
        wanted = select(func.max(own.sequence)).where(
            own.municipality == self._municipality, own.terminal_id == terminal
        )
        with self._database.reading() as session:
            last = session.execute(wanted).scalar()
        return OperationId(terminal.bytes[8:], (last or 0) + 1)

    def intend(self, terminal: UUID, plugin: str, serial: bytes, service: int, order: Order, counter: int) -> UUID:
        """An order that is about to be sent; durable when this returns."""
        tap: UUID = uuid7()
        values = {
            "id": tap,
            "terminal_id": terminal,
            "sequence": order.operation.sequence,
            "plugin": plugin,
            "service": service,
            "card": self._references.newest(serial),
            "order": bytes(order),
            "counter": counter,
            "state": "intent",
            "begun_at": self._clock(),
        }
        with self._database.writing() as session:
            session.execute(insert(card_tap).values(municipality=self._municipality, **values))
        return tap

    def end(self, tap: UUID, state: str, *, code: str | None = None, receipt: Receipt | None = None) -> None:
        """What became of it; the audit record has the same facts."""
        now = self._clock()
        values: dict[str, Any] = {"state": state, "code": code, "ended_at": now}
        if receipt is not None:
            values["receipt"] = bytes(receipt)
        where = (card_tap.c.municipality == self._municipality, card_tap.c.id == tap)
        with self._database.writing() as session:
            session.execute(update(card_tap).where(*where).values(**values))
            row = session.execute(select(card_tap.c.plugin, card_tap.c.terminal_id).where(*where)).one()
            facts = {"tap": str(tap), "plugin": row.plugin, "terminal": str(row.terminal_id), "state": state}
            append(session, self._municipality, now, "card_tap.ended", {**facts, "code": code})


@dataclass(slots=True)
class TapDesk:
    """One tap of one card: everything from SELECT to the checked receipt."""

    transport: Transport
    keys: CardKeyProvider
    issuers: frozenset[int]
    floor: int
    journal: TapJournal
    admit: Callable[[bytes], None]
    clock: Clock
    profile: CardProfile
    terminal: UUID
    serial: bytes | None = None
    _managed: ManagedKeys | None = None

    def run(self, wanted: TapOrder) -> TapResult:
        """Commit `wanted`, or find that it was committed before. `WritingRefused`, also for an unknown outcome."""
        try:
            session = self._open(wanted.kind)
            state = session.state()
            known = self._settled(session, wanted)
        except CardError as error:
            raise WritingRefused(_refusal(error), type(error).__name__) from error
        finally:
            self._forget_keys()
        if isinstance(known, Receipt):
            return TapResult(known, recovered=True)
        order = known or self._order(wanted, state)
        return TapResult(self._commit(session, order, state, wanted.plugin, again=known is not None))

    def _forget_keys(self) -> None:
        """Session keys are derived: the card's own are not needed any more."""
        if self._managed is not None:
            self._managed.close()
            self._managed = None

    def _open(self, kind: Kind) -> ServiceSession:
        session = ServiceSession(self.transport, self.profile.service)
        header = session.header
        self.serial = header.serial
        self.admit(header.serial)
        role = getattr(self.profile.access.rules, _RULES[kind])
        generation = header.generations[role] if role < len(Role) else 0
        if header.issuer not in self.issuers:
            raise WritingRefused(WritingCode.CARD_NOT_OURS, "issued by another town")
        if generation < self.floor or generation not in self.keys.generations():
            raise WritingRefused(WritingCode.CARD_KEYS_UNKNOWN, f"generation {generation}")
        self._managed = self.keys.key_set(
            KeySlot(header.issuer, session.header.service, Role(role), generation, header.serial)
        )
        session.authenticate(Role(role), self._managed)
        return session

    def _settled(self, session: ServiceSession, wanted: TapOrder) -> Receipt | Order | None:
        """Settle what earlier taps left open. The receipt or order of the same tap at this terminal, if it is that."""
        found: Receipt | Order | None = None
        for tap in self.journal.open_of(session.header.serial, self.profile.service):
            mine = tap.terminal == self.terminal and wanted.is_like(tap.order)
            solved = session.resolve(tap.order, counter=tap.counter)
            if solved.outcome is Outcome.NOT_WRITTEN:
                found = tap.order if mine else found
                if not mine:
                    self.journal.end(tap.id, "void")
                continue
            if solved.receipt is not None and solved.record is not None:
                self._check(session, tap.id, tap.order, solved.receipt, solved.record.key_generation)
            self.journal.end(tap.id, _STATES[solved.outcome], receipt=solved.receipt)
            if mine and solved.receipt is not None:
                found = solved.receipt
        return found

    def _order(self, wanted: TapOrder, state: ServiceState) -> Order:
        period = state.balance.period if wanted.period is None else wanted.period
        operation = self.journal.next_operation(self.terminal)
        try:
            order = Order(wanted.kind, operation, wanted.total, wanted.amount, self.clock(), period)
            check_order(order, state)
        except CardError as error:
            raise WritingRefused(_refusal(error), type(error).__name__) from error
        return order

    def _commit(
        self, session: ServiceSession, order: Order, state: ServiceState, plugin: str, *, again: bool
    ) -> Receipt:
        header = session.header
        if again:
            tap = next(
                open_tap.id
                for open_tap in self.journal.open_of(header.serial, header.service)
                if open_tap.order == order
            )
        else:
            tap = self.journal.intend(self.terminal, plugin, header.serial, header.service, order, state.counter)
        try:
            receipt = session.commit(order)
        except OutcomeUnknownError as error:
            self.journal.end(tap, "unknown", code=WritingCode.CARD_PULLED.value)
            raise WritingRefused(WritingCode.TAP_UNKNOWN) from error
        except CardError as error:
            code = _refusal(error)
            self.journal.end(tap, "refused", code=code.value)
            raise WritingRefused(code, type(error).__name__) from error
        self._check(session, tap, order, receipt, header.generations[Role.TRANSACTION_MAC])
        self.journal.end(tap, "done", receipt=receipt)
        return receipt

    def _check(self, session: ServiceSession, tap: UUID, order: Order, receipt: Receipt, generation: int) -> None:
        """Whether the card's own key made the MAC. A receipt without it is kept as a doubt and never settled."""
        header = session.header
        slot = KeySlot(header.issuer, header.service, Role.TRANSACTION_MAC, generation, header.serial)
        expected = self.keys.transaction_mac(slot, receipt.counter, bytes(order) + bytes(receipt.balance))
        if not constant_time.bytes_eq(expected, receipt.mac):
            self.journal.end(tap, "refused", code=WritingCode.CARD_TAMPERED.value, receipt=receipt)
            raise WritingRefused(WritingCode.CARD_TAMPERED, "the transaction MAC is wrong")


def _refusal(error: CardError) -> WritingCode:
    match error:
        case ServiceNotOnCardError():
            return WritingCode.SERVICE_NOT_ON_CARD
        case ServiceNotUsableError():
            return WritingCode.SERVICE_NOT_USABLE
        case TransactionRefusedError() | InvalidServiceDataError():
            return WritingCode.TAP_REFUSED_BY_CARD
        case ApduError():
            return WritingCode.TAP_REFUSED_BY_CARD
        case _:
            return reading_code(error)
