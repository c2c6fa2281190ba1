"""Schedules of jobs; codes, tokens and logins of remote plugins."""

import sqlalchemy as sa
from alembic import op

from mykey_core.storage.types import UtcInstant

revision = "0090"
down_revision = "0060"
branch_labels = None
depends_on = None


def _municipality() -> sa.Column[str]:
    return sa.Column("municipality", sa.String(length=6), nullable=False)


def _person(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["municipality", "person_id"],
        ["person.municipality", "person.id"],
        name=op.f(f"fk_{table}_municipality_person_id"),
    )


def upgrade() -> None:
    op.create_table(
        "plugin_schedule",
        _municipality(),
        sa.Column("plugin", sa.String(length=64), nullable=False),
        sa.Column("job", sa.String(length=64), nullable=False),
        sa.Column("next_at", UtcInstant, nullable=False),
        sa.Column("released_at", UtcInstant, nullable=True),
        sa.Column("finished_at", UtcInstant, nullable=True),
        sa.PrimaryKeyConstraint("municipality", "plugin", "job", name=op.f("pk_plugin_schedule")),
        sqlite_with_rowid=False,
    )
    _code()
    _token()
    op.create_table(
        "provider_login",
        _municipality(),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("sid", sa.String(length=43), nullable=False),
        sa.Column("subject", sa.String(length=43), nullable=False),
        sa.Column("issuer", sa.String(length=500), nullable=False),
        sa.Column("created_at", UtcInstant, nullable=False),
        sa.PrimaryKeyConstraint("municipality", "session_id", "client", name=op.f("pk_provider_login")),
        sqlite_with_rowid=False,
    )


def _code() -> None:
    op.create_table(
        "provider_code",
        _municipality(),
        sa.Column("code_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("redirect_uri", sa.String(length=2000), nullable=False),
        sa.Column("scope", sa.String(length=1000), nullable=False),
        sa.Column("nonce", sa.String(length=500), nullable=True),
        sa.Column("code_challenge", sa.String(length=128), nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("auth_time", UtcInstant, nullable=False),
        sa.Column("used_at", UtcInstant, nullable=True),
        sa.Column("expires_at", UtcInstant, nullable=False),
        sa.PrimaryKeyConstraint("municipality", "code_hash", name=op.f("pk_provider_code")),
        _person("provider_code"),
    )
    op.create_index("ix_provider_code_expires_at", "provider_code", ["municipality", "expires_at"])


def _token() -> None:
    op.create_table(
        "provider_token",
        _municipality(),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("grant_id", sa.Uuid(), nullable=True),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("scope", sa.String(length=1000), nullable=False),
        sa.Column("expires_at", UtcInstant, nullable=False),
        sa.PrimaryKeyConstraint("municipality", "token_hash", name=op.f("pk_provider_token")),
        _person("provider_token"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_provider_token_grant_id", "provider_token", ["municipality", "grant_id"])
    op.create_index("ix_provider_token_expires_at", "provider_token", ["municipality", "expires_at"])


def downgrade() -> None:
    for table in ("provider_login", "provider_token", "provider_code", "plugin_schedule"):
        op.drop_table(table)
