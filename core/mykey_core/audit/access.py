"""The citizen's list: who had to do with my record, when, where and why, over all plugins.

Only the core can bring the pairwise ids of a person together; a plugin cannot ask. Records that are not sealed yet are
in the list as well, so that it is complete at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from mykey_core.audit.errors import PersonUnknown
from mykey_core.audit.references import Reference, references_of_person, references_of_record
from mykey_core.audit.sealer import recent, unsealed
from mykey_core.audit.tables import audit_leaf, audit_subject
from mykey_core.storage.database import Database
from mykey_core.storage.session import Session
from mykey_core.storage.tables import audit_record, person
from mykey_core.storage.types import from_microseconds
from mykey_core.translations import Catalogue, Text, load_catalogue

DOMAIN = "audit"
_CHUNK = 500  # references a statement


@dataclass(frozen=True, slots=True)
class AccessEntry:
    """One record about a person. `plugin` is whose account it concerned; None for the register of persons itself.

    `index` is its place in the log, None until it is sealed.
    """

    record_id: UUID
    at: datetime
    event: str
    plugin: str | None
    facts: Mapping[str, Any]
    index: int | None

    @property
    def text(self) -> Text:
        """The wording, with the facts that it may show."""
        shown = {name: value for name, value in self.facts.items() if isinstance(value, str | int)}
        return Text(f"event.{self.event}", DOMAIN, shown)

    def as_json(self) -> dict[str, Any]:
        """The entry as JSON values."""
        return {
            "record_id": str(self.record_id),
            "at": self.at.isoformat(),
            "event": self.event,
            "plugin": self.plugin,
            "facts": dict(self.facts),
            "index": self.index,
        }


def catalogue() -> Catalogue:
    """The wording of the list."""
    return load_catalogue("mykey_core.audit", DOMAIN)


def access_list(database: Database, municipality: str, person_id: UUID, now: datetime) -> list[AccessEntry]:
    """All records about a person, the newest first; `PersonUnknown` when there is no such person."""
    with database.reading() as session:
        known = (person.c.municipality == municipality) & (person.c.id == person_id)
        if session.execute(select(person.c.id).where(known)).first() is None:
            raise PersonUnknown
        references = {found.value: found for found in references_of_person(session, municipality, person_id)}
        entries = [*_sealed(session, municipality, references), *_fresh(session, municipality, references, now)]
    unique = {entry.record_id: entry for entry in entries}
    return sorted(unique.values(), key=lambda entry: (entry.at, entry.record_id), reverse=True)


def _sealed(session: Session, municipality: str, references: Mapping[str, Reference]) -> Iterator[AccessEntry]:
    values = list(references)
    for begin in range(0, len(values), _CHUNK):
        for row in session.execute(_about(municipality, values[begin : begin + _CHUNK])):
            plugin = references[row.reference].plugin
            yield AccessEntry(row.id, row.at, row.event, plugin, row.facts, row.leaf_index)


def _about(municipality: str, references: list[str]) -> Any:
    own = audit_subject.c.municipality
    return (
        select(
            audit_subject.c.reference,
            audit_subject.c.leaf_index,
            audit_record.c.id,
            audit_record.c.at,
            audit_record.c.event,
            audit_record.c.facts,
        )
        .join(
            audit_leaf,
            (audit_leaf.c.municipality == own) & (audit_leaf.c.leaf_index == audit_subject.c.leaf_index),
        )
        .join(
            audit_record,
            (audit_record.c.municipality == own) & (audit_record.c.id == audit_leaf.c.record_id),
        )
        .where(own == municipality, audit_subject.c.reference.in_(references))
    )


def _fresh(
    session: Session, municipality: str, references: Mapping[str, Reference], now: datetime
) -> Iterator[AccessEntry]:
    """Records of the last minutes that wait for their place in the log."""
    rows: Any = session.execute(unsealed(municipality, recent(session, municipality, now)))
    for record_id, at, event, facts in rows:
        for value in references_of_record(facts):
            if value in references:
                plugin = references[value].plugin
                identity = UUID(str(record_id))
                yield AccessEntry(identity, from_microseconds(at), event, plugin, json.loads(facts), None)
