"""Jobs and events for the administrator: what was given up, trying it again, and having a job run once.

What waits is counted in `outbox.waiting`; who works on it is `worker`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from mykey_core.administration import events  # noqa: F401 - registers what is appended here
from mykey_core.administration.paging import SIZE, Page, clamped
from mykey_core.audit.records import append
from mykey_core.errors import Refusal
from mykey_core.outbox.events import emit
from mykey_core.plugins.jobs import JOB_EVENT, queue_of
from mykey_core.storage.session import Session
from mykey_core.storage.tables import outbox


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A row of the outbox that is not tried any more; `job` is its job's name, None for an event."""

    id: UUID
    subscriber: str
    kind: str
    job: str | None
    attempts: int
    since: datetime


def given_up(session: Session, municipality: str) -> list[GivenUp]:
    """Everything that waits for a person, the oldest first."""
    return _given_up(session, _rows(municipality))


def given_up_page(session: Session, municipality: str, page: int) -> Page[GivenUp]:
    """One page of it."""
    own = (outbox.c.municipality == municipality, outbox.c.due_at.is_(None))
    total = int(session.execute(select(func.count()).select_from(outbox).where(*own)).scalar_one())
    number = clamped(page, total)
    return Page(_given_up(session, _rows(municipality).offset((number - 1) * SIZE).limit(SIZE)), number, total)


def retry_all(session: Session, municipality: str, *, at: datetime, actor: str) -> int:
    """Try everything again that was given up; how many. Each has its own record, because it may be about a person."""
    waiting = given_up(session, municipality)
    for one in waiting:
        retry(session, municipality, one.id, one.subscriber, at=at, actor=actor)
    return len(waiting)


def retry(session: Session, municipality: str, event: UUID, subscriber: str, *, at: datetime, actor: str) -> None:
    """Try it again from now on; `job_not_given_up` when it is not among those that were given up."""
    own = (outbox.c.municipality == municipality, outbox.c.id == event, outbox.c.subscriber == subscriber)
    again = update(outbox).where(*own, outbox.c.due_at.is_(None)).values(due_at=at, attempts=0)
    if session.execute(again).rowcount == 0:
        raise Refusal("job_not_given_up")
    facts = {"actor": actor, "event": str(event), "subscriber": subscriber}
    append(session, municipality, at, "admin.job_retried", facts)


def ask(session: Session, municipality: str, plugin: str, job: str, *, at: datetime, actor: str) -> UUID:
    """Have a job run once, as soon as a worker is there; the caller knows that the plugin has it."""
    asked = {"job": job, "arguments": {}}
    event = emit(session, municipality, at, JOB_EVENT, subscribers=[queue_of(plugin)], facts=asked)
    append(session, municipality, at, "admin.job_asked", {"actor": actor, "plugin": plugin, "job": job})
    return event


def _rows(municipality: str) -> Any:
    columns = (outbox.c.id, outbox.c.subscriber, outbox.c.kind, outbox.c.facts, outbox.c.attempts, outbox.c.created_at)
    own = (outbox.c.municipality == municipality, outbox.c.due_at.is_(None))
    return select(*columns).where(*own).order_by(outbox.c.id, outbox.c.subscriber)


def _given_up(session: Session, wanted: Any) -> list[GivenUp]:
    rows = session.execute(wanted).all()
    return [GivenUp(row.id, row.subscriber, row.kind, _job(row.facts), row.attempts, row.created_at) for row in rows]


def _job(facts: Any) -> str | None:
    name = facts.get("job") if isinstance(facts, dict) else None
    return None if name is None else str(name)
