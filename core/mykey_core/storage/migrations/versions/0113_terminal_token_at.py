"""Terminals: when each asked for an access token last, which counts as news of it."""

import sqlalchemy as sa
from alembic import op

from mykey_core.storage.types import UtcInstant

revision = "0113"
down_revision = "0112"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("terminal", sa.Column("token_at", UtcInstant, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("terminal") as batch:
        batch.drop_column("token_at")
