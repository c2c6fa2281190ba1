"""The core's first tables; generated from `storage/tables.py` (nothing is released yet)."""

import sqlalchemy as sa
from alembic import op

from mykey_core.storage.types import UtcInstant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "access_token",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("terminal_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "token_hash", name=op.f("pk_access_token")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit_record",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", UtcInstant(), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "id", name=op.f("pk_audit_record")),
    )
    op.create_table(
        "client_assertion",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("jti_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("expires_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "jti_hash", name=op.f("pk_client_assertion")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "enrolment_code",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("service_point", sa.String(length=64), nullable=False),
        sa.Column("expires_at", UtcInstant(), nullable=False),
        sa.Column("terminal_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("municipality", "code_hash", name=op.f("pk_enrolment_code")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "municipality",
        sa.Column("code", sa.String(length=6), nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_municipality")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "person",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "id", name=op.f("pk_person")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "service_point",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("title", sa.JSON(), nullable=False),
        sa.Column("services", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "name", name=op.f("pk_service_point")),
    )
    op.create_table(
        "tap",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("terminal_id", sa.Uuid(), nullable=False),
        sa.Column("service", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("input", sa.JSON(), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("expires_at", UtcInstant(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.CheckConstraint("state IN ('open', 'done', 'refused')", name=op.f("ck_tap_state")),
        sa.PrimaryKeyConstraint("municipality", "id", name=op.f("pk_tap")),
    )
    with op.batch_alter_table("tap", schema=None) as batch_op:
        batch_op.create_index("ix_tap_expires_at", ["municipality", "expires_at"], unique=False)

    op.create_table(
        "visit",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("terminal_id", sa.Uuid(), nullable=False),
        sa.Column("plugin", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=43), nullable=False),
        sa.Column("expires_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "id", name=op.f("pk_visit")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "credential",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("reference", sa.LargeBinary(length=32), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("not_after", UtcInstant(), nullable=True),
        sa.Column("evidence", sa.String(length=32), nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key_epoch", sa.Integer(), server_default="1", nullable=False),
        sa.Column("key_reference", sa.LargeBinary(length=32), nullable=True),
        sa.Column("replaced_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["municipality", "person_id"],
            ["person.municipality", "person.id"],
            name=op.f("fk_credential_municipality_person_id"),
        ),
        sa.PrimaryKeyConstraint("municipality", "reference", name=op.f("pk_credential")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("credential", schema=None) as batch_op:
        batch_op.create_index("ix_credential_id", ["municipality", "id"], unique=True)
        batch_op.create_index("ix_credential_person_id", ["municipality", "person_id"], unique=False)

    op.create_table(
        "pairwise",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("plugin", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(length=43), nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("key_epoch", sa.Integer(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality", "person_id"],
            ["person.municipality", "person.id"],
            name=op.f("fk_pairwise_municipality_person_id"),
        ),
        sa.PrimaryKeyConstraint("municipality", "plugin", "person_id", name=op.f("pk_pairwise")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("pairwise", schema=None) as batch_op:
        batch_op.create_index("ix_pairwise_subject", ["municipality", "plugin", "subject"], unique=True)

    op.create_table(
        "terminal",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_point", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("public_key", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("enrolled_at", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality", "service_point"],
            ["service_point.municipality", "service_point.name"],
            name=op.f("fk_terminal_municipality_service_point"),
        ),
        sa.PrimaryKeyConstraint("municipality", "id", name=op.f("pk_terminal")),
    )


def downgrade() -> None:
    op.drop_table("terminal")
    with op.batch_alter_table("pairwise", schema=None) as batch_op:
        batch_op.drop_index("ix_pairwise_subject")

    op.drop_table("pairwise")
    with op.batch_alter_table("credential", schema=None) as batch_op:
        batch_op.drop_index("ix_credential_person_id")
        batch_op.drop_index("ix_credential_id")

    op.drop_table("credential")
    op.drop_table("visit")
    with op.batch_alter_table("tap", schema=None) as batch_op:
        batch_op.drop_index("ix_tap_expires_at")

    op.drop_table("tap")
    op.drop_table("service_point")
    op.drop_table("person")
    op.drop_table("municipality")
    op.drop_table("enrolment_code")
    op.drop_table("client_assertion")
    op.drop_table("audit_record")
    op.drop_table("access_token")
