"""Uploads: the chains of terminals, the records that came, contradictions, and gaps that are not waited for."""

import uuid

import sqlalchemy as sa
from alembic import op

from mykey_core.storage.types import UtcInstant

revision = "0080"
down_revision = "0070"
branch_labels = None
depends_on = None

_STATES = "'accepted', 'quarantined', 'rejected', 'pending_gap', 'waiting'"


def _own() -> tuple[sa.Column[str], sa.Column[uuid.UUID]]:
    return (
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("terminal_id", sa.Uuid(), nullable=False),
    )


def _terminal(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["municipality", "terminal_id"],
        ["terminal.municipality", "terminal.id"],
        name=op.f(f"fk_{table}_municipality_terminal_id"),
    )


def upgrade() -> None:
    op.create_table(
        "upload_chain",
        *_own(),
        sa.Column("settled_seq", sa.BigInteger(), nullable=False),
        sa.Column("boot_id", sa.String(length=64), nullable=False),
        sa.Column("monotonic_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "terminal_id", name=op.f("pk_upload_chain")),
        _terminal("upload_chain"),
        sqlite_with_rowid=False,
    )
    _record()
    _for_people()


def _record() -> None:
    op.create_table(
        "upload_record",
        *_own(),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("service", sa.String(length=64), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("previous", sa.LargeBinary(length=32), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("signature", sa.LargeBinary(length=64), nullable=False),
        sa.Column("clock", sa.String(length=12), nullable=False),
        sa.Column("skew_ms", sa.BigInteger(), nullable=False),
        sa.Column("received_at", UtcInstant, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("receipt", sa.JSON(), nullable=True),
        sa.Column("decided_at", UtcInstant, nullable=True),
        sa.Column("decided_by", sa.String(length=100), nullable=True),
        sa.PrimaryKeyConstraint("municipality", "terminal_id", "seq", name=op.f("pk_upload_record")),
        _terminal("upload_record"),
        sa.CheckConstraint("clock IN ('ok', 'adjusted', 'quarantined')", name=op.f("ck_upload_record_clock")),
        sa.CheckConstraint(f"state IN ({_STATES})", name=op.f("ck_upload_record_state")),
    )
    op.create_index("ix_upload_record_record_id", "upload_record", ["municipality", "record_id"], unique=True)
    op.create_index("ix_upload_record_state", "upload_record", ["municipality", "state"])


def _for_people() -> None:
    op.create_table(
        "upload_evidence",
        *_own(),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("previous", sa.LargeBinary(length=32), nullable=False),
        sa.Column("signature", sa.LargeBinary(length=64), nullable=False),
        sa.Column("received_at", UtcInstant, nullable=False),
        sa.PrimaryKeyConstraint("municipality", "terminal_id", "hash", name=op.f("pk_upload_evidence")),
        _terminal("upload_evidence"),
    )
    op.create_table(
        "upload_waiver",
        *_own(),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("waived_at", UtcInstant, nullable=False),
        sa.Column("waived_by", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "terminal_id", "first_seq", name=op.f("pk_upload_waiver")),
        _terminal("upload_waiver"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for table in ("upload_waiver", "upload_evidence", "upload_record", "upload_chain"):
        op.drop_table(table)
