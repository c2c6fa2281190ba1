"""Life events, marks of attributes, ids that were replaced, consents and delegations."""

import sqlalchemy as sa
from alembic import op

from mykey_core.storage.types import UtcInstant

revision = "0010"
down_revision = "0001"
branch_labels = None
depends_on = None

_APPEND_ONLY = ("life_event", "former_subject", "consent_entry", "delegation_entry")


def upgrade() -> None:
    _life()
    _ledgers()
    for table in _APPEND_ONLY:
        _append_only(table)


def downgrade() -> None:
    for table in _APPEND_ONLY:
        op.drop_table(table)
    op.drop_table("attribute_mark")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION mykey_append_only()")


def _municipality() -> sa.Column[str]:
    return sa.Column("municipality", sa.String(length=6), nullable=False)


def _of_person(table: str, column: str = "person_id") -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_municipality_{column}")
    return sa.ForeignKeyConstraint(["municipality", column], ["person.municipality", "person.id"], name=name)


def _life() -> None:
    op.create_table(
        "life_event",
        _municipality(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("at", UtcInstant(), nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=True),
        sa.Column("evidence", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.Column("approved_by", sa.String(length=100), nullable=True),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("reverses", sa.Uuid(), nullable=True),
        _of_person("life_event"),
        sa.PrimaryKeyConstraint("municipality", "id", name=op.f("pk_life_event")),
    )
    op.create_index("ix_life_event_person_id", "life_event", ["municipality", "person_id"])
    op.create_table(
        "attribute_mark",
        _municipality(),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("mark", sa.LargeBinary(length=32), nullable=False),
        sa.Column("key_epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        _of_person("attribute_mark"),
        sa.PrimaryKeyConstraint("municipality", "person_id", "mark", name=op.f("pk_attribute_mark")),
    )
    op.create_table(
        "former_subject",
        _municipality(),
        sa.Column("plugin", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=43), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("replaced_at", UtcInstant(), nullable=False),
        _of_person("former_subject"),
        sa.PrimaryKeyConstraint("municipality", "plugin", "subject", name=op.f("pk_former_subject")),
    )


def _ledgers() -> None:
    op.create_table(
        "consent_entry",
        _municipality(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("plugin", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("act", sa.String(length=10), nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("text_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("at", UtcInstant(), nullable=False),
        sa.Column("expires_at", UtcInstant(), nullable=True),
        sa.Column("actor", sa.String(length=100), nullable=False),
        _of_person("consent_entry"),
        sa.PrimaryKeyConstraint("municipality", "id", name=op.f("pk_consent_entry")),
    )
    op.create_index("ix_consent_entry_person_id", "consent_entry", ["municipality", "person_id", "plugin"])
    op.create_table(
        "delegation_entry",
        _municipality(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("delegation_id", sa.Uuid(), nullable=False),
        sa.Column("act", sa.String(length=10), nullable=False),
        sa.Column("principal_id", sa.Uuid(), nullable=False),
        sa.Column("delegate_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("plugin", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.JSON(), nullable=False),
        sa.Column("at", UtcInstant(), nullable=False),
        sa.Column("ends_at", UtcInstant(), nullable=False),
        sa.Column("actor", sa.String(length=100), nullable=False),
        _of_person("delegation_entry", "principal_id"),
        _of_person("delegation_entry", "delegate_id"),
        sa.PrimaryKeyConstraint("municipality", "id", name=op.f("pk_delegation_entry")),
    )
    for column in ("principal_id", "delegate_id"):
        op.create_index(f"ix_delegation_entry_{column}", "delegation_entry", ["municipality", column])


def _append_only(table: str) -> None:
    """The database itself refuses to change or delete a row; DDL for triggers is each database's own."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE OR REPLACE FUNCTION mykey_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION mykey_append_only()"
        )
        return
    for act in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
