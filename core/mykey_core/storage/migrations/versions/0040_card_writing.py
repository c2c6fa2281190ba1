"""Card writing: generations of keys and their floor, the journal of writings, and the cards that are known."""

import sqlalchemy as sa
from alembic import op

from mykey_core.storage.types import UtcInstant

revision = "0040"
down_revision = "0030"
branch_labels = None
depends_on = None


def _municipality() -> sa.Column[str]:
    return sa.Column("municipality", sa.String(length=6), nullable=False)


def upgrade() -> None:
    op.create_table(
        "card_key_generation",
        _municipality(),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("check_value", sa.String(length=6), nullable=False),
        sa.Column("created_at", UtcInstant, nullable=False),
        sa.PrimaryKeyConstraint("municipality", "generation", name=op.f("pk_card_key_generation")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "card_key_floor",
        _municipality(),
        sa.Column("floor", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", name=op.f("pk_card_key_floor")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "known_card",
        _municipality(),
        sa.Column("card", sa.LargeBinary(length=32), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("last_counter", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", UtcInstant, nullable=False),
        sa.PrimaryKeyConstraint("municipality", "card", name=op.f("pk_known_card")),
        sa.CheckConstraint("state IN ('good', 'quarantined')", name=op.f("ck_known_card_state")),
        sqlite_with_rowid=False,
    )
    _journal()


def _journal() -> None:
    op.create_table(
        "card_writing",
        _municipality(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("terminal_id", sa.Uuid(), nullable=True),
        sa.Column("operation", sa.String(length=16), nullable=False),
        sa.Column("plugin", sa.String(length=64), nullable=False),
        sa.Column("card", sa.LargeBinary(length=32), nullable=True),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=True),
        sa.Column("approved_by", sa.String(length=100), nullable=True),
        sa.Column("begun_at", UtcInstant, nullable=False),
        sa.Column("ended_at", UtcInstant, nullable=True),
        sa.PrimaryKeyConstraint("municipality", "id", name=op.f("pk_card_writing")),
        sa.CheckConstraint(
            "state IN ('open', 'done', 'unknown', 'refused', 'quarantined')", name=op.f("ck_card_writing_state")
        ),
    )
    op.create_index("ix_card_writing_card", "card_writing", ["municipality", "card"])
    op.create_table(
        "card_writing_step",
        _municipality(),
        sa.Column("writing_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=True),
        sa.Column("begun_at", UtcInstant, nullable=False),
        sa.Column("ended_at", UtcInstant, nullable=True),
        sa.PrimaryKeyConstraint("municipality", "writing_id", "number", name=op.f("pk_card_writing_step")),
        sa.ForeignKeyConstraint(
            ["municipality", "writing_id"],
            ["card_writing.municipality", "card_writing.id"],
            name=op.f("fk_card_writing_step_municipality_writing_id"),
        ),
        sa.CheckConstraint(
            "state IN ('intent', 'done', 'unknown', 'refused')", name=op.f("ck_card_writing_step_state")
        ),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for table in ("card_writing_step", "card_writing", "known_card", "card_key_floor", "card_key_generation"):
        op.drop_table(table)
