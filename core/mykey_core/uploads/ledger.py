"""Reading and writing the tables of uploads in the caller's transaction; what is done with a record is `receive`'s."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select, update

from mykey_core.storage.session import Session
from mykey_core.uploads.chain import FIRST_SEQ, SignedRecord
from mykey_core.uploads.clock import ClockVerdict, UploadClock
from mykey_core.uploads.states import DECIDED, ClockState, RecordState
from mykey_core.uploads.tables import upload_chain, upload_evidence, upload_record, upload_waiver


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as the hub keeps it. `receipt` is what its terminal got, None before the decision."""

    terminal_id: UUID
    seq: int
    record_id: UUID
    service: str
    content: str
    previous: bytes
    hash: bytes
    clock: ClockState
    skew: timedelta
    received_at: datetime
    state: RecordState
    code: str
    result: Mapping[str, Any] | None
    receipt: Mapping[str, Any] | None

    def answer(self) -> dict[str, Any]:
        """What the terminal is told; the same for ever once there is a receipt, whatever a clerk decides later."""
        if self.receipt is not None:
            told = {"state": self.receipt["state"], "code": self.receipt["code"]}
        else:
            told = {"state": self.state.value, "code": self.code}
        return {"record_id": str(self.record_id), "seq": self.seq, **told, "receipt": self.receipt}


@dataclass(frozen=True, slots=True)
class Settled:
    """A decision: the state, a code, and what the service answered."""

    state: RecordState
    code: str
    result: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """The uploads of one terminal of one municipality, in one transaction."""

    session: Session
    municipality: str
    terminal_id: UUID

    # -- the chain ----------------------------------------------------------------------------------------

    def lock(self) -> int:
        """Lock the terminal's chain until the end of the transaction; the number up to which it is complete."""
        query = select(upload_chain.c.settled_seq).where(*self._of(upload_chain)).with_for_update()
        return int(self.session.execute(query).scalar_one())

    def begin_chain(self) -> None:
        """Make the row that `lock` locks; `IntegrityError` when another upload has just made it."""
        row = {"settled_seq": FIRST_SEQ - 1, "boot_id": "", "monotonic_ms": 0}
        self.session.execute(insert(upload_chain).values(**self._own(), **row))

    def has_chain(self) -> bool:
        """Whether this terminal has ever uploaded."""
        return self.session.execute(select(upload_chain.c.boot_id).where(*self._of(upload_chain))).first() is not None

    def last_clock(self) -> tuple[str, int]:
        """Boot id and counter of the last upload."""
        query = select(upload_chain.c.boot_id, upload_chain.c.monotonic_ms).where(*self._of(upload_chain))
        row = self.session.execute(query).one()
        return str(row.boot_id), int(row.monotonic_ms)

    def keep_clock(self, clock: UploadClock) -> None:
        """Note boot id and counter of this upload."""
        values = {"boot_id": clock.boot_id, "monotonic_ms": clock.monotonic_ms}
        self.session.execute(update(upload_chain).where(*self._of(upload_chain)).values(**values))

    def advance(self, seq: int) -> None:
        """Everything up to `seq` is here or waived."""
        self.session.execute(update(upload_chain).where(*self._of(upload_chain)).values(settled_seq=seq))

    # -- records ------------------------------------------------------------------------------------------

    def find(self, seq: int) -> StoredRecord | None:
        """The record with this number."""
        return self._one(upload_record.c.seq == seq)

    def id_is_taken(self, record_id: UUID) -> bool:
        """Whether any terminal of the municipality has used this id."""
        own = upload_record.c.municipality == self.municipality
        query = select(upload_record.c.seq).where(own, upload_record.c.record_id == record_id)
        return self.session.execute(query).first() is not None

    def open_records(self, state: RecordState) -> list[StoredRecord]:
        """The records in one of the open states, in order."""
        query = select(upload_record).where(*self._of(upload_record), upload_record.c.state == state.value)
        return [_stored(row) for row in self.session.execute(query.order_by(upload_record.c.seq))]

    def missing(self) -> list[tuple[int, int]]:
        """The numbers that are missing before the newest record, as ranges with both ends included."""
        query = select(upload_chain.c.settled_seq).where(*self._of(upload_chain))
        settled = int(self.session.execute(query).scalar_one())
        held = (upload_record.c.seq > settled, *self._of(upload_record))
        newer = select(upload_record.c.seq).where(*held).order_by(upload_record.c.seq)
        gaps: list[tuple[int, int]] = []
        expected = settled + 1
        for seq in self.session.execute(newer).scalars():
            if seq > expected:
                gaps.append((expected, seq - 1))
            expected = seq + 1
        return gaps

    def store(self, record: SignedRecord, clock: ClockVerdict, settled: Settled, now: datetime) -> None:
        """Keep a record for the first time, with its receipt where it is decided."""
        self.session.execute(
            insert(upload_record).values(
                **self._own(),
                seq=record.seq,
                record_id=record.record_id,
                service=record.service,
                content=record.content,
                previous=record.previous,
                hash=record.hash,
                signature=record.signature,
                clock=clock.state.value,
                skew_ms=round(clock.skew.total_seconds() * 1000),
                received_at=now,
                state=settled.state.value,
                code=settled.code,
                result=None if settled.result is None else dict(settled.result),
                receipt=_receipt(record.record_id, record.seq, record.hash, settled, now),
                decided_at=now if settled.state in DECIDED else None,
                decided_by=None,
            )
        )

    def settle(self, record: StoredRecord, settled: Settled, now: datetime, by: str | None = None) -> None:
        """Decide a stored record; its terminal's receipt is made now, or stays what it was."""
        receipt = record.receipt or _receipt(record.record_id, record.seq, record.hash, settled, now)
        self.session.execute(
            update(upload_record)
            .where(*self._of(upload_record), upload_record.c.seq == record.seq)
            .values(
                state=settled.state.value,
                code=settled.code,
                result=None if settled.result is None else dict(settled.result),
                receipt=None if receipt is None else dict(receipt),
                decided_at=now if settled.state in DECIDED else None,
                decided_by=by,
            )
        )

    def correct(self, record: StoredRecord, clock: ClockState, skew: timedelta) -> None:
        """Note what a person said about the clock of a quarantined record."""
        own = (*self._of(upload_record), upload_record.c.seq == record.seq)
        values = {"clock": clock.value, "skew_ms": round(skew.total_seconds() * 1000)}
        self.session.execute(update(upload_record).where(*own).values(**values))

    # -- what a person looks at -----------------------------------------------------------------------------

    def keep_evidence(self, record: SignedRecord, reason: str, now: datetime) -> bool:
        """Keep a record that was not taken; False when this very record is kept already."""
        own = (*self._of(upload_evidence), upload_evidence.c.hash == record.hash)
        if self.session.execute(select(upload_evidence.c.seq).where(*own)).first() is not None:
            return False
        self.session.execute(
            insert(upload_evidence).values(
                **self._own(),
                hash=record.hash,
                seq=record.seq,
                reason=reason,
                content=record.content,
                previous=record.previous,
                signature=record.signature,
                received_at=now,
            )
        )
        return True

    def waive(self, first: int, last: int, now: datetime, by: str) -> None:
        """Note that these numbers are not waited for any more."""
        values = {"first_seq": first, "last_seq": last, "waived_at": now, "waived_by": by}
        self.session.execute(insert(upload_waiver).values(**self._own(), **values))

    def _one(self, condition: Any) -> StoredRecord | None:
        row = self.session.execute(select(upload_record).where(*self._of(upload_record), condition)).first()
        return None if row is None else _stored(row)

    def _of(self, table: Any) -> tuple[Any, Any]:
        return table.c.municipality == self.municipality, table.c.terminal_id == self.terminal_id

    def _own(self) -> dict[str, Any]:
        return {"municipality": self.municipality, "terminal_id": self.terminal_id}


def _receipt(record_id: UUID, seq: int, digest: bytes, settled: Settled, now: datetime) -> dict[str, Any] | None:
    if settled.state not in DECIDED:
        return None
    return {
        "record_id": str(record_id),
        "seq": seq,
        "hash": digest.hex(),
        "state": settled.state.value,
        "code": settled.code,
        "decided_at": now.isoformat(),
        "result": None if settled.result is None else dict(settled.result),
    }


def _stored(row: Row[Any]) -> StoredRecord:
    return StoredRecord(
        terminal_id=row.terminal_id,
        seq=row.seq,
        record_id=row.record_id,
        service=row.service,
        content=row.content,
        previous=bytes(row.previous),
        hash=bytes(row.hash),
        clock=ClockState(row.clock),
        skew=timedelta(milliseconds=row.skew_ms),
        received_at=row.received_at,
        state=RecordState(row.state),
        code=row.code,
        result=row.result,
        receipt=row.receipt,
    )
