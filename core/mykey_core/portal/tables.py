"""Tables of the hub's pages: sessions of browsers, sign-ins that are under way, rates, staff and messages.

Secrets (cookies, codes) are stored as SHA-256 only; no column holds an address of a computer.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Uuid,
)

from mykey_core.storage.tables import metadata
from mykey_core.storage.types import UtcInstant

_PERSON = (["municipality", "person_id"], ["person.municipality", "person.id"])


def _municipality() -> Column[str]:
    return Column("municipality", String(6), nullable=False)


web_session = Table(
    "web_session",
    metadata,
    _municipality(),
    Column("token_hash", LargeBinary(32), nullable=False),  # SHA-256 of the cookie
    Column("id", Uuid, nullable=False),  # what pages call it by; it opens nothing
    Column("kind", String(10), nullable=False),  # sessions.SessionKind
    Column("person_id", Uuid, nullable=True),
    Column("staff_name", String(64), nullable=True),
    Column("method", String(16), nullable=True),  # card | hand-over | passkey
    Column("device", String(64), nullable=False),  # family of browser and system, as codes
    Column("created_at", UtcInstant, nullable=False),
    Column("seen_at", UtcInstant, nullable=False),
    Column("expires_at", UtcInstant, nullable=False),  # the end in any case; idleness may end it before
    PrimaryKeyConstraint("municipality", "token_hash"),
    ForeignKeyConstraint(*_PERSON),
    CheckConstraint("kind IN ('visitor', 'citizen', 'staff')", name="kind"),
    sqlite_with_rowid=False,
)
Index("ix_web_session_id", web_session.c.municipality, web_session.c.id, unique=True)
Index("ix_web_session_person_id", web_session.c.municipality, web_session.c.person_id)
Index("ix_web_session_expires_at", web_session.c.municipality, web_session.c.expires_at)

sign_in = Table(
    "sign_in",
    metadata,
    _municipality(),
    Column("id", Uuid, nullable=False),
    Column("token_hash", LargeBinary(32), nullable=False),  # the session that began it, and that alone may go on
    Column("audience", String(10), nullable=False),  # citizen | staff
    Column("nonce", String(64), nullable=True),  # what the card signs; None for a hand-over
    Column("code_hash", LargeBinary(32), nullable=True),  # what the QR code of a hand-over holds
    Column("comparison", String(8), nullable=True),  # shown on both devices
    Column("device", String(64), nullable=False),
    Column("approves", Uuid, nullable=True),  # the hand-over that this proof is for
    Column("state", String(8), nullable=False),  # open | approved | refused
    Column("person_id", Uuid, nullable=True),
    Column("created_at", UtcInstant, nullable=False),
    Column("expires_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "id"),
    CheckConstraint("state IN ('open', 'approved', 'refused')", name="state"),
    sqlite_with_rowid=False,
)
Index("ix_sign_in_token_hash", sign_in.c.municipality, sign_in.c.token_hash)
Index("ix_sign_in_code_hash", sign_in.c.municipality, sign_in.c.code_hash)

rate_count = Table(
    "rate_count",
    metadata,
    _municipality(),
    Column("key_hash", LargeBinary(32), nullable=False),
    Column("hits", Integer, nullable=False),
    Column("expires_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "key_hash"),
    sqlite_with_rowid=False,
)

staff_member = Table(
    "staff_member",
    metadata,
    _municipality(),
    Column("name", String(64), nullable=False),  # as the audit names them: staff:NAME
    Column("title", String(100), nullable=False),  # as colleagues know them
    Column("roles", JSON, nullable=False),
    Column("state", String(8), nullable=False),  # active | ended
    Column("person_id", Uuid, nullable=True),  # whose card signs in
    Column("invitation_hash", LargeBinary(32), nullable=True),  # of the one-time code that links the first card
    Column("invitation_ends_at", UtcInstant, nullable=True),
    Column("created_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "name"),
    ForeignKeyConstraint(*_PERSON),
    CheckConstraint("state IN ('active', 'ended')", name="state"),
    sqlite_with_rowid=False,
)
Index("ix_staff_member_person_id", staff_member.c.municipality, staff_member.c.person_id)

citizen_message = Table(
    "citizen_message",
    metadata,
    _municipality(),
    Column("id", Uuid, nullable=False),  # UUIDv7: in order of time
    Column("person_id", Uuid, nullable=False),
    Column("sender", String(64), nullable=False),  # a plugin, or `town`
    Column("content", JSON, nullable=False),  # language -> {"title", "text"}
    Column("sent_at", UtcInstant, nullable=False),
    Column("read_at", UtcInstant, nullable=True),
    PrimaryKeyConstraint("municipality", "id"),
    ForeignKeyConstraint(*_PERSON),
    sqlite_with_rowid=False,
)
Index("ix_citizen_message_person_id", citizen_message.c.municipality, citizen_message.c.person_id)
