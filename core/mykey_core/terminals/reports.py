"""How the terminals are: what each told last, for the administrator. Reports hold counts and codes only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from mykey_core.clock import Clock
from mykey_core.storage.database import Database
from mykey_core.storage.session import Session
from mykey_core.storage.tables import terminal
from mykey_core.terminals.registry import TOKEN_LIFETIME
from mykey_core.terminals.tables import terminal_report

REFRESHED_EVERY = timedelta(seconds=60)
"""A report that says nothing new is stored this often; terminals report every few seconds."""
SILENT_AFTER = 3 * REFRESHED_EVERY
"""Without a report for so long, a terminal is silent, unless its token is as new as `TOKEN_SAYS`."""
TOKEN_SAYS = TOKEN_LIFETIME + REFRESHED_EVERY
"""A terminal that only taps asks for a token once in its lifetime: so long that is news of it."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a terminal tells. `facts`: queue (pending, unsettled, last_seq), reader, problems."""

    version: str
    configuration: int
    wall_clock: datetime
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TerminalState:
    """One terminal for the administrator; the members of its report are None before the first."""

    id: UUID
    name: str
    service_point: str
    state: str
    enrolled_at: datetime
    version: str
    reported_at: datetime | None = None
    configuration: int | None = None
    skew: timedelta | None = None
    facts: Mapping[str, Any] | None = None
    token_at: datetime | None = None

    @property
    def last_contact(self) -> datetime | None:
        """Its last report or its last request for a token, whichever is later; None before the first."""
        return max((at for at in (self.reported_at, self.token_at) if at is not None), default=None)

    def is_silent(self, now: datetime) -> bool:
        """Whether an active terminal has neither reported nor asked for a token for so long that one should look."""
        told = now - (self.reported_at or self.enrolled_at) <= SILENT_AFTER
        asked = self.token_at is not None and now - self.token_at <= TOKEN_SAYS
        return self.state == "active" and not told and not asked


class TerminalReports:
    """The reports of one municipality's terminals."""

    def __init__(self, database: Database, municipality: str, clock: Clock) -> None:
        self._database = database
        self._municipality = municipality
        self._clock = clock

    def take(self, terminal_id: UUID, report: Report) -> None:
        """Store a report, unless it says the same as the one of a moment ago."""
        now = self._clock()
        values = {
            "version": report.version,
            "configuration": report.configuration,
            "facts": dict(report.facts),
        }
        with self._database.reading() as session:
            known = session.execute(select(terminal_report).where(*self._own(terminal_id))).first()
        recent = known is not None and now - known.reported_at < REFRESHED_EVERY
        if recent and all(getattr(known, name) == value for name, value in values.items()):
            return
        skew = round((report.wall_clock - now).total_seconds() * 1000)
        self._store(terminal_id, {**values, "reported_at": now, "skew_ms": skew})

    def _store(self, terminal_id: UUID, values: Mapping[str, Any]) -> None:
        own = {"municipality": self._municipality, "terminal_id": terminal_id}

        def work(session: Session) -> None:
            if session.execute(update(terminal_report).where(*self._own(terminal_id)).values(**values)).rowcount == 0:
                session.execute(insert(terminal_report).values(**own, **values))

        try:
            self._database.commit(work)
        except IntegrityError:
            return  # the same terminal has just reported by another connection

    def terminals(self) -> list[TerminalState]:
        """All terminals with their last reports, by service point and name."""
        with self._database.reading() as session:
            own = terminal.c.municipality == self._municipality
            rows = session.execute(
                select(terminal).where(own).order_by(terminal.c.service_point, terminal.c.name)
            ).all()
            theirs = terminal_report.c.municipality == self._municipality
            reports = {row.terminal_id: row for row in session.execute(select(terminal_report).where(theirs))}
        return [state_of(row, reports.get(row.id)) for row in rows]

    def _own(self, terminal_id: UUID) -> tuple[Any, Any]:
        return terminal_report.c.municipality == self._municipality, terminal_report.c.terminal_id == terminal_id


def state_of(row: Any, report: Any) -> TerminalState:
    """A terminal's row with that of its last report (None before the first); they may be one row of a join."""
    state = TerminalState(
        row.id, row.name, row.service_point, row.state, row.enrolled_at, row.version, token_at=row.token_at
    )
    if report is None:
        return state
    return replace(
        state,
        version=getattr(report, "reported_version", report.version),
        reported_at=report.reported_at,
        configuration=report.configuration,
        skew=timedelta(milliseconds=report.skew_ms),
        facts=report.facts,
    )
