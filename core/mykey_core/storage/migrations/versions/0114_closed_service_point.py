"""Service points: when each was closed; none for one that is open."""

import sqlalchemy as sa
from alembic import op

from mykey_core.storage.types import UtcInstant

revision = "0114"
down_revision = "0113"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("service_point", sa.Column("closed_at", UtcInstant, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("service_point") as batch:
        batch.drop_column("closed_at")
