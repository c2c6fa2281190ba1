"""What the hub has received from the signed queues of terminals. Every row keeps the signed bytes as they came."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    Uuid,
)

from mykey_core.storage.tables import metadata
from mykey_core.storage.types import UtcInstant
from mykey_core.uploads.states import ClockState, RecordState

_TERMINAL = (["municipality", "terminal_id"], ["terminal.municipality", "terminal.id"])


def _one_of(column: str, values: type[RecordState | ClockState]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(value.value) for value in values)})", name=column)


upload_chain = Table(
    "upload_chain",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("terminal_id", Uuid, nullable=False),
    Column("settled_seq", BigInteger, nullable=False),  # everything up to here was received or waived
    Column("boot_id", String(64), nullable=False),  # of the last upload; empty before the first
    Column("monotonic_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("municipality", "terminal_id"),
    ForeignKeyConstraint(*_TERMINAL),
    sqlite_with_rowid=False,
)

upload_record = Table(
    "upload_record",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("terminal_id", Uuid, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("record_id", Uuid, nullable=False),
    Column("service", String(64), nullable=False),
    Column("content", Text, nullable=False),  # canonical JSON, as it was signed
    Column("previous", LargeBinary(32), nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("signature", LargeBinary(64), nullable=False),
    Column("clock", String(12), nullable=False),  # states.ClockState
    Column("skew_ms", BigInteger, nullable=False),  # the terminal's clock minus the hub's
    Column("received_at", UtcInstant, nullable=False),
    Column("state", String(12), nullable=False),  # states.RecordState
    Column("code", String(64), nullable=False),
    Column("result", JSON, nullable=True),  # what the service answered
    Column("receipt", JSON, nullable=True),  # what the terminal got; never changed once it is there
    Column("decided_at", UtcInstant, nullable=True),
    Column("decided_by", String(100), nullable=True),  # a clerk, where one decided
    PrimaryKeyConstraint("municipality", "terminal_id", "seq"),
    ForeignKeyConstraint(*_TERMINAL),
    _one_of("clock", ClockState),
    _one_of("state", RecordState),
)
Index("ix_upload_record_record_id", upload_record.c.municipality, upload_record.c.record_id, unique=True)
Index("ix_upload_record_state", upload_record.c.municipality, upload_record.c.state)

upload_evidence = Table(
    "upload_evidence",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("terminal_id", Uuid, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),  # of the record that was not taken
    Column("seq", BigInteger, nullable=False),
    Column("reason", String(64), nullable=False),
    Column("content", Text, nullable=False),
    Column("previous", LargeBinary(32), nullable=False),
    Column("signature", LargeBinary(64), nullable=False),
    Column("received_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "terminal_id", "hash"),
    ForeignKeyConstraint(*_TERMINAL),
)

upload_waiver = Table(
    "upload_waiver",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("terminal_id", Uuid, nullable=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("waived_at", UtcInstant, nullable=False),
    Column("waived_by", String(100), nullable=False),
    PrimaryKeyConstraint("municipality", "terminal_id", "first_seq"),
    ForeignKeyConstraint(*_TERMINAL),
    sqlite_with_rowid=False,
)
