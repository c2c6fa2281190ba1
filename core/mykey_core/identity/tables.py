"""The register's own tables: what happened in a life, marks of attributes, and ids that re-keying has replaced.

Persons, credentials and pairwise ids themselves are in `storage.tables`. No column here holds a name, an address, a
serial or a number.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Uuid,
)

from mykey_core.storage.tables import metadata
from mykey_core.storage.types import UtcInstant

_PERSON = (["municipality", "person_id"], ["person.municipality", "person.id"])

life_event = Table(
    "life_event",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("id", Uuid, nullable=False),  # UUIDv7: in order of time
    Column("person_id", Uuid, nullable=False),
    Column("kind", String(24), nullable=False),  # states.EventKind
    Column("at", UtcInstant, nullable=False),  # when the hub was told
    Column("effective_on", Date, nullable=True),  # the civil date of the event itself
    Column("evidence", String(32), nullable=False),
    Column("actor", String(100), nullable=False),  # staff:…, terminal:…, issuer, person
    Column("approved_by", String(100), nullable=True),
    Column("changes", JSON, nullable=False),  # what it changed, so that it can be taken back
    Column("reverses", Uuid, nullable=True),
    PrimaryKeyConstraint("municipality", "id"),
    ForeignKeyConstraint(*_PERSON),
)
Index("ix_life_event_person_id", life_event.c.municipality, life_event.c.person_id)

attribute_mark = Table(
    "attribute_mark",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("person_id", Uuid, nullable=False),
    Column("mark", LargeBinary(32), nullable=False),  # keyed hash of the four attributes
    Column("key_epoch", Integer, nullable=False),
    Column("created_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "person_id", "mark"),
    ForeignKeyConstraint(*_PERSON),
)

former_subject = Table(
    "former_subject",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("plugin", String(64), nullable=False),
    Column("subject", String(43), nullable=False),
    Column("person_id", Uuid, nullable=False),
    Column("replaced_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "plugin", "subject"),
    ForeignKeyConstraint(*_PERSON),
)
