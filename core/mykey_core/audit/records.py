"""Appending audit records within the caller's transaction, so that an act and its record are one commit.

One record is one INSERT. Its place in the tree is given later (`sealer`), so that no tap waits for another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, insert, select
from uuid_utils.compat import uuid7

from mykey_core.audit import events
from mykey_core.audit.core_events import CORE_EVENTS
from mykey_core.storage.prepared import Prepared
from mykey_core.storage.session import Session
from mykey_core.storage.tables import audit_record

events.register(*CORE_EVENTS)
_insert = Prepared(insert(audit_record))
_exists = Prepared(
    select(audit_record.c.id).where(audit_record.c.municipality == bindparam("m"), audit_record.c.id == bindparam("i"))
)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One record: `event` is a stable code (`tap.done`, `tap.refused`), `facts` hold no personal data."""

    id: UUID
    at: datetime
    event: str
    facts: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {"id": str(self.id), "at": self.at.isoformat(), "event": self.event, "facts": dict(self.facts)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> AuditRecord:
        """The record of `as_json`."""
        return cls(UUID(value["id"]), datetime.fromisoformat(value["at"]), value["event"], value["facts"])


def exists(session: Session, municipality: str, record_id: UUID) -> bool:
    """Whether a record was written, for a caller that lost the answer of its commit."""
    return session.first(_exists, {"m": municipality, "i": record_id}) is not None


def append(session: Session, municipality: str, at: datetime, event: str, facts: Mapping[str, Any]) -> AuditRecord:
    """Append one record; its id is a UUIDv7, so that ids are in order of time.

    `AuditSchemaError` for an event or fact that `audit.events` does not know: nothing personal can slip in.
    """
    events.check(event, facts)
    record = AuditRecord(uuid7(), at, event, facts)
    session.later(_insert, {"municipality": municipality, "id": record.id, "at": at, "event": event, "facts": facts})
    return record


def records_since(session: Session, municipality: str, since: datetime) -> list[AuditRecord]:
    """All records of the municipality from `since` on, oldest first."""
    rows = session.execute(
        select(audit_record)
        .where(audit_record.c.municipality == municipality, audit_record.c.at >= since)
        .order_by(audit_record.c.id)
    )
    return [AuditRecord(row.id, row.at, row.event, row.facts) for row in rows]
