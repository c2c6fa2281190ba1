"""Records as the database holds them, read without making objects of ids, instants and facts.

Sealing and verifying go over many records, and need the stored text and not what it means.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Text, cast, type_coerce

from mykey_core.audit.canonical import record_text
from mykey_core.audit.types import StoredUuid
from mykey_core.storage.tables import audit_record


class RawUuid(StoredUuid):
    """A UUID as the driver gives it: 32 hexadecimal digits from SQLite, an object from PostgreSQL."""

    cache_ok = True

    def result_processor(self, dialect: Any, coltype: Any) -> None:
        """Nothing is changed."""


RawRecord = tuple[str | UUID, int, str, str]
"""(id, microseconds since 1970, event, facts as stored text)."""
RAW_COLUMNS: tuple[ColumnElement[Any], ...] = (
    type_coerce(audit_record.c.id, RawUuid).label("id"),
    type_coerce(audit_record.c.at, BigInteger).label("at"),
    audit_record.c.event,
    cast(audit_record.c.facts, Text).label("facts"),
)


def raw_text(municipality: str, row: Any) -> str:
    """The canonical text of a row of `RAW_COLUMNS`."""
    record_id, at, event, facts = row
    return record_text(municipality, record_id, at, event, facts)
