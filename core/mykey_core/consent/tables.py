"""Two append-only ledgers: consents and delegations. The database refuses to change or delete their rows."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Column,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Uuid,
)

from mykey_core.storage.tables import metadata
from mykey_core.storage.types import UtcInstant

consent_entry = Table(
    "consent_entry",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("id", Uuid, nullable=False),  # UUIDv7: in order of time
    Column("person_id", Uuid, nullable=False),
    Column("plugin", String(64), nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("act", String(10), nullable=False),  # granted | withdrawn
    Column("attributes", JSON, nullable=False),
    Column("text_hash", LargeBinary(32), nullable=False),  # SHA-256 of the purpose text in all its languages
    Column("at", UtcInstant, nullable=False),
    Column("expires_at", UtcInstant, nullable=True),
    Column("actor", String(100), nullable=False),
    PrimaryKeyConstraint("municipality", "id"),
    ForeignKeyConstraint(["municipality", "person_id"], ["person.municipality", "person.id"]),
)
Index("ix_consent_entry_person_id", consent_entry.c.municipality, consent_entry.c.person_id, consent_entry.c.plugin)

delegation_entry = Table(
    "delegation_entry",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("id", Uuid, nullable=False),  # UUIDv7: in order of time
    Column("delegation_id", Uuid, nullable=False),  # the id of the entry that began it
    Column("act", String(10), nullable=False),  # granted | ended
    Column("principal_id", Uuid, nullable=False),  # for whom
    Column("delegate_id", Uuid, nullable=False),  # who acts
    Column("kind", String(10), nullable=False),  # parent | guardian | family
    Column("plugin", String(64), nullable=False),
    Column("scope", JSON, nullable=False),  # names of the services that the delegate may use for the principal
    Column("at", UtcInstant, nullable=False),
    Column("ends_at", UtcInstant, nullable=False),
    Column("actor", String(100), nullable=False),
    PrimaryKeyConstraint("municipality", "id"),
    ForeignKeyConstraint(["municipality", "principal_id"], ["person.municipality", "person.id"]),
    ForeignKeyConstraint(["municipality", "delegate_id"], ["person.municipality", "person.id"]),
)
Index("ix_delegation_entry_principal_id", delegation_entry.c.municipality, delegation_entry.c.principal_id)
Index("ix_delegation_entry_delegate_id", delegation_entry.c.municipality, delegation_entry.c.delegate_id)
