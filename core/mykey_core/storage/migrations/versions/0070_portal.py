"""The hub's pages: web sessions, sign-ins under way, rates, staff, and messages to citizens."""

import sqlalchemy as sa
from alembic import op

from mykey_core.storage.types import UtcInstant

revision = "0070"
down_revision = "0040"
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


def upgrade() -> None:
    _sessions()
    _sign_ins()
    _staff()
    _messages()


def _sessions() -> None:
    op.create_table(
        "web_session",
        _municipality(),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("staff_name", sa.String(length=64), nullable=True),
        sa.Column("method", sa.String(length=16), nullable=True),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("seen_at", UtcInstant(), nullable=False),
        sa.Column("expires_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "token_hash", name=op.f("pk_web_session")),
        _person("web_session"),
        sa.CheckConstraint("kind IN ('visitor', 'citizen', 'staff')", name=op.f("ck_web_session_kind")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_web_session_id", "web_session", ["municipality", "id"], unique=True)
    op.create_index("ix_web_session_person_id", "web_session", ["municipality", "person_id"])
    op.create_index("ix_web_session_expires_at", "web_session", ["municipality", "expires_at"])


def _sign_ins() -> None:
    op.create_table(
        "sign_in",
        _municipality(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("audience", sa.String(length=10), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=True),
        sa.Column("code_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("comparison", sa.String(length=8), nullable=True),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("approves", sa.Uuid(), nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("expires_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "id", name=op.f("pk_sign_in")),
        sa.CheckConstraint("state IN ('open', 'approved', 'refused')", name=op.f("ck_sign_in_state")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_sign_in_token_hash", "sign_in", ["municipality", "token_hash"])
    op.create_index("ix_sign_in_code_hash", "sign_in", ["municipality", "code_hash"])
    op.create_table(
        "rate_count",
        _municipality(),
        sa.Column("key_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.Column("expires_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "key_hash", name=op.f("pk_rate_count")),
        sqlite_with_rowid=False,
    )


def _staff() -> None:
    op.create_table(
        "staff_member",
        _municipality(),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=100), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("invitation_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("invitation_ends_at", UtcInstant(), nullable=True),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "name", name=op.f("pk_staff_member")),
        _person("staff_member"),
        sa.CheckConstraint("state IN ('active', 'ended')", name=op.f("ck_staff_member_state")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_staff_member_person_id", "staff_member", ["municipality", "person_id"])


def _messages() -> None:
    op.create_table(
        "citizen_message",
        _municipality(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("sender", sa.String(length=64), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("sent_at", UtcInstant(), nullable=False),
        sa.Column("read_at", UtcInstant(), nullable=True),
        sa.PrimaryKeyConstraint("municipality", "id", name=op.f("pk_citizen_message")),
        _person("citizen_message"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_citizen_message_person_id", "citizen_message", ["municipality", "person_id"])


def downgrade() -> None:
    for table in ("citizen_message", "staff_member", "rate_count", "sign_in", "web_session"):
        op.drop_table(table)
