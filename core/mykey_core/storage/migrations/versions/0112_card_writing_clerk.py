"""Card writing: the clerk who was signed in beside the terminal."""

import sqlalchemy as sa
from alembic import op

revision = "0112"
down_revision = "0111"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("card_writing", sa.Column("staff", sa.String(length=100), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("card_writing") as batch:
        batch.drop_column("staff")
