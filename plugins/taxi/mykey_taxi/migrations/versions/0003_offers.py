"""offers: fares shown online before they are settled, and vouchers with the ride they were used for."""

import sqlalchemy as sa
from alembic import op

from mykey_core.api import UtcInstant

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "taxi_offer",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("offer_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("rider_id", sa.String(length=32), nullable=False),
        sa.Column("made_at", UtcInstant(), nullable=False),
        sa.Column("expires_at", UtcInstant(), nullable=False),
        sa.Column("point", sa.String(length=64), nullable=True),
        sa.Column("board_at", UtcInstant(), nullable=True),
        sa.Column("alight_at", UtcInstant(), nullable=True),
        sa.Column("board_zone", sa.String(length=64), nullable=True),
        sa.Column("alight_zone", sa.String(length=64), nullable=True),
        sa.Column("meter_yen", sa.Integer(), nullable=True),
        sa.Column("discount_yen", sa.Integer(), nullable=True),
        sa.Column("subsidy_yen", sa.Integer(), nullable=True),
        sa.Column("cash_yen", sa.Integer(), nullable=True),
        sa.Column("pack_hash", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("municipality", "offer_id"),
    )
    op.create_index("ix_taxi_offer_rider", "taxi_offer", ["municipality", "rider_id", "state"], unique=False)


def downgrade() -> None:
    op.drop_table("taxi_offer")
