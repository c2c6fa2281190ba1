"""passes: what a terminal without a network looks up in its deny list."""

import sqlalchemy as sa
from alembic import op

from mykey_core.api import UtcInstant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "taxi_pass",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("pass_id", sa.String(length=32), nullable=False),
        sa.Column("rider_id", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("issued_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "pass_id"),
        sa.ForeignKeyConstraint(["municipality", "rider_id"], ["taxi_rider.municipality", "taxi_rider.rider_id"]),
    )
    op.create_index("ix_taxi_pass_rider", "taxi_pass", ["municipality", "rider_id"], unique=False)


def downgrade() -> None:
    op.drop_table("taxi_pass")
