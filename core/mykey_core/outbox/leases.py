"""Taking a row of the outbox for a while: what is done for it may take long, and happens outside of any transaction.

A claimed row is not due until its lease ends, so that two processes do not do the same and a killed one loses nothing.
Within a lane rows are claimed in their order, one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update

from mykey_core.outbox.dispatcher import put_off
from mykey_core.storage.database import Database
from mykey_core.storage.session import Session
from mykey_core.storage.tables import outbox

Lane = Callable[[Mapping[str, Any]], str]
_MOST = 200


@dataclass(frozen=True, slots=True)
class Leased:
    """A row that nobody else takes before `until`."""

    id: UUID
    subscriber: str
    kind: str
    facts: Mapping[str, Any]
    created_at: datetime
    until: datetime


def _one_lane(_facts: Mapping[str, Any]) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Leases:
    """The leases of one municipality."""

    database: Database
    municipality: str

    def claim(self, subscriber: str, now: datetime, length: timedelta, lane: Lane = _one_lane) -> Leased | None:
        """The oldest row that is first of its lane and due; None when there is none."""
        if not self._first_of_lanes(subscriber, now, lane):
            return None
        return self.database.commit(lambda session: self._claim(session, subscriber, now, length, lane))

    def still_there(self, session: Session, event_id: UUID, subscriber: str) -> Leased | None:
        """The row, locked until the transaction ends; None when it was done, given up, or another has it now."""
        wanted = select(outbox).where(*self._this(event_id, subscriber), outbox.c.due_at.is_not(None))
        row = session.execute(wanted.with_for_update(skip_locked=True)).first()
        return None if row is None else _leased(row, row.due_at)

    def renew(self, session: Session, row: Leased, until: datetime) -> Leased | None:
        """A longer lease; None when this one is over, and the row may be another's. Locks the row until the commit."""
        unchanged = (*self._this(row.id, row.subscriber), outbox.c.due_at == row.until)
        if session.execute(update(outbox).where(*unchanged).values(due_at=until)).rowcount == 0:
            return None
        return replace(row, until=until)

    def done(self, session: Session, event_id: UUID, subscriber: str) -> bool:
        """Delete the row; False when it is not there any more."""
        return bool(session.execute(delete(outbox).where(*self._this(event_id, subscriber))).rowcount)

    def put_off(self, event_id: UUID, subscriber: str, now: datetime) -> None:
        """It did not work: try again later, or give it up after the last attempt."""
        self.database.commit(lambda session: put_off(session, self.municipality, event_id, subscriber, now))

    def _first_of_lanes(self, subscriber: str, now: datetime, lane: Lane) -> bool:
        """A look without the write lock: most rounds find nothing."""
        with self.database.reading() as session:
            return any(row.due_at <= now for row in self._firsts(session, subscriber, lane))

    def _claim(self, session: Session, subscriber: str, now: datetime, length: timedelta, lane: Lane) -> Leased | None:
        for row in self._firsts(session, subscriber, lane):
            if row.due_at > now:
                continue
            unchanged = (*self._this(row.id, subscriber), outbox.c.due_at == row.due_at)
            if session.execute(update(outbox).where(*unchanged).values(due_at=now + length)).rowcount == 1:
                return _leased(row, now + length)
        return None

    def _firsts(self, session: Session, subscriber: str, lane: Lane) -> list[Any]:
        own = (outbox.c.municipality == self.municipality, outbox.c.subscriber == subscriber)
        waiting = select(outbox).where(*own, outbox.c.due_at.is_not(None)).order_by(outbox.c.id).limit(_MOST)
        firsts: dict[str, Any] = {}
        for row in session.execute(waiting):
            firsts.setdefault(lane(row.facts), row)
        return list(firsts.values())

    def _this(self, event_id: UUID, subscriber: str) -> tuple[Any, ...]:
        return (
            outbox.c.municipality == self.municipality,
            outbox.c.id == event_id,
            outbox.c.subscriber == subscriber,
        )


def _leased(row: Any, until: datetime) -> Leased:
    return Leased(row.id, row.subscriber, row.kind, row.facts, row.created_at, until)
