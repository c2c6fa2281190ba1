"""The schedules of jobs: what is due is put into the outbox, once for all processes of a hub.

The next instant stands in the database, so that a time at which no worker ran is made up for, and not lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from mykey_core.outbox.events import emit
from mykey_core.plugins.jobs import JOB_EVENT, AnyJob, DailyAt, Every, Schedule, queue_of
from mykey_core.storage.database import Database
from mykey_core.storage.session import Session
from mykey_core.storage.tables import outbox
from mykey_core.worker.tables import plugin_schedule

TOWN_TIME: Final = ZoneInfo("Asia/Tokyo")


def following(schedule: Every | DailyAt, now: datetime) -> datetime:
    """The first instant after `now` at which the schedule is due."""
    if isinstance(schedule, Every):
        return now + schedule.interval
    local = now.astimezone(TOWN_TIME)
    today = datetime.combine(local.date(), schedule.time, TOWN_TIME)
    return (today if today > local else today + timedelta(days=1)).astimezone(now.tzinfo)


def first(schedule: Every | DailyAt, now: datetime) -> datetime:
    """When a job that nobody has seen before is due: an interval begins at once, a daily time is waited for."""
    return now if isinstance(schedule, Every) else following(schedule, now)


@dataclass(frozen=True, slots=True)
class Schedules:
    """The schedules of one municipality."""

    database: Database
    municipality: str

    def release(self, jobs: Mapping[str, Mapping[str, AnyJob]], now: datetime) -> int:
        """Put every job that is due into the outbox; how many. A job that still waits there is not put in again."""
        released = 0
        for plugin, named in jobs.items():
            for job in named.values():
                schedule = job.schedule
                if isinstance(schedule, Every | DailyAt):
                    released += self._release(plugin, job.name, schedule, now)
        return released

    def finished(self, session: Session, plugin: str, job: str, at: datetime) -> None:
        """Note that a job has come to its end."""
        session.execute(update(plugin_schedule).where(*self._this(plugin, job)).values(finished_at=at))

    def lines(self, session: Session) -> list[dict[str, Any]]:
        """Every schedule, for the administrator, as JSON values."""
        names = ("plugin", "job", "next_at", "released_at", "finished_at")
        own = plugin_schedule.c.municipality == self.municipality
        columns = [plugin_schedule.c[name] for name in names]
        rows = session.execute(select(*columns).where(own).order_by(plugin_schedule.c.plugin, plugin_schedule.c.job))
        return [dict(zip(names, (_text(value) for value in row), strict=True)) for row in rows]

    def _release(self, plugin: str, job: str, schedule: Every | DailyAt, now: datetime) -> bool:
        try:
            return self.database.commit(lambda session: self._in_turn(session, plugin, job, schedule, now))
        except IntegrityError:  # another process has seen the job in the same moment
            return False

    def _in_turn(self, session: Session, plugin: str, job: str, schedule: Schedule, now: datetime) -> bool:
        if not isinstance(schedule, Every | DailyAt):
            return False
        this = self._this(plugin, job)
        row = session.execute(select(plugin_schedule.c.next_at).where(*this).with_for_update()).first()
        next_at = first(schedule, now) if row is None else row.next_at
        due = bool(next_at <= now)
        values: dict[str, Any] = {"next_at": following(schedule, now) if due else next_at}
        if due:
            values["released_at"] = now
        if row is None:
            own = {"municipality": self.municipality, "plugin": plugin, "job": job}
            session.execute(insert(plugin_schedule).values(**own, **values))
        elif due:
            session.execute(update(plugin_schedule).where(*this).values(**values))
        if not due or self._waits(session, plugin, job):
            return False
        facts = {"job": job, "arguments": {}, "scheduled": True}
        emit(session, self.municipality, now, JOB_EVENT, subscribers=[queue_of(plugin)], facts=facts)
        return True

    def _waits(self, session: Session, plugin: str, job: str) -> bool:
        own = (outbox.c.municipality == self.municipality, outbox.c.subscriber == queue_of(plugin))
        rows = session.execute(select(outbox.c.facts).where(*own, outbox.c.due_at.is_not(None)))
        return any(row.facts.get("job") == job and row.facts.get("scheduled") for row in rows)

    def _this(self, plugin: str, job: str) -> tuple[Any, ...]:
        table = plugin_schedule.c
        return table.municipality == self.municipality, table.plugin == plugin, table.job == job


def _text(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
