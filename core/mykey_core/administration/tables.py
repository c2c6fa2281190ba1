"""The history of the hub's files of settings: what was changed by whom, as a difference without secrets."""

from __future__ import annotations

from sqlalchemy import JSON, Column, LargeBinary, PrimaryKeyConstraint, String, Table, Text, Uuid

from mykey_core.storage.tables import metadata
from mykey_core.storage.types import UtcInstant

configuration_change = Table(
    "configuration_change",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("id", Uuid, nullable=False),  # UUIDv7: in order of time
    Column("at", UtcInstant, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("file", String(64), nullable=False),
    Column("member", String(128), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),  # SHA-256 of the file afterwards
    Column("difference", Text, nullable=False),
    Column("previous", JSON, nullable=True),  # what undoing goes back to; None for changes that are older than undoing
    PrimaryKeyConstraint("municipality", "id"),
    sqlite_with_rowid=False,
)
