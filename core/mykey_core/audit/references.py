"""Whom a record is about: which of its references lead to a person, and which references a person has.

A plugin knows its own pairwise ids only; the core alone can bring them together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from mykey_core.audit.events import LINKS
from mykey_core.consent.tables import consent_entry, delegation_entry
from mykey_core.identity.tables import former_subject, life_event
from mykey_core.storage.session import Session
from mykey_core.storage.tables import pairwise

_PAIRWISE = re.compile(r'":"([A-Za-z0-9_-]{43})"')
_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_LINKS = {f'"{name}":"': re.compile(rf'[{{,]"{name}":"({_UUID})"') for name in sorted(LINKS)}
_LINKED = (
    (life_event.c.id, life_event.c.person_id),
    (consent_entry.c.id, consent_entry.c.person_id),
    (delegation_entry.c.delegation_id, delegation_entry.c.principal_id),
    (delegation_entry.c.delegation_id, delegation_entry.c.delegate_id),
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference that leads to a person; `plugin` is whose pairwise id it is, None for an entry of the core."""

    value: str
    plugin: str | None


def references_of_record(facts: str) -> list[str]:
    """The references in a record's stored facts, each once.

    They are found by their form alone, whichever modules have registered their events in this process: a pairwise id
    is a value of 43 characters of base64url, the others are ids under the names in `events.LINKS`. The text is searched
    and not parsed, for speed: it is canonical JSON, where a quotation mark inside a value has a backslash, so that
    `":"` stands between a name and its value only.
    """
    found = _PAIRWISE.findall(facts)
    for start, pattern in _LINKS.items():
        if start in facts:
            found += pattern.findall(facts)
    return list(dict.fromkeys(found))


def references_of_person(session: Session, municipality: str, person: UUID) -> list[Reference]:
    """All references that lead, or once led, to a person."""
    found: list[Reference] = []
    for table in (pairwise, former_subject):
        own = (table.c.municipality == municipality) & (table.c.person_id == person)
        rows = session.execute(select(table.c.subject, table.c.plugin).where(own))
        found += [Reference(row.subject, row.plugin) for row in rows]
    for column, owner in _LINKED:
        own = (column.table.c.municipality == municipality) & (owner == person)
        found += [Reference(str(value), None) for value in session.execute(select(column).where(own)).scalars()]
    return found
