"""What the counter shows of the queues of terminals: states and times of records, and never what a record holds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select

from mykey_core.storage.session import Session
from mykey_core.storage.tables import service_point, terminal
from mykey_core.uploads.states import RecordState
from mykey_core.uploads.tables import upload_chain, upload_record

PAGE: Final = 100
"""Records on one page."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A terminal that has uploaded: where it stands, what it is called there, how many records it has sent."""

    id: UUID
    point: str
    title: Mapping[str, str]
    name: str
    records: int
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class ShownRecord:
    """One record. `skew` is the terminal's clock minus the hub's; `decided_by` a clerk, where one decided."""

    seq: int
    service: str
    recorded_at: datetime | None
    received_at: datetime
    state: RecordState
    code: str
    skew: timedelta
    decided_by: str | None


def machines(session: Session, municipality: str) -> list[Machine]:
    """The terminals that have ever uploaded, by service point and name."""
    counted = (
        select(
            upload_record.c.terminal_id,
            func.count().label("records"),
            func.max(upload_record.c.received_at).label("at"),
        )
        .where(upload_record.c.municipality == municipality)
        .group_by(upload_record.c.terminal_id)
        .subquery()
    )
    point = (service_point.c.municipality == municipality) & (service_point.c.name == terminal.c.service_point)
    chain = (upload_chain.c.municipality == municipality) & (upload_chain.c.terminal_id == terminal.c.id)
    wanted = (
        select(
            terminal.c.id,
            terminal.c.service_point,
            service_point.c.title,
            terminal.c.name,
            counted.c.records,
            counted.c.at,
        )
        .join(service_point, point)
        .join(upload_chain, chain)
        .outerjoin(counted, counted.c.terminal_id == terminal.c.id)
        .where(terminal.c.municipality == municipality)
        .order_by(terminal.c.service_point, terminal.c.name, terminal.c.id)
    )
    return [
        Machine(row.id, row.service_point, row.title, row.name, int(row.records or 0), row.at)
        for row in session.execute(wanted)
    ]


def records(
    session: Session, municipality: str, terminal_id: UUID, *, first: int | None = None, last: int | None = None
) -> Sequence[ShownRecord]:
    """At most `PAGE` records of a terminal from number `first` (to `last`), or the newest ones, in order."""
    own: Any = (upload_record.c.municipality == municipality) & (upload_record.c.terminal_id == terminal_id)
    if last is not None:
        own &= upload_record.c.seq <= last
    if first is None:
        newest = session.execute(select(upload_record).where(own).order_by(upload_record.c.seq.desc()).limit(PAGE))
        return [_shown(row) for row in newest][::-1]
    own &= upload_record.c.seq >= first
    rows = session.execute(select(upload_record).where(own).order_by(upload_record.c.seq).limit(PAGE))
    return [_shown(row) for row in rows]


def _shown(row: Any) -> ShownRecord:
    return ShownRecord(
        row.seq,
        row.service,
        _recorded_at(row.content),
        row.received_at,
        RecordState(row.state),
        row.code,
        timedelta(milliseconds=row.skew_ms),
        row.decided_by,
    )


def _recorded_at(content: str) -> datetime | None:
    """The terminal's own word for when it was."""
    said = json.loads(content).get("recorded_at")
    return datetime.fromisoformat(said) if isinstance(said, str) else None
