"""What a clerk does about records that the rules alone cannot decide: gaps, quarantine, contradictions. All audited.

Who may do it is the caller's business; `actor` is a code such as `staff:desk-1`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from mykey_core.audit.records import append
from mykey_core.clock import Clock
from mykey_core.storage.database import Database
from mykey_core.storage.session import Session
from mykey_core.terminals.registry import Terminal, TerminalRegistry
from mykey_core.uploads.delivery import Deliver, Delivery
from mykey_core.uploads.ledger import Ledger, Settled, StoredRecord
from mykey_core.uploads.receive import UploadService
from mykey_core.uploads.states import ClockState, ReconcileRefused, RecordState
from mykey_core.uploads.tables import upload_chain, upload_evidence, upload_record


@dataclass(frozen=True, slots=True)
class OpenCase:
    """One thing to look at. `kind` is `gap`, `quarantined`, `waiting` or `conflict`; `first` and `last` are numbers."""

    terminal_id: UUID
    kind: str
    first: int
    last: int
    code: str
    service: str = ""
    since: datetime | None = None


class Reconciliation:
    """The clerk's side of the uploads of one municipality."""

    def __init__(
        self,
        database: Database,
        municipality: str,
        clock: Clock,
        *,
        terminals: TerminalRegistry,
        uploads: UploadService,
        deliver: Deliver,
    ) -> None:
        self._database = database
        self._municipality = municipality
        self._clock = clock
        self._terminals = terminals
        self._uploads = uploads
        self._deliver = deliver

    def open_cases(self) -> list[OpenCase]:
        """Everything that waits for a person, by terminal and number."""
        with self._database.reading() as session:
            cases = [*self._open_records(session), *self._conflicts(session), *self._gaps(session)]
        return sorted(cases, key=lambda case: (str(case.terminal_id), case.first, case.kind))

    def _open_records(self, session: Session) -> list[OpenCase]:
        table = upload_record
        waiting = (RecordState.QUARANTINED.value, RecordState.WAITING.value)
        query = select(table).where(table.c.municipality == self._municipality, table.c.state.in_(waiting))
        return [
            OpenCase(row.terminal_id, row.state, row.seq, row.seq, row.code, row.service, row.received_at)
            for row in session.execute(query)
        ]

    def _conflicts(self, session: Session) -> list[OpenCase]:
        table = upload_evidence
        query = select(table).where(table.c.municipality == self._municipality)
        return [
            OpenCase(row.terminal_id, "conflict", row.seq, row.seq, row.reason, since=row.received_at)
            for row in session.execute(query)
        ]

    def _gaps(self, session: Session) -> list[OpenCase]:
        query = select(upload_chain.c.terminal_id).where(upload_chain.c.municipality == self._municipality)
        cases: list[OpenCase] = []
        for terminal_id in session.execute(query).scalars().all():
            missing = Ledger(session, self._municipality, terminal_id).missing()
            cases += [OpenCase(terminal_id, "gap", first, last, "sequence_gap") for first, last in missing]
        return cases

    def waive_gap(self, terminal_id: UUID, first: int, last: int, *, actor: str) -> int:
        """Stop waiting for `first` to `last`; how many records that sets free.

        `ReconcileRefused` (`upload_no_gap`) unless exactly this gap is the oldest of the terminal.
        """
        now = self._clock()

        def work(session: Session) -> None:
            ledger = Ledger(session, self._municipality, terminal_id)
            if not ledger.has_chain() or ledger.lock() + 1 != first or ledger.missing()[:1] != [(first, last)]:
                raise ReconcileRefused("upload_no_gap")
            ledger.waive(first, last, now, actor)
            ledger.advance(last)
            facts = {"terminal": str(terminal_id), "first": first, "last": last, "actor": actor}
            append(session, self._municipality, now, "upload.gap_waived", facts)

        self._database.commit(work)
        return self._uploads.settle_ready(self._terminal(terminal_id))

    def release_quarantine(
        self, terminal_id: UUID, seq: int, *, actor: str, skew: timedelta = timedelta(0)
    ) -> RecordState:
        """Hand a quarantined record to its service after all; `skew` is what its clock was wrong by.

        The state that the service gave it. `ReconcileRefused` (`upload_not_quarantined`) for any other record.
        """
        clock = ClockState.ADJUSTED if skew else ClockState.OK
        terminal = self._terminal(terminal_id)

        def decide(ledger: Ledger, record: StoredRecord) -> Settled:
            ledger.correct(record, clock, skew)
            corrected = ledger.find(seq)
            return self._deliver(Delivery.of_stored(terminal, corrected or record), ledger.session)

        return self._decide(terminal_id, seq, actor, decide)

    def reject_quarantine(self, terminal_id: UUID, seq: int, *, actor: str) -> RecordState:
        """Leave a quarantined record without effect for ever."""
        return self._decide(terminal_id, seq, actor, lambda *_: Settled(RecordState.REJECTED, "rejected_by_staff"))

    def _decide(
        self, terminal_id: UUID, seq: int, actor: str, decide: Callable[[Ledger, StoredRecord], Settled]
    ) -> RecordState:
        now = self._clock()

        def work(session: Session) -> RecordState:
            ledger = Ledger(session, self._municipality, terminal_id)
            record = ledger.find(seq) if ledger.has_chain() and ledger.lock() >= 0 else None
            if record is None or record.state is not RecordState.QUARANTINED:
                raise ReconcileRefused("upload_not_quarantined")
            settled = decide(ledger, record)
            ledger.settle(record, settled, now, actor)
            facts: dict[str, Any] = {"terminal": str(terminal_id), "sequence": seq, "actor": actor}
            facts |= {"state": settled.state.value, "code": settled.code}
            append(session, self._municipality, now, "upload.decided", facts)
            return settled.state

        return self._database.commit(work)

    def _terminal(self, terminal_id: UUID) -> Terminal:
        """The terminal, also one that was revoked: what it recorded before may still be good."""
        found = self._terminals.get(terminal_id, revoked_too=True)
        if found is None:
            raise ReconcileRefused("upload_no_gap")
        return found
