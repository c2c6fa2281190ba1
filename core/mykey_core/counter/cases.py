"""Records that a clerk has open: each was found by a card or a MyKey ID, for a purpose, and closes by itself.

A case belongs to one clerk and one browser. Its id stands in addresses and means nothing to anybody else.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import case, func, insert, select, update

from mykey_core.counter.errors import CounterRefused
from mykey_core.counter.tables import counter_case
from mykey_core.portal.sessions import WebSession
from mykey_core.storage.session import Session

PURPOSES: Final = ("asked", "card-lost", "renewal", "moved", "correction", "enrolment")
"""Why a clerk may look at a record: the citizen has come with a wish, or the town's register demands it."""
_NAMES: Final = ("id", "staff_name", "session_id", "person_id", "purpose", "found_by", "opened_at", "expires_at")
_columns = [counter_case.c[name] for name in _NAMES]


@dataclass(frozen=True, slots=True)
class Case:
    """One record that is open, or a look-up that found nobody (`person_id` None)."""

    id: UUID
    staff_name: str
    session_id: UUID
    person_id: UUID | None
    purpose: str
    found_by: str
    opened_at: datetime
    expires_at: datetime

    @property
    def person(self) -> UUID:
        """Whose record it is; `counter_person_unknown` where nobody was found."""
        if self.person_id is None:
            raise CounterRefused("counter_person_unknown")
        return self.person_id


@dataclass(frozen=True, slots=True)
class LookUps:
    """How often one clerk looked up for one purpose, and how many of these found nobody."""

    staff_name: str
    purpose: str
    number: int
    not_found: int


def check_purpose(purpose: str) -> str:
    """The purpose, or `counter_purpose_unknown`."""
    if purpose not in PURPOSES:
        raise CounterRefused("counter_purpose_unknown")
    return purpose


@dataclass(frozen=True, slots=True)
class Cases:
    """The cases of one municipality; every method works within the caller's transaction."""

    municipality: str
    length: timedelta

    def open(
        self, session: Session, browser: WebSession, person_id: UUID | None, purpose: str, found_by: str, at: datetime
    ) -> Case:
        """A new case of the clerk behind `browser`."""
        made = Case(
            UUID(bytes=secrets.token_bytes(16), version=4),
            browser.staff_name or "",
            browser.id,
            person_id,
            check_purpose(purpose),
            found_by,
            at,
            at + self.length if person_id is not None else at,
        )
        values = {name: getattr(made, name) for name in _NAMES}
        session.execute(insert(counter_case).values(municipality=self.municipality, **values))
        return made

    def get(self, session: Session, browser: WebSession, case_id: UUID, now: datetime) -> Case:
        """The open case; `counter_case_over` for one that is closed, another clerk's, or of another browser."""
        own = (counter_case.c.municipality == self.municipality) & (counter_case.c.id == case_id)
        mine = (counter_case.c.session_id == browser.id) & (counter_case.c.staff_name == browser.staff_name)
        row = session.execute(select(*_columns).where(own, mine, counter_case.c.expires_at > now)).first()
        if row is None:
            raise CounterRefused("counter_case_over")
        return Case(*tuple(row))

    def of_browser(self, session: Session, browser: WebSession, now: datetime) -> list[Case]:
        """What this clerk has open in this browser, the newest first."""
        own = (counter_case.c.municipality == self.municipality) & (counter_case.c.session_id == browser.id)
        found = select(*_columns).where(own, counter_case.c.expires_at > now).order_by(counter_case.c.opened_at.desc())
        return [Case(*tuple(row)) for row in session.execute(found)]

    def close(self, session: Session, open_case: Case, now: datetime) -> None:
        """Close a case; the number of look-ups stays."""
        own = (counter_case.c.municipality == self.municipality) & (counter_case.c.id == open_case.id)
        session.execute(update(counter_case).where(own).values(expires_at=now))

    def counts(self, session: Session, since: datetime, staff_name: str | None = None) -> list[LookUps]:
        """How often who has looked up since then, by clerk and purpose; of one clerk where one is named."""
        own: Any = (counter_case.c.municipality == self.municipality) & (counter_case.c.opened_at >= since)
        if staff_name is not None:
            own &= counter_case.c.staff_name == staff_name
        missed = func.sum(case((counter_case.c.person_id.is_(None), 1), else_=0))
        group = (counter_case.c.staff_name, counter_case.c.purpose)
        rows: Any = session.execute(select(*group, func.count(), missed).where(own).group_by(*group).order_by(*group))
        return [LookUps(name, purpose, int(number), int(none)) for name, purpose, number, none in rows]
