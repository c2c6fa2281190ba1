"""The core's one table about plugins: which of them a process is starting just now (see `safe_mode`)."""

from __future__ import annotations

from sqlalchemy import Column, Integer, PrimaryKeyConstraint, String, Table, Uuid

from mykey_core.storage.tables import metadata
from mykey_core.storage.types import UtcInstant

starting_plugin = Table(
    "starting_plugin",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("plugin", String(64), nullable=False),
    Column("id", Uuid, nullable=False),
    Column("host", String(255), nullable=False),
    Column("process", Integer, nullable=False),
    Column("started_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "plugin", "id"),
)
