"""Tables of remote plugins: codes and tokens of the OpenID provider, and where a citizen is signed in by it.

Secrets are stored as SHA-256 only.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKeyConstraint, Index, LargeBinary, PrimaryKeyConstraint, String, Table, Uuid

from mykey_core.storage.tables import metadata
from mykey_core.storage.types import UtcInstant

_PERSON = (["municipality", "person_id"], ["person.municipality", "person.id"])


def _municipality() -> Column[str]:
    return Column("municipality", String(6), nullable=False)


provider_code = Table(
    "provider_code",
    metadata,
    _municipality(),
    Column("code_hash", LargeBinary(32), nullable=False),
    Column("grant_id", Uuid, nullable=False),  # what the code gives, and what a second use takes away
    Column("client", String(64), nullable=False),  # the plugin
    Column("person_id", Uuid, nullable=False),
    Column("session_id", Uuid, nullable=False),  # of the browser that signed in
    Column("redirect_uri", String(2000), nullable=False),
    Column("scope", String(1000), nullable=False),
    Column("nonce", String(500), nullable=True),
    Column("code_challenge", String(128), nullable=False),  # always S256
    Column("method", String(16), nullable=False),  # how the person signed in
    Column("auth_time", UtcInstant, nullable=False),
    Column("used_at", UtcInstant, nullable=True),
    Column("expires_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "code_hash"),
    ForeignKeyConstraint(*_PERSON),
)
Index("ix_provider_code_expires_at", provider_code.c.municipality, provider_code.c.expires_at)

provider_token = Table(
    "provider_token",
    metadata,
    _municipality(),
    Column("token_hash", LargeBinary(32), nullable=False),
    Column("client", String(64), nullable=False),
    Column("grant_id", Uuid, nullable=True),  # None for a token of the plugin itself
    Column("person_id", Uuid, nullable=True),
    Column("scope", String(1000), nullable=False),
    Column("expires_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "token_hash"),
    ForeignKeyConstraint(*_PERSON),
    sqlite_with_rowid=False,
)
Index("ix_provider_token_grant_id", provider_token.c.municipality, provider_token.c.grant_id)
Index("ix_provider_token_expires_at", provider_token.c.municipality, provider_token.c.expires_at)

provider_login = Table(
    "provider_login",
    metadata,
    _municipality(),
    Column("session_id", Uuid, nullable=False),  # `web_session.id`
    Column("client", String(64), nullable=False),
    Column("sid", String(43), nullable=False),  # what this plugin, and no other, calls the session
    Column("subject", String(43), nullable=False),
    Column("issuer", String(500), nullable=False),
    Column("created_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "session_id", "client"),
    sqlite_with_rowid=False,
)
