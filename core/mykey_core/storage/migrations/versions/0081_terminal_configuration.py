"""Terminals: the numbers of their configurations, denied cards, and what they report."""

import sqlalchemy as sa
from alembic import op

from mykey_core.storage.types import UtcInstant

revision = "0081"
down_revision = "0050"
branch_labels = None
depends_on = None


def _municipality() -> sa.Column[str]:
    return sa.Column("municipality", sa.String(length=6), nullable=False)


def upgrade() -> None:
    op.create_table(
        "point_configuration",
        _municipality(),
        sa.Column("service_point", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("changed_at", UtcInstant, nullable=False),
        sa.PrimaryKeyConstraint("municipality", "service_point", name=op.f("pk_point_configuration")),
        sa.ForeignKeyConstraint(
            ["municipality", "service_point"],
            ["service_point.municipality", "service_point.name"],
            name=op.f("fk_point_configuration_municipality_service_point"),
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "denied_card",
        _municipality(),
        sa.Column("alias", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("since", UtcInstant, nullable=False),
        sa.PrimaryKeyConstraint("municipality", "alias", name=op.f("pk_denied_card")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "terminal_report",
        _municipality(),
        sa.Column("terminal_id", sa.Uuid(), nullable=False),
        sa.Column("reported_at", UtcInstant, nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("configuration", sa.Integer(), nullable=False),
        sa.Column("skew_ms", sa.BigInteger(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "terminal_id", name=op.f("pk_terminal_report")),
        sa.ForeignKeyConstraint(
            ["municipality", "terminal_id"],
            ["terminal.municipality", "terminal.id"],
            name=op.f("fk_terminal_report_municipality_terminal_id"),
        ),
    )


def downgrade() -> None:
    for table in ("terminal_report", "denied_card", "point_configuration"):
        op.drop_table(table)
