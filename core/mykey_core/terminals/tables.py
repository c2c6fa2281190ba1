"""What terminals are told and what they tell: the number of each configuration, denied cards, and health reports."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Uuid,
)

from mykey_core.storage.tables import metadata
from mykey_core.storage.types import UtcInstant

point_configuration = Table(
    "point_configuration",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("service_point", String(64), nullable=False),
    Column("sequence", Integer, nullable=False),  # only rises
    Column("digest", LargeBinary(32), nullable=False),  # of what the terminals of the point are told
    Column("changed_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "service_point"),
    ForeignKeyConstraint(["municipality", "service_point"], ["service_point.municipality", "service_point.name"]),
    sqlite_with_rowid=False,
)

denied_card = Table(
    "denied_card",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("alias", String(64), nullable=False),  # of the card's slot, as the terminals read it
    Column("reason", String(32), nullable=False),
    Column("since", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "alias"),
    sqlite_with_rowid=False,
)

terminal_report = Table(
    "terminal_report",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("terminal_id", Uuid, nullable=False),
    Column("reported_at", UtcInstant, nullable=False),
    Column("version", String(40), nullable=False),
    Column("configuration", Integer, nullable=False),  # the sequence that the terminal works with
    Column("skew_ms", BigInteger, nullable=False),  # its clock minus the hub's
    Column("facts", JSON, nullable=False),  # counts of its queue, state of its reader, codes of problems
    PrimaryKeyConstraint("municipality", "terminal_id"),
    ForeignKeyConstraint(["municipality", "terminal_id"], ["terminal.municipality", "terminal.id"]),
)
