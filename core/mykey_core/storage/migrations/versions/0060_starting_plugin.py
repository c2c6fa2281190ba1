"""starting plugin."""

import sqlalchemy as sa
from alembic import op

from mykey_core.storage.types import UtcInstant

revision = "0060"
down_revision = "0081"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "starting_plugin",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("plugin", sa.String(length=64), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("process", sa.Integer(), nullable=False),
        sa.Column("started_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "plugin", "id", name=op.f("pk_starting_plugin")),
    )


def downgrade() -> None:
    op.drop_table("starting_plugin")
