"""Receiving a terminal's records: each is taken once, in order and unchanged, or not at all.

A record, what its service writes, and the receipt are one commit. Who calls is known already (`terminals`); the hook
of the service is behind `Deliver` (`uploads.delivery`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc.jwk import OKPKey
from sqlalchemy.exc import IntegrityError

from mykey_core.audit.records import append
from mykey_core.clock import Clock
from mykey_core.plugins.errors import PluginFault
from mykey_core.storage.database import Database
from mykey_core.storage.session import Session
from mykey_core.terminals.registry import Terminal
from mykey_core.uploads import audit_events  # noqa: F401 - registers what is recorded here
from mykey_core.uploads.chain import FIRST_HASH, FIRST_SEQ, RecordMalformed, SignedRecord, read_record
from mykey_core.uploads.clock import ClockVerdict, UploadClock, judge, went_backwards
from mykey_core.uploads.delivery import Deliver, Delivery
from mykey_core.uploads.ledger import Ledger, Settled, StoredRecord
from mykey_core.uploads.states import ClockState, RecordState, UploadRefused

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Upload:
    """What a terminal sends: its clocks, and its records as JSON objects."""

    boot_id: str
    wall_clock: datetime
    monotonic_ms: int
    records: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class UploadAnswer:
    """One answer for each record, in order, and the ranges of numbers that the hub still misses."""

    records: list[dict[str, Any]]
    missing: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class _Conflict:
    """A record that contradicts what the hub has; the evidence is kept."""

    code: str
    reason: str


class UploadService:
    """Receives the records of one municipality's terminals."""

    def __init__(self, database: Database, municipality: str, clock: Clock, deliver: Deliver) -> None:
        self._database = database
        self._municipality = municipality
        self._clock = clock
        self._deliver = deliver

    def receive(self, terminal: Terminal, upload: Upload) -> UploadAnswer:
        """Take the records in order. `UploadRefused` at the first that is no record or contradicts an earlier one."""
        now = self._clock()
        clock = UploadClock(upload.boot_id, upload.wall_clock, upload.monotonic_ms, now)
        backwards = self._note_clock(terminal, clock)
        key = _public_key(terminal)
        answers: list[dict[str, Any]] = []
        for wire in upload.records:
            record = self._read(terminal, wire, key, answers)
            verdict = judge(record, clock, backwards=backwards)
            outcome = self._take(terminal, record, verdict, now)
            if isinstance(outcome, _Conflict):
                raise UploadRefused(outcome.code, outcome.reason, seq=record.seq, answers=answers)
            answers.append(outcome)
        self.settle_ready(terminal)
        return self._final_answer(terminal, answers)

    def _read(
        self, terminal: Terminal, wire: Mapping[str, Any], key: Ed25519PublicKey, answers: list[dict[str, Any]]
    ) -> SignedRecord:
        try:
            return read_record(wire, terminal.id, key)
        except RecordMalformed as error:
            seq = wire.get("seq")
            number = seq if isinstance(seq, int) else 0
            raise UploadRefused("upload_record_invalid", str(error), seq=number, answers=answers) from error

    def _note_clock(self, terminal: Terminal, clock: UploadClock) -> bool:
        """Keep the upload's counter; True when it went back within one run of the terminal's computer."""
        self._begin_chain(terminal)

        def work(session: Session) -> bool:
            ledger = self._ledger(session, terminal)
            ledger.lock()
            boot_id, monotonic_ms = ledger.last_clock()
            backwards = went_backwards(clock, boot_id=boot_id, monotonic_ms=monotonic_ms)
            if not backwards:
                ledger.keep_clock(clock)
            return backwards

        return self._database.commit(work)

    def _begin_chain(self, terminal: Terminal) -> None:
        with self._database.reading() as session:
            if self._ledger(session, terminal).has_chain():
                return
        try:
            self._database.commit(lambda session: self._ledger(session, terminal).begin_chain())
        except IntegrityError:
            return  # another upload of this terminal was faster

    # -- one record -----------------------------------------------------------------------------------------

    def _take(
        self, terminal: Terminal, record: SignedRecord, clock: ClockVerdict, now: datetime
    ) -> dict[str, Any] | _Conflict:
        def work(session: Session, deliver: Deliver) -> dict[str, Any] | _Conflict:
            return _Taking(self._ledger(session, terminal), terminal, deliver, now).take(record, clock)

        return self._with_fault(work)

    def _with_fault(self, work: Callable[[Session, Deliver], T]) -> T:
        """Do `work`; when the service fails, undo all of it and do it again without asking the service."""
        try:
            return self._database.commit(lambda session: work(session, self._deliver))
        except PluginFault as error:
            _log.error("%s", error)
            return self._database.commit(lambda session: work(session, _nobody))

    def settle_ready(self, terminal: Terminal) -> int:
        """Hand over what waited for an earlier record or for its service; how many records were decided.

        A service that does not answer for its oldest record is not asked for the others this time.
        """
        decided, silent = 0, set[str]()
        for record in self._open_records(terminal):
            if record.state is RecordState.WAITING and record.service in silent:
                continue
            if self._settle_next(terminal, record.seq):
                decided += 1
            elif record.state is RecordState.WAITING:
                silent.add(record.service)
        return decided

    def _open_records(self, terminal: Terminal) -> list[StoredRecord]:
        with self._database.reading() as session:
            ledger = self._ledger(session, terminal)
            return ledger.open_records(RecordState.WAITING) + ledger.open_records(RecordState.PENDING_GAP)

    def _settle_next(self, terminal: Terminal, seq: int) -> bool:
        now = self._clock()

        def work(session: Session, deliver: Deliver) -> bool:
            return _Taking(self._ledger(session, terminal), terminal, deliver, now).settle_open(seq)

        return self._with_fault(work)

    def _final_answer(self, terminal: Terminal, answers: list[dict[str, Any]]) -> UploadAnswer:
        """The answers as they are after everything that this upload has set free."""
        with self._database.reading() as session:
            ledger = self._ledger(session, terminal)
            found = [ledger.find(answer["seq"]) for answer in answers]
            missing = ledger.missing()
        return UploadAnswer([record.answer() for record in found if record is not None], missing)

    def _ledger(self, session: Session, terminal: Terminal) -> Ledger:
        return Ledger(session, self._municipality, terminal.id)


def _nobody(delivery: Delivery, session: Session) -> Settled:  # noqa: ARG001 - the shape of `Deliver`
    """In place of a service that has just failed: the record waits for it."""
    return Settled(RecordState.WAITING, "plugin_fault")


@dataclass(frozen=True, slots=True)
class _Taking:
    """What is done with one record within its transaction."""

    ledger: Ledger
    terminal: Terminal
    deliver: Deliver
    now: datetime

    def take(self, record: SignedRecord, clock: ClockVerdict) -> dict[str, Any] | _Conflict:
        """Store a new record and decide it if its turn has come; a known one is answered again."""
        settled_seq = self.ledger.lock()
        known = self.ledger.find(record.seq)
        if known is not None and known.hash == record.hash:
            return known.answer()
        conflict = self._conflict(record, known)
        if conflict is not None:
            self._keep_evidence(record, conflict)
            return conflict
        settled = self._decide(record, clock, settled_seq)
        self.ledger.store(record, clock, settled, self.now)
        if record.seq == settled_seq + 1:
            self.ledger.advance(record.seq)
        self._record(settled, record.seq, record.record_id, record.service)
        stored = self.ledger.find(record.seq)
        if stored is None:
            raise RuntimeError("a record that was just stored is there")
        return stored.answer()

    def _conflict(self, record: SignedRecord, known: StoredRecord | None) -> _Conflict | None:
        if known is not None:
            return _Conflict("upload_conflict", "equivocation")  # TX-U2
        if self.ledger.id_is_taken(record.record_id):
            return _Conflict("upload_conflict", "record_id_used_twice")
        before, after = self.ledger.find(record.seq - 1), self.ledger.find(record.seq + 1)
        expected = FIRST_HASH if record.seq == FIRST_SEQ else None if before is None else before.hash
        if expected is not None and record.previous != expected:
            return _Conflict("upload_chain_broken", "does_not_follow")
        if after is not None and after.previous != record.hash:
            return _Conflict("upload_chain_broken", "is_not_followed")
        return None

    def _keep_evidence(self, record: SignedRecord, conflict: _Conflict) -> None:
        if self.ledger.keep_evidence(record, conflict.reason, self.now):
            facts = {"terminal": str(self.terminal.id), "sequence": record.seq, "reason": conflict.reason}
            append(self.ledger.session, self.ledger.municipality, self.now, "upload.conflict", facts)

    def _decide(self, record: SignedRecord, clock: ClockVerdict, settled_seq: int) -> Settled:
        if record.seq <= settled_seq:  # nobody waited for it any more
            return Settled(RecordState.QUARANTINED, "gap_waived")
        if clock.state is ClockState.QUARANTINED:
            # Kept as such also when it comes too early: nothing is handed over, so nothing has to wait.
            return Settled(RecordState.QUARANTINED, clock.code)
        if record.seq > settled_seq + 1:
            return Settled(RecordState.PENDING_GAP, "sequence_gap")
        return self.deliver(Delivery.of(self.terminal, record, clock, self.now), self.ledger.session)

    def settle_open(self, seq: int) -> bool:
        """Decide a stored record that waited, if nothing stands before it any more."""
        settled_seq = self.ledger.lock()
        record = self.ledger.find(seq)
        if record is None or record.state not in {RecordState.WAITING, RecordState.PENDING_GAP}:
            return False
        if record.state is RecordState.PENDING_GAP:
            if not self._is_next(record, settled_seq):
                return False
            self.ledger.advance(seq)
        settled = self.deliver(Delivery.of_stored(self.terminal, record), self.ledger.session)
        self.ledger.settle(record, settled, self.now)
        self._record(settled, seq, record.record_id, record.service)
        return settled.state is not RecordState.WAITING

    def _is_next(self, record: StoredRecord, settled_seq: int) -> bool:
        """Whether it follows what is settled; records in quarantine that came too early are stepped over."""
        between = (self.ledger.find(seq) for seq in range(settled_seq + 1, record.seq))
        return all(found is not None and found.state is RecordState.QUARANTINED for found in between)

    def _record(self, settled: Settled, seq: int, record_id: UUID, service: str) -> None:
        facts = {
            "terminal": str(self.terminal.id),
            "service_point": self.terminal.service_point,
            "service": service,
            "sequence": seq,
            "record": str(record_id),
            "state": settled.state.value,
            "code": settled.code,
        }
        append(self.ledger.session, self.ledger.municipality, self.now, "upload.record", facts)


def _public_key(terminal: Terminal) -> Ed25519PublicKey:
    key = OKPKey.import_key(dict(terminal.public_key)).public_key
    if not isinstance(key, Ed25519PublicKey):
        raise TypeError("a device key is an Ed25519 key")
    return key
