"""Reading and writing the rows of taps and visits within the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select, update
from uuid_utils.compat import uuid7

from mykey_core.storage.database import Database
from mykey_core.storage.prepared import Prepared
from mykey_core.storage.session import Session
from mykey_core.storage.tables import tap, visit

VISIT_LIFETIME = timedelta(minutes=10)
KEPT_AFTER_EXPIRY = timedelta(hours=1)  # how long a terminal can still ask what became of a tap

_insert_tap = Prepared(insert(tap))
_this = (tap.c.municipality == bindparam("m"), tap.c.id == bindparam("i"))
_select_tap = Prepared(
    select(
        tap.c.id, tap.c.terminal_id, tap.c.service, tap.c.action, tap.c.input, tap.c.nonce, tap.c.state,
        tap.c.expires_at, tap.c.result,
    ).where(*_this)
)  # fmt: skip
_is_open = tap.c.state == "open"
_lock_tap = Prepared(select(tap.c.id).where(*_this, _is_open).with_for_update())
_finish_tap = Prepared(
    update(tap).where(*_this, _is_open).values(state=bindparam("new_state"), result=bindparam("new_result"))
)
_insert_visit = Prepared(insert(visit))


class TapRow(NamedTuple):
    """One tap as stored."""

    id: UUID
    terminal_id: UUID
    service: str
    action: str
    input: Mapping[str, str]
    nonce: str
    state: str
    expires_at: datetime
    result: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class VisitRow:
    """The right of a service point to act for one person for some minutes after a tap."""

    id: UUID
    plugin: str
    subject: str
    expires_at: datetime


def insert_tap(session: Session, municipality: str, created_at: datetime, row: TapRow) -> None:
    """Store a new tap."""
    session.run(
        _insert_tap,
        {
            "municipality": municipality,
            "id": row.id,
            "terminal_id": row.terminal_id,
            "service": row.service,
            "action": row.action,
            "input": dict(row.input),
            "nonce": row.nonce,
            "state": row.state,
            "created_at": created_at,
            "expires_at": row.expires_at,
            "result": None,
        },
    )


def read_tap(database: Database, municipality: str, tap_id: UUID) -> TapRow | None:
    """The tap of this id in this municipality, or None."""
    row = database.look_up(_select_tap, {"m": municipality, "i": tap_id})
    return None if row is None else TapRow(*row)


def take(session: Session, municipality: str, tap_id: UUID) -> bool:
    """Hold the tap until the end of the transaction: True when it is still open, for one caller at a time.

    SQLite has one writer anyway; PostgreSQL locks the row, and who comes later sees what the first has made of it.
    """
    return session.first(_lock_tap, {"m": municipality, "i": tap_id}) is not None


def hold(session: Session, municipality: str, tap_id: UUID) -> bool:
    """As `take`, for an act that ends with `finish`: who comes second may learn it there, by `Superseded`."""
    return session.hold(_lock_tap, {"m": municipality, "i": tap_id})


def finish(session: Session, municipality: str, tap_id: UUID, state: str, result: Mapping[str, Any]) -> None:
    """Use up the nonce, and keep what the reply is made from for a terminal that loses it; after `take`."""
    values = {"m": municipality, "i": tap_id, "new_state": state, "new_result": dict(result)}
    session.later(_finish_tap, values, once=True)


def open_visit(
    session: Session, municipality: str, terminal_id: UUID, plugin: str, subject: str, now: datetime
) -> VisitRow:
    """Start a visit of ten minutes."""
    row = VisitRow(uuid7(), plugin, subject, now + VISIT_LIFETIME)
    session.run(
        _insert_visit,
        {
            "municipality": municipality,
            "id": row.id,
            "terminal_id": terminal_id,
            "plugin": plugin,
            "subject": subject,
            "expires_at": row.expires_at,
        },
    )
    return row


def read_visit(
    session: Session, municipality: str, visit_id: UUID, terminal_id: UUID, now: datetime
) -> VisitRow | None:
    """The running visit of this id at this terminal, or None."""
    row = session.execute(
        select(visit.c.id, visit.c.plugin, visit.c.subject, visit.c.expires_at).where(
            visit.c.municipality == municipality,
            visit.c.id == visit_id,
            visit.c.terminal_id == terminal_id,
            visit.c.expires_at > now,
        )
    ).first()
    return None if row is None else VisitRow(row.id, row.plugin, row.subject, row.expires_at)


def end_visit(session: Session, municipality: str, visit_id: UUID, terminal_id: UUID) -> None:
    """End a visit before its time, because the card left the reader."""
    session.execute(
        delete(visit).where(
            visit.c.municipality == municipality, visit.c.id == visit_id, visit.c.terminal_id == terminal_id
        )
    )


def forget_old(session: Session, municipality: str, now: datetime) -> int:
    """Delete taps and visits that nobody can ask for any more, with what they held; returns the number of taps."""
    old_taps = delete(tap).where(tap.c.municipality == municipality, tap.c.expires_at < now - KEPT_AFTER_EXPIRY)
    session.execute(delete(visit).where(visit.c.municipality == municipality, visit.c.expires_at < now))
    return session.execute(old_taps).rowcount
