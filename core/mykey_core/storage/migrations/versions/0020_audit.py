"""The log over the audit records: order, tree, subjects, checkpoints; its tables refuse changes."""

import sqlalchemy as sa
from alembic import op

from mykey_core.storage.types import UtcInstant

revision = "0020"
down_revision = "0010"
branch_labels = None
depends_on = None

_TABLES = ("audit_leaf", "audit_node", "audit_subject", "audit_checkpoint")


def _municipality() -> sa.Column[str]:
    return sa.Column("municipality", sa.String(length=6), nullable=False)


def upgrade() -> None:
    op.create_table(
        "audit_leaf",
        _municipality(),
        sa.Column("leaf_index", sa.BigInteger(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "leaf_index", name=op.f("pk_audit_leaf")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_audit_leaf_record_id", "audit_leaf", ["municipality", "record_id"], unique=True)
    op.create_table(
        "audit_node",
        _municipality(),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("node_hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "level", "position", name=op.f("pk_audit_node")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit_subject",
        _municipality(),
        sa.Column("reference", sa.String(length=43), nullable=False),
        sa.Column("leaf_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "reference", "leaf_index", name=op.f("pk_audit_subject")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit_checkpoint",
        _municipality(),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("signed_at", UtcInstant(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "size", name=op.f("pk_audit_checkpoint")),
    )
    for table in ("audit_record", *_TABLES):
        _append_only(table)


def downgrade() -> None:
    for act in ("update", "delete"):
        if op.get_bind().dialect.name == "sqlite":
            op.execute(f"DROP TRIGGER audit_record_no_{act}")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER audit_record_append_only ON audit_record")
        op.execute("DROP TRIGGER audit_record_no_truncate ON audit_record")
    for table in _TABLES:
        op.drop_table(table)


def _append_only(table: str) -> None:
    """The database itself refuses to change or delete a row; DDL for triggers is each database's own."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION mykey_append_only()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION mykey_append_only()"
        )
        return
    for act in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
