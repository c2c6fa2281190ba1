"""The core's tables. Every primary key begins with the municipality's six-digit code (architecture §4).

Serials, names and numbers have no column here: a credential is found by a keyed hash (`identity.references`).
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
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Uuid,
)

from mykey_core.audit.types import CanonicalJson
from mykey_core.storage.types import UtcInstant

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


# Tables of short rows are `sqlite_with_rowid=False`: on SQLite the row then stands in the primary key itself, found in
# one step. Rows with JSON are too wide for that (sqlite.org/withoutrowid.html).


def _municipality() -> Column[str]:
    return Column("municipality", String(6), nullable=False)


municipality = Table(
    "municipality",
    metadata,
    Column("code", String(6), primary_key=True),
    Column("created_at", UtcInstant, nullable=False),
    sqlite_with_rowid=False,
)

service_point = Table(
    "service_point",
    metadata,
    _municipality(),
    Column("name", String(64), nullable=False),
    Column("title", JSON, nullable=False),  # language -> text
    Column("services", JSON, nullable=False),  # names of the services offered there
    Column("closed_at", UtcInstant, nullable=True),  # its terminals are shut out then; its name stays in the records
    PrimaryKeyConstraint("municipality", "name"),
)

terminal = Table(
    "terminal",
    metadata,
    _municipality(),
    Column("id", Uuid, nullable=False),
    Column("service_point", String(64), nullable=False),
    Column("name", String(200), nullable=False),
    Column("version", String(40), nullable=False),
    Column("public_key", JSON, nullable=False),  # JWK of the Ed25519 device key
    Column("state", String(10), nullable=False),  # active | revoked
    Column("enrolled_at", UtcInstant, nullable=False),
    Column("token_at", UtcInstant, nullable=True),  # when it asked for an access token last; None before the first
    PrimaryKeyConstraint("municipality", "id"),
    ForeignKeyConstraint(["municipality", "service_point"], ["service_point.municipality", "service_point.name"]),
)

enrolment_code = Table(
    "enrolment_code",
    metadata,
    _municipality(),
    Column("code_hash", LargeBinary(32), nullable=False),  # SHA-256; the code itself is shown once
    Column("service_point", String(64), nullable=False),
    Column("expires_at", UtcInstant, nullable=False),
    Column("terminal_id", Uuid, nullable=True),  # set when it has been used
    PrimaryKeyConstraint("municipality", "code_hash"),
    sqlite_with_rowid=False,
)

client_assertion = Table(
    "client_assertion",
    metadata,
    _municipality(),
    Column("jti_hash", LargeBinary(32), nullable=False),
    Column("expires_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "jti_hash"),
    sqlite_with_rowid=False,
)

access_token = Table(
    "access_token",
    metadata,
    _municipality(),
    Column("token_hash", LargeBinary(32), nullable=False),
    Column("terminal_id", Uuid, nullable=False),
    Column("expires_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "token_hash"),
    sqlite_with_rowid=False,
)

tap = Table(
    "tap",
    metadata,
    _municipality(),
    Column("id", Uuid, nullable=False),
    Column("terminal_id", Uuid, nullable=False),
    Column("service", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("input", JSON, nullable=False),
    Column("nonce", String(64), nullable=False),
    Column("state", String(8), nullable=False),  # open | done | refused
    Column("created_at", UtcInstant, nullable=False),
    Column("expires_at", UtcInstant, nullable=False),
    Column("result", JSON, nullable=True),  # what the reply was made from; cleared with the tap
    PrimaryKeyConstraint("municipality", "id"),
    CheckConstraint("state IN ('open', 'done', 'refused')", name="state"),
)
Index("ix_tap_expires_at", tap.c.municipality, tap.c.expires_at)

visit = Table(
    "visit",
    metadata,
    _municipality(),
    Column("id", Uuid, nullable=False),
    Column("terminal_id", Uuid, nullable=False),
    Column("plugin", String(64), nullable=False),
    Column("subject", String(43), nullable=False),
    Column("expires_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "id"),
    sqlite_with_rowid=False,
)

person = Table(
    "person",
    metadata,
    _municipality(),
    Column("id", Uuid, nullable=False),
    Column("state", String(10), nullable=False),  # identity.states.PersonState
    Column("created_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "id"),
    sqlite_with_rowid=False,
)

credential = Table(
    "credential",
    metadata,
    _municipality(),
    Column("reference", LargeBinary(32), nullable=False),  # keyed hash of issuer and serial
    Column("person_id", Uuid, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("status", String(10), nullable=False),  # identity.states.CredentialStatus
    Column("not_after", UtcInstant, nullable=True),  # end of the certificate's last year; a MyKey ID has none
    Column("evidence", String(32), nullable=False),
    Column("created_at", UtcInstant, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("key_epoch", Integer, nullable=False, server_default="1"),
    Column("key_reference", LargeBinary(32), nullable=True),  # keyed hash of the public key
    Column("replaced_by", Uuid, nullable=True),  # id of the credential that came after
    PrimaryKeyConstraint("municipality", "reference"),
    ForeignKeyConstraint(["municipality", "person_id"], ["person.municipality", "person.id"]),
    sqlite_with_rowid=False,
)
Index("ix_credential_person_id", credential.c.municipality, credential.c.person_id)
Index("ix_credential_id", credential.c.municipality, credential.c.id, unique=True)

pairwise = Table(
    "pairwise",
    metadata,
    _municipality(),
    Column("plugin", String(64), nullable=False),
    Column("person_id", Uuid, nullable=False),
    Column("subject", String(43), nullable=False),
    Column("created_at", UtcInstant, nullable=False),
    Column("key_epoch", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("municipality", "plugin", "person_id"),
    ForeignKeyConstraint(["municipality", "person_id"], ["person.municipality", "person.id"]),
    sqlite_with_rowid=False,
)
Index("ix_pairwise_subject", pairwise.c.municipality, pairwise.c.plugin, pairwise.c.subject, unique=True)

audit_record = Table(
    "audit_record",
    metadata,
    _municipality(),
    Column("id", Uuid, nullable=False),  # UUIDv7: in order of time
    Column("at", UtcInstant, nullable=False),
    Column("event", String(64), nullable=False),
    Column("facts", CanonicalJson, nullable=False),  # what `audit.events` allows: codes, ids, checks, pairwise ids
    PrimaryKeyConstraint("municipality", "id"),
)

idempotency_key = Table(
    "idempotency_key",
    metadata,
    _municipality(),
    Column("caller", Uuid, nullable=False),  # the terminal; all zeros for one that is being enrolled
    Column("key_hash", LargeBinary(32), nullable=False),
    Column("request_hash", LargeBinary(32), nullable=False),
    Column("answer", JSON, nullable=False),
    Column("expires_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "caller", "key_hash"),
)

outbox = Table(
    "outbox",
    metadata,
    _municipality(),
    Column("id", Uuid, nullable=False),  # UUIDv7: in order of time
    Column("subscriber", String(64), nullable=False),  # a plugin: each has its own row of an event
    Column("kind", String(64), nullable=False),
    Column("person_id", Uuid, nullable=True),  # becomes the subscriber's own pairwise id on delivery
    Column("facts", JSON, nullable=False),
    Column("created_at", UtcInstant, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", UtcInstant, nullable=True),  # None: given up, for a person to look at
    PrimaryKeyConstraint("municipality", "id", "subscriber"),
)
Index("ix_outbox_due_at", outbox.c.municipality, outbox.c.due_at)
