"""Idempotency keys with their answers, and the outbox of events."""

import sqlalchemy as sa
from alembic import op

from mykey_core.storage.types import UtcInstant

revision = "0030"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "idempotency_key",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("caller", sa.Uuid(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("expires_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "caller", "key_hash", name=op.f("pk_idempotency_key")),
    )
    op.create_table(
        "outbox",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subscriber", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcInstant(), nullable=True),
        sa.PrimaryKeyConstraint("municipality", "id", "subscriber", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_due_at", "outbox", ["municipality", "due_at"])


def downgrade() -> None:
    op.drop_table("outbox")
    op.drop_table("idempotency_key")
