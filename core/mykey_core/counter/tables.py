"""Tables of the counter: records that a clerk has open, what waits for a second person, and passkeys of staff.

No column holds a name, an address or a number of a person. A passkey's private key never leaves its authenticator.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Uuid,
)

from mykey_core.storage.tables import metadata
from mykey_core.storage.types import UtcInstant

_PERSON = (["municipality", "person_id"], ["person.municipality", "person.id"])
_STAFF = (["municipality", "staff_name"], ["staff_member.municipality", "staff_member.name"])


def _municipality() -> Column[str]:
    return Column("municipality", String(6), nullable=False)


counter_case = Table(
    "counter_case",
    metadata,
    _municipality(),
    Column("id", Uuid, nullable=False),  # random: it stands in addresses
    Column("staff_name", String(64), nullable=False),
    Column("session_id", Uuid, nullable=False),  # the browser in which it was opened, and that alone shows it
    Column("person_id", Uuid, nullable=True),  # None where nobody was found
    Column("purpose", String(32), nullable=False),
    Column("found_by", String(16), nullable=False),  # card | mykey-id | enrolment
    Column("opened_at", UtcInstant, nullable=False),
    Column("expires_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "id"),
    ForeignKeyConstraint(*_PERSON),
    ForeignKeyConstraint(*_STAFF),
    sqlite_with_rowid=False,
)
Index("ix_counter_case_opened_at", counter_case.c.municipality, counter_case.c.opened_at)

staff_approval = Table(
    "staff_approval",
    metadata,
    _municipality(),
    Column("id", Uuid, nullable=False),  # UUIDv7: in order of time
    Column("act", String(24), nullable=False),  # acts.Act
    Column("person_id", Uuid, nullable=False),
    Column("reason", String(32), nullable=False),  # the purpose of the look-up from which it was asked
    Column("arguments", JSON, nullable=False),  # ids, dates and codes
    Column("card_reference", LargeBinary(32), nullable=True),  # keyed hash: the one card with which it is completed
    Column("requested_by", String(64), nullable=False),
    Column("state", String(8), nullable=False),  # open | approved | declined | done
    Column("decided_by", String(64), nullable=True),
    Column("decided_at", UtcInstant, nullable=True),
    Column("created_at", UtcInstant, nullable=False),
    Column("expires_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "id"),
    ForeignKeyConstraint(*_PERSON),
    CheckConstraint("state IN ('open', 'approved', 'declined', 'done')", name="state"),
    CheckConstraint("decided_by IS NULL OR decided_by <> requested_by OR state = 'declined'", name="four_eyes"),
    sqlite_with_rowid=False,
)
Index("ix_staff_approval_state", staff_approval.c.municipality, staff_approval.c.state)
Index("ix_staff_approval_person_id", staff_approval.c.municipality, staff_approval.c.person_id)

staff_passkey = Table(
    "staff_passkey",
    metadata,
    _municipality(),
    Column("id", Uuid, nullable=False),
    Column("staff_name", String(64), nullable=False),
    Column("title", String(60), nullable=False),  # what its owner calls it
    Column("user_handle", LargeBinary(32), nullable=False),  # random; the same for all passkeys of one member
    Column("credential_id", LargeBinary(1023), nullable=False),
    Column("public_key", LargeBinary, nullable=False),  # COSE
    Column("sign_count", BigInteger, nullable=False),
    Column("backed_up", Boolean, nullable=False),  # it is copied to the owner's other devices
    Column("created_at", UtcInstant, nullable=False),
    Column("used_at", UtcInstant, nullable=True),
    PrimaryKeyConstraint("municipality", "id"),
    ForeignKeyConstraint(*_STAFF),
    sqlite_with_rowid=False,
)
Index("ix_staff_passkey_credential_id", staff_passkey.c.municipality, staff_passkey.c.credential_id, unique=True)
Index("ix_staff_passkey_staff_name", staff_passkey.c.municipality, staff_passkey.c.staff_name)

passkey_challenge = Table(
    "passkey_challenge",
    metadata,
    _municipality(),
    Column("token_hash", LargeBinary(32), nullable=False),  # the browser that asked, and that alone may answer
    Column("purpose", String(8), nullable=False),  # passkeys.Ceremony
    Column("challenge", LargeBinary(32), nullable=False),
    Column("staff_name", String(64), nullable=True),  # for whom a key is made
    Column("user_handle", LargeBinary(32), nullable=True),
    Column("expires_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "token_hash"),
    sqlite_with_rowid=False,
)
Index("ix_passkey_challenge_expires_at", passkey_challenge.c.municipality, passkey_challenge.c.expires_at)
