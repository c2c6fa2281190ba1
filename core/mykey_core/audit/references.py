"""Whom a record is about, and which references lead to a person: pairwise ids and ids of life events.

A plugin knows its own pairwise ids only; the core alone can bring them together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from uuid import UUID

from sqlalchemy import select

from mykey_core.audit.core_events import CORE_EVENTS
from mykey_core.audit.events import events, register
from mykey_core.identity.tables import former_subject, life_event
from mykey_core.storage.session import Session
from mykey_core.storage.tables import pairwise

register(*CORE_EVENTS)


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference that leads to a person; `plugin` is whose pairwise id it is, None for a life event."""

    value: str
    plugin: str | None


def references_of_record(event: str, facts: str) -> list[str]:
    """The references in a record's stored facts, each once; none for an event that is not registered (any more).

    The text is searched and not parsed, for speed: it is canonical JSON, where a member's name follows `{` or `,`,
    and a quotation mark inside a value has a backslash.
    """
    pattern = _pattern(event)
    return [] if pattern is None else list(dict.fromkeys(pattern.findall(facts)))


@cache
def _pattern(event: str) -> re.Pattern[str] | None:
    kind = events.get(event)
    if kind is None or not kind.about:
        return None
    names = "|".join(map(re.escape, kind.about))
    return re.compile(rf'[{{,]"(?:{names})":"([A-Za-z0-9_-]{{36,43}})"')


def references_of_person(session: Session, municipality: str, person: UUID) -> list[Reference]:
    """All references that lead, or once led, to a person."""
    found: list[Reference] = []
    for table in (pairwise, former_subject):
        own = (table.c.municipality == municipality) & (table.c.person_id == person)
        rows = session.execute(select(table.c.subject, table.c.plugin).where(own))
        found += [Reference(row.subject, row.plugin) for row in rows]
    own = (life_event.c.municipality == municipality) & (life_event.c.person_id == person)
    found += [Reference(str(value), None) for value in session.execute(select(life_event.c.id).where(own)).scalars()]
    return found
