"""The log of life events: appended in the caller's transaction together with its audit record, and read back.

What an event changes, and how it is taken back, is in `life`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from uuid_utils.compat import uuid7

from mykey_core.audit.records import append
from mykey_core.identity.changes import tell_event
from mykey_core.identity.states import EventKind, Evidence
from mykey_core.identity.tables import life_event
from mykey_core.storage.session import Session

Change = Mapping[str, Any]
"""`{"person": from, "to": state}` or `{"credential": id, "from": status or None, "to": status or None, …}`."""


@dataclass(frozen=True, slots=True)
class LifeEvent:
    """One event. `at` is when the hub was told (UTC), `effective_on` the civil date of the event itself."""

    id: UUID
    person_id: UUID
    kind: EventKind
    at: datetime
    effective_on: date | None
    evidence: str
    actor: str
    approved_by: str | None
    changes: Sequence[Change]
    reverses: UUID | None

    def as_json(self) -> dict[str, Any]:
        """The event for staff and for the citizen."""
        return {
            "id": str(self.id),
            "kind": self.kind.value,
            "at": self.at.isoformat(),
            "effective_on": self.effective_on and self.effective_on.isoformat(),
            "evidence": self.evidence,
            "actor": self.actor,
            "approved_by": self.approved_by,
            "changes": [dict(change) for change in self.changes],
            "reverses": self.reverses and str(self.reverses),
        }


_columns = [getattr(life_event.c, name) for name in LifeEvent.__slots__]


def record_event(
    session: Session,
    municipality: str,
    person: UUID,
    kind: EventKind,
    at: datetime,
    *,
    evidence: Evidence,
    actor: str,
    changes: Sequence[Change],
    approved_by: str | None = None,
    effective_on: date | None = None,
    reverses: UUID | None = None,
) -> LifeEvent:
    """Append an event and its audit record, which names no person, and tell the plugins that know the person."""
    event = LifeEvent(
        uuid7(), person, kind, at, effective_on, evidence.value, actor, approved_by, list(changes), reverses
    )
    values = {name: getattr(event, name) for name in LifeEvent.__slots__}
    session.execute(insert(life_event).values(municipality=municipality, **{**values, "kind": kind.value}))
    facts = {"event": str(event.id), "evidence": evidence.value, "actor": actor, "approved_by": approved_by}
    if reverses is not None:
        facts["reverses"] = str(reverses)
    append(session, municipality, at, f"identity.{kind.value}", facts)
    tell_event(session, municipality, person, kind, at)
    return event


def events_of(session: Session, municipality: str, person: UUID) -> list[LifeEvent]:
    """All events of a person, oldest first."""
    own = (life_event.c.municipality == municipality) & (life_event.c.person_id == person)
    rows = session.execute(select(*_columns).where(own).order_by(life_event.c.id))
    return [_event(row) for row in rows]


def event_by_id(session: Session, municipality: str, event_id: UUID) -> LifeEvent | None:
    """The event with this id, or None."""
    own = (life_event.c.municipality == municipality) & (life_event.c.id == event_id)
    row = session.execute(select(*_columns).where(own)).first()
    return None if row is None else _event(row)


def _event(row: Any) -> LifeEvent:
    key, person, kind, *rest = row
    return LifeEvent(key, person, EventKind(kind), *rest)
