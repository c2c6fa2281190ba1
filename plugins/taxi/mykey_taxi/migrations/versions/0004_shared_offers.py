"""shared offers: who rides together with whoever confirms."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("taxi_offer", sa.Column("riders", sa.String(length=600), nullable=True))


def downgrade() -> None:
    op.drop_column("taxi_offer", "riders")
