"""Card writing at counters: epochs of cards, release, writings of several processes, taps with a card."""

import sqlalchemy as sa
from alembic import op

from mykey_core.storage.types import UtcInstant

revision = "0050"
down_revision = "0080"
branch_labels = None
depends_on = None


def _municipality() -> sa.Column[str]:
    return sa.Column("municipality", sa.String(length=6), nullable=False)


def upgrade() -> None:
    op.add_column("known_card", sa.Column("key_epoch", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("known_card", sa.Column("release_evidence", sa.String(length=40), nullable=True))
    op.add_column("known_card", sa.Column("release_by", sa.String(length=100), nullable=True))
    op.add_column("card_writing", sa.Column("process", sa.Uuid(), nullable=True))
    op.add_column("card_writing", sa.Column("lease_until", UtcInstant, nullable=True))
    _turns()
    _taps()


def _turns() -> None:
    op.create_table(
        "card_turn",
        _municipality(),
        sa.Column("writing_id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("process", sa.Uuid(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("reply", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", UtcInstant, nullable=False),
        sa.PrimaryKeyConstraint("municipality", "writing_id", "request_id", name=op.f("pk_card_turn")),
        sqlite_with_rowid=False,
    )


def _taps() -> None:
    op.create_table(
        "card_tap",
        _municipality(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("terminal_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("plugin", sa.String(length=64), nullable=False),
        sa.Column("service", sa.Integer(), nullable=False),
        sa.Column("card", sa.LargeBinary(length=32), nullable=False),
        sa.Column("order", sa.LargeBinary(length=27), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("receipt", sa.LargeBinary(length=22), nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=True),
        sa.Column("begun_at", UtcInstant, nullable=False),
        sa.Column("ended_at", UtcInstant, nullable=True),
        sa.PrimaryKeyConstraint("municipality", "id", name=op.f("pk_card_tap")),
        sa.CheckConstraint("state IN ('intent', 'done', 'unknown', 'refused', 'void')", name=op.f("ck_card_tap_state")),
    )
    op.create_index("uq_card_tap_sequence", "card_tap", ["municipality", "terminal_id", "sequence"], unique=True)
    op.create_index("ix_card_tap_card", "card_tap", ["municipality", "card"])


def downgrade() -> None:
    op.drop_table("card_tap")
    op.drop_table("card_turn")
    for column in ("lease_until", "process"):
        op.drop_column("card_writing", column)
    for column in ("release_by", "release_evidence", "key_epoch"):
        op.drop_column("known_card", column)
