"""Searching the audit log by event, time, who acted and what a record names; a page at a time, the newest first.

Nobody is searched for by person or pairwise id: those are shortened in what is found, and no filter takes one. What
else is known of the same pseudonym can be asked for by one of its records; the person sees that search in the portal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import false, or_, select

from mykey_core.audit.events import events
from mykey_core.audit.references import references_of_record
from mykey_core.audit.sealer import recent, unsealed
from mykey_core.audit.tables import audit_leaf, audit_subject
from mykey_core.storage.session import Session
from mykey_core.storage.tables import audit_record

PAGE: Final = 50
_SUBJECT: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_TERM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{1,63}")
_SCAN: Final = 20_000
"""Records that one search by term or actor looks through: it ends in time however long the log is, and says so."""


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """What is looked for. `event` may end with `.` for a family (`tap.`); `term` is a code or id within the facts.

    `actor` is who acted, as the log writes it (`staff:NAME`); `same_as` is the id of a record about somebody.
    """

    event: str = ""
    actor: str = ""
    term: str = ""
    same_as: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: UUID | None = None

    @property
    def filters(self) -> list[str]:
        """The names of the filters that are used, for the audit of the search itself."""
        return [name for name in ("event", "actor", "term", "same_as", "since", "until") if getattr(self, name)]

    @property
    def is_valid(self) -> bool:
        """Whether term and actor have the form of a code or an id, and are no pairwise ids."""
        return all(_TERM.fullmatch(one) and not _SUBJECT.fullmatch(one) for one in (self.term, self.actor) if one)


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A record as an administrator sees it; pairwise ids in `facts` are shortened to six characters.

    `about` is True for a record that names a pseudonym, so that `same_as` can be asked for.
    """

    id: UUID
    at: datetime
    event: str
    facts: Mapping[str, Any]
    about: bool = False


@dataclass(frozen=True, slots=True)
class FoundPage:
    """`next_before` leads to the older ones; `cut` says that the search ended at its limit before the page was full."""

    records: list[FoundRecord]
    next_before: UUID | None
    cut: bool = False


def event_names() -> list[str]:
    """Every event that this hub can record, sorted."""
    return sorted(events)


def search(session: Session, municipality: str, query: AuditQuery, now: datetime) -> FoundPage:
    """One page of what is found."""
    if not query.is_valid:
        return FoundPage([], None)
    scans = bool(query.term or query.actor)
    limit = _SCAN if scans else PAGE + 1
    rows = session.execute(_statement(session, municipality, query, now).limit(limit)).all()
    found = [row for row in rows if _names(row.facts, query)][: PAGE + 1]
    more = len(found) > PAGE
    records = [_found(row) for row in found[:PAGE]]
    cut = scans and not more and len(rows) == _SCAN
    last = records[-1].id if more else (rows[-1].id if cut else None)
    return FoundPage(records, last, cut)


def pseudonym_of(session: Session, municipality: str, record_id: UUID) -> str | None:
    """The pairwise id that a record names; None when there is no such record, or it names none."""
    own = (audit_record.c.municipality == municipality, audit_record.c.id == record_id)
    facts = session.execute(select(audit_record.c.facts).where(*own)).scalar()
    return next((one for one in (facts or {}).values() if _is_subject(one)), None)


def _statement(session: Session, municipality: str, query: AuditQuery, now: datetime) -> Any:
    table = audit_record.c
    wanted = select(table.id, table.at, table.event, table.facts).where(table.municipality == municipality)
    if query.same_as is not None:
        wanted = wanted.where(_about_the_same(session, municipality, query.same_as, now))
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


def _about_the_same(session: Session, municipality: str, record_id: UUID, now: datetime) -> Any:
    """Records that name the same pseudonym: sealed ones by the log's index, fresh ones are looked through."""
    subject = pseudonym_of(session, municipality, record_id)
    if subject is None:
        return false()
    own = audit_subject.c.municipality
    joined = (audit_leaf.c.municipality == own) & (audit_leaf.c.leaf_index == audit_subject.c.leaf_index)
    named = (own == municipality) & (audit_subject.c.reference == subject)
    sealed = select(audit_leaf.c.record_id).join(audit_subject, joined).where(named)
    rows: Any = session.execute(unsealed(municipality, recent(session, municipality, now)))
    fresh = [UUID(str(row[0])) for row in rows if subject in references_of_record(row[3])]
    return or_(audit_record.c.id.in_(sealed), audit_record.c.id.in_(fresh))


def _found(row: Any) -> FoundRecord:
    about = any(_is_subject(value) for value in row.facts.values())
    return FoundRecord(row.id, row.at, row.event, _shortened(row.facts), about)


def _names(facts: Mapping[str, Any], query: AuditQuery) -> bool:
    if query.actor and facts.get("actor") != query.actor:
        return False
    return not query.term or any(_is_or_has(value, query.term) for value in facts.values())


def _is_subject(value: Any) -> bool:
    return isinstance(value, str) and _SUBJECT.fullmatch(value) is not None


def _is_or_has(value: Any, term: str) -> bool:
    return term in value if isinstance(value, list) else str(value) == term


def _shortened(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: f"{value[:6]}…" if _is_subject(value) else value for name, value in facts.items()}
