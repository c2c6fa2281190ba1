"""first tables."""

import sqlalchemy as sa
from alembic import op

from mykey_core.api import UtcInstant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "library_item",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("barcode", sa.String(length=14), nullable=False),
        sa.Column("title", sa.String(length=400), nullable=False),
        sa.Column("author", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "barcode"),
    )
    op.create_table(
        "library_patron",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("number", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "number"),
    )
    op.create_table(
        "library_link",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("subject", sa.String(length=43), nullable=False),
        sa.Column("patron_number", sa.String(length=8), nullable=False),
        sa.Column("linked_at", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality", "patron_number"],
            ["library_patron.municipality", "library_patron.number"],
        ),
        sa.PrimaryKeyConstraint("municipality", "subject"),
        sa.UniqueConstraint("municipality", "patron_number", name="uq_library_link_patron"),
    )
    op.create_table(
        "library_loan",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("barcode", sa.String(length=14), nullable=False),
        sa.Column("patron_number", sa.String(length=8), nullable=False),
        sa.Column("lent_at", UtcInstant(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality", "barcode"],
            ["library_item.municipality", "library_item.barcode"],
        ),
        sa.ForeignKeyConstraint(
            ["municipality", "patron_number"],
            ["library_patron.municipality", "library_patron.number"],
        ),
        sa.PrimaryKeyConstraint("municipality", "barcode"),
    )


def downgrade() -> None:
    op.drop_table("library_loan")
    op.drop_table("library_link")
    op.drop_table("library_patron")
    op.drop_table("library_item")
