"""When each scheduled job of a plugin is due next, and when it last began and ended."""

from __future__ import annotations

from sqlalchemy import Column, PrimaryKeyConstraint, String, Table

from mykey_core.storage.tables import metadata
from mykey_core.storage.types import UtcInstant

plugin_schedule = Table(
    "plugin_schedule",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("plugin", String(64), nullable=False),
    Column("job", String(64), nullable=False),
    Column("next_at", UtcInstant, nullable=False),
    Column("released_at", UtcInstant, nullable=True),  # when it was last put into the queue
    Column("finished_at", UtcInstant, nullable=True),  # when it last came to its end
    PrimaryKeyConstraint("municipality", "plugin", "job"),
    sqlite_with_rowid=False,
)
