"""The counter: open records of clerks, requests for a second person, passkeys of staff."""

import sqlalchemy as sa
from alembic import op

from mykey_core.storage.types import UtcInstant

revision = "0100"
down_revision = "0090"
branch_labels = None
depends_on = None


def _municipality() -> sa.Column[str]:
    return sa.Column("municipality", sa.String(length=6), nullable=False)


def _person(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["municipality", "person_id"],
        ["person.municipality", "person.id"],
        name=op.f(f"fk_{table}_municipality_person_id_person"),
    )


def _staff(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["municipality", "staff_name"],
        ["staff_member.municipality", "staff_member.name"],
        name=op.f(f"fk_{table}_municipality_staff_name_staff_member"),
    )


def upgrade() -> None:
    _cases()
    _approvals()
    _passkeys()


def _cases() -> None:
    op.create_table(
        "counter_case",
        _municipality(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("staff_name", sa.String(length=64), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("found_by", sa.String(length=16), nullable=False),
        sa.Column("opened_at", UtcInstant(), nullable=False),
        sa.Column("expires_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "id", name=op.f("pk_counter_case")),
        _person("counter_case"),
        _staff("counter_case"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_counter_case_opened_at", "counter_case", ["municipality", "opened_at"])


def _approvals() -> None:
    op.create_table(
        "staff_approval",
        _municipality(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("act", sa.String(length=24), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("card_reference", sa.LargeBinary(length=32), nullable=True),
        sa.Column("requested_by", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("decided_by", sa.String(length=64), nullable=True),
        sa.Column("decided_at", UtcInstant(), nullable=True),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("expires_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "id", name=op.f("pk_staff_approval")),
        _person("staff_approval"),
        sa.CheckConstraint("state IN ('open', 'approved', 'declined', 'done')", name=op.f("ck_staff_approval_state")),
        sa.CheckConstraint(
            "decided_by IS NULL OR decided_by <> requested_by OR state = 'declined'",
            name=op.f("ck_staff_approval_four_eyes"),
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_staff_approval_state", "staff_approval", ["municipality", "state"])
    op.create_index("ix_staff_approval_person_id", "staff_approval", ["municipality", "person_id"])


def _passkeys() -> None:
    op.create_table(
        "staff_passkey",
        _municipality(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("staff_name", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=60), nullable=False),
        sa.Column("user_handle", sa.LargeBinary(length=32), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(length=1023), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("backed_up", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("used_at", UtcInstant(), nullable=True),
        sa.PrimaryKeyConstraint("municipality", "id", name=op.f("pk_staff_passkey")),
        _staff("staff_passkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_staff_passkey_credential_id", "staff_passkey", ["municipality", "credential_id"], unique=True)
    op.create_index("ix_staff_passkey_staff_name", "staff_passkey", ["municipality", "staff_name"])
    op.create_table(
        "passkey_challenge",
        _municipality(),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=8), nullable=False),
        sa.Column("challenge", sa.LargeBinary(length=32), nullable=False),
        sa.Column("staff_name", sa.String(length=64), nullable=True),
        sa.Column("user_handle", sa.LargeBinary(length=32), nullable=True),
        sa.Column("expires_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "token_hash", name=op.f("pk_passkey_challenge")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_passkey_challenge_expires_at", "passkey_challenge", ["municipality", "expires_at"])


def downgrade() -> None:
    for table in ("passkey_challenge", "staff_passkey", "staff_approval", "counter_case"):
        op.drop_table(table)
