"""Delivering what waits in the outbox: each row in a transaction of its own with the subscriber's writes.

What a subscriber writes to its own tables happens exactly once, because the row is deleted in the same commit; what it
does elsewhere happens at least once, and `Event.id` lets it see a repetition. A subscriber hears events in their order:
one that it does not take holds up those behind it, until it is given up. When to deliver is decided in `upkeep`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update

from mykey_core.storage.database import Database
from mykey_core.storage.session import Session
from mykey_core.storage.tables import outbox

FIRST_DELAY = timedelta(seconds=5)
MAXIMUM_ATTEMPTS = 12  # with doubled delays this is about six hours; then a person has to look
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """An event as one subscriber sees it: `subject` is its own pairwise id of the person, None where there is none."""

    id: UUID
    kind: str
    at: datetime
    subject: str | None
    facts: Mapping[str, Any]


Handler = Callable[[Event, Session], None]
SubjectOf = Callable[[Session, UUID, str], str | None]


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """The outbox of one municipality.

    `subject_of(session, person_id, subscriber)` is the pairwise id, or None when the person and the subscriber do not
    know each other any more: then the event is dropped, because nobody may learn of it.
    """

    database: Database
    municipality: str
    handlers: Mapping[str, Handler]
    subject_of: SubjectOf

    def deliver_due(self, now: datetime, limit: int = 100) -> int:
        """Deliver up to `limit` rows to each subscriber, oldest first; returns how many were delivered."""
        return sum(self._deliver_to(subscriber, now, limit) for subscriber in self.handlers)

    def _deliver_to(self, subscriber: str, now: datetime, limit: int) -> int:
        """The first event that is not taken ends the round: it failed, is not due, or another process has it."""
        own = (outbox.c.municipality == self.municipality, outbox.c.subscriber == subscriber)
        first = select(outbox.c.id).where(*own, outbox.c.due_at.is_not(None)).order_by(outbox.c.id).limit(limit)
        with self.database.reading() as session:
            waiting = [row.id for row in session.execute(first)]
        taken = takewhile(lambda event_id: self._deliver(event_id, subscriber, now), waiting)
        return sum(1 for _ in taken)

    def given_up(self) -> list[tuple[UUID, str, str]]:
        """(event, subscriber, kind) of what could not be delivered and waits for a person."""
        with self.database.reading() as session:
            rows = session.execute(
                select(outbox.c.id, outbox.c.subscriber, outbox.c.kind).where(
                    outbox.c.municipality == self.municipality, outbox.c.due_at.is_(None)
                )
            )
            return [(row.id, row.subscriber, row.kind) for row in rows]

    def _deliver(self, event_id: UUID, subscriber: str, now: datetime) -> bool:
        try:
            return self.database.commit(lambda session: self._hand_over(session, event_id, subscriber, now))
        except Exception as error:  # noqa: BLE001 - a subscriber's fault stays its own
            _log.warning("%s did not take event %s: %s", subscriber, event_id, type(error).__name__)
            self.database.commit(lambda session: put_off(session, self.municipality, event_id, subscriber, now))
            return False

    def _hand_over(self, session: Session, event_id: UUID, subscriber: str, now: datetime) -> bool:
        """Lock the row (another process may have taken it), call the subscriber, delete the row."""
        row = session.execute(
            select(outbox).where(*_this(self.municipality, event_id, subscriber)).with_for_update(skip_locked=True)
        ).first()
        if row is None or row.due_at is None or row.due_at > now:
            return False
        subject = None if row.person_id is None else self.subject_of(session, row.person_id, subscriber)
        if row.person_id is None or subject is not None:
            self.handlers[subscriber](Event(row.id, row.kind, row.created_at, subject, row.facts), session)
        session.execute(delete(outbox).where(*_this(self.municipality, event_id, subscriber)))
        return True


def put_off(session: Session, municipality: str, event_id: UUID, subscriber: str, now: datetime) -> None:
    """Count an attempt that failed: the next one comes later and later, and after the last one there is none."""
    own = _this(municipality, event_id, subscriber)
    attempts = session.execute(select(outbox.c.attempts).where(*own)).scalar()
    if attempts is None:
        return
    last = attempts + 1 >= MAXIMUM_ATTEMPTS
    due = None if last else now + FIRST_DELAY * 2**attempts
    session.execute(update(outbox).where(*own).values(attempts=attempts + 1, due_at=due))


def _this(municipality: str, event_id: UUID, subscriber: str) -> tuple[Any, ...]:
    return (
        outbox.c.municipality == municipality,
        outbox.c.id == event_id,
        outbox.c.subscriber == subscriber,
    )
