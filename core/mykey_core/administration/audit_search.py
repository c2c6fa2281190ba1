"""Searching the audit log by event, time and what a record names; a page at a time, the newest first.

There is no search for a person: pairwise ids are shortened in what is found, and no filter takes one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from mykey_core.audit.events import events
from mykey_core.storage.session import Session
from mykey_core.storage.tables import audit_record

PAGE: Final = 50
_SUBJECT: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_TERM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{1,63}")
_SCAN: Final = 20_000
"""Records that one search with a term looks through: it ends in time however long the log is, and says so."""


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """What is looked for. `event` may end with `.` for a family (`tap.`); `term` is a code or id within the facts."""

    event: str = ""
    term: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: UUID | None = None

    @property
    def filters(self) -> list[str]:
        """The names of the filters that are used, for the audit of the search itself."""
        return [name for name in ("event", "term", "since", "until") if getattr(self, name)]

    @property
    def is_valid(self) -> bool:
        """Whether the term has the form of a code or an id, and is no pairwise id."""
        return not self.term or (_TERM.fullmatch(self.term) is not None and _SUBJECT.fullmatch(self.term) is None)


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A record as an administrator sees it; pairwise ids in `facts` are shortened to six characters."""

    id: UUID
    at: datetime
    event: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FoundPage:
    """`next_before` leads to the older ones; `cut` says that the search ended at its limit before the page was full."""

    records: list[FoundRecord]
    next_before: UUID | None
    cut: bool = False


def event_names() -> list[str]:
    """Every event that this hub can record, sorted."""
    return sorted(events)


def search(session: Session, municipality: str, query: AuditQuery) -> FoundPage:
    """One page of what is found."""
    if not query.is_valid:
        return FoundPage([], None)
    limit = _SCAN if query.term else PAGE + 1
    rows = session.execute(_statement(municipality, query).limit(limit)).all()
    found = [row for row in rows if _names(row.facts, query.term)][: PAGE + 1]
    more = len(found) > PAGE
    records = [FoundRecord(row.id, row.at, row.event, _shortened(row.facts)) for row in found[:PAGE]]
    cut = bool(query.term) and not more and len(rows) == _SCAN
    last = records[-1].id if more else (rows[-1].id if cut else None)
    return FoundPage(records, last, cut)


def _statement(municipality: str, query: AuditQuery) -> Any:
    table = audit_record.c
    wanted = select(table.id, table.at, table.event, table.facts).where(table.municipality == municipality)
    if query.event.endswith("."):
        wanted = wanted.where(table.event.startswith(query.event, autoescape=True))
    elif query.event:
        wanted = wanted.where(table.event == query.event)
    if query.since is not None:
        wanted = wanted.where(table.at >= query.since)
    if query.until is not None:
        wanted = wanted.where(table.at < query.until)
    if query.before is not None:
        wanted = wanted.where(table.id < query.before)
    return wanted.order_by(table.id.desc())


def _names(facts: Mapping[str, Any], term: str) -> bool:
    return not term or any(_is_or_has(value, term) for value in facts.values())


def _is_or_has(value: Any, term: str) -> bool:
    return term in value if isinstance(value, list) else str(value) == term


def _shortened(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: f"{value[:6]}…" if isinstance(value, str) and _SUBJECT.fullmatch(value) else value
        for name, value in facts.items()
    }
