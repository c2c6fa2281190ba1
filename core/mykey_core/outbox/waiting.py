"""What waits in the outbox, for the administrator: counts and times, never what an event says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from mykey_core.storage.session import Session
from mykey_core.storage.tables import outbox


@dataclass(frozen=True, slots=True)
class Waiting:
    """The events of one kind that one subscriber has not taken. Times are UTC.

    `given_up` of them are not tried again; `next_try` is None when that is so for all; `attempts` is the most that
    any of them has seen.
    """

    subscriber: str
    kind: str
    waiting: int
    given_up: int
    attempts: int
    oldest: datetime
    next_try: datetime | None

    def as_json(self) -> dict[str, Any]:
        """The line as JSON values."""
        return {
            "subscriber": self.subscriber,
            "kind": self.kind,
            "waiting": self.waiting,
            "given_up": self.given_up,
            "attempts": self.attempts,
            "oldest": self.oldest.isoformat(),
            "next_try": self.next_try.isoformat() if self.next_try else None,
        }


def what_waits(session: Session, municipality: str) -> list[Waiting]:
    """A line for each subscriber and kind, in the order of their names."""
    count, due = func.count(), func.count(outbox.c.due_at)
    columns = (due, count - due, func.max(outbox.c.attempts), func.min(outbox.c.created_at), func.min(outbox.c.due_at))
    names = (outbox.c.subscriber, outbox.c.kind)
    lines = select(*names, *columns).where(outbox.c.municipality == municipality).group_by(*names).order_by(*names)
    return [Waiting(*tuple(row)) for row in session.execute(lines)]
