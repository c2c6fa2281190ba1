"""The tables of card writing: generations of keys, the floor below them, the journal, and what is known of each card.

A card is known by a keyed hash of its serial; no table holds a serial or a key.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
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

WRITING_STATES = ("open", "done", "unknown", "refused", "quarantined")
STEP_STATES = ("intent", "done", "unknown", "refused")
TAP_STATES = ("intent", "done", "unknown", "refused", "void")


def _one_of(values: tuple[str, ...]) -> str:
    return f"state IN ({', '.join(repr(value) for value in values)})"


card_key_generation = Table(
    "card_key_generation",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("provider", String(20), nullable=False),  # keys.provider.ProviderKind
    Column("check_value", String(6), nullable=False),  # of the master key, in hexadecimal digits
    Column("created_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "generation"),
    sqlite_with_rowid=False,
)

card_key_floor = Table(
    "card_key_floor",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("floor", Integer, nullable=False),  # generations below it open nothing any more; it only rises
    PrimaryKeyConstraint("municipality"),
    sqlite_with_rowid=False,
)

known_card = Table(
    "known_card",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("card", LargeBinary(32), nullable=False),
    Column("state", String(12), nullable=False),  # good | quarantined
    Column("reason", String(40), nullable=True),
    Column("generation", Integer, nullable=False),
    Column("last_counter", BigInteger, nullable=False),  # the card's transaction counter when it was seen last
    Column("seen_at", UtcInstant, nullable=False),
    Column("key_epoch", Integer, nullable=False, server_default="1"),  # of the key that `card` is a keyed hash with
    Column("release_evidence", String(40), nullable=True),  # somebody asked to release it from quarantine
    Column("release_by", String(100), nullable=True),
    PrimaryKeyConstraint("municipality", "card"),
    CheckConstraint(_one_of(("good", "quarantined")), name="state"),
    sqlite_with_rowid=False,
)

card_writing = Table(
    "card_writing",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("id", Uuid, nullable=False),
    Column("terminal_id", Uuid, nullable=True),
    Column("operation", String(16), nullable=False),  # counter.Operation
    Column("plugin", String(64), nullable=False),
    Column("card", LargeBinary(32), nullable=True),  # known after the card has been read
    Column("provider", String(20), nullable=False),
    Column("state", String(12), nullable=False),
    Column("code", String(40), nullable=True),  # errors.WritingCode
    Column("approved_by", String(100), nullable=True),  # hands.Hand
    Column("staff", String(100), nullable=True),  # who was signed in beside the terminal: staff:NAME
    Column("begun_at", UtcInstant, nullable=False),
    Column("ended_at", UtcInstant, nullable=True),
    Column("process", Uuid, nullable=True),  # the hub process in which the session with the card lives
    Column("lease_until", UtcInstant, nullable=True),  # it is alive as long as it renews this
    PrimaryKeyConstraint("municipality", "id"),
    CheckConstraint(_one_of(WRITING_STATES), name="state"),
)
Index("ix_card_writing_card", card_writing.c.municipality, card_writing.c.card)

card_writing_step = Table(
    "card_writing_step",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("writing_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    Column("step", String(64), nullable=False),  # plan.Step as text: kind and what it is about, no data
    Column("state", String(8), nullable=False),
    Column("code", String(40), nullable=True),
    Column("begun_at", UtcInstant, nullable=False),
    Column("ended_at", UtcInstant, nullable=True),
    PrimaryKeyConstraint("municipality", "writing_id", "number"),
    ForeignKeyConstraint(["municipality", "writing_id"], ["card_writing.municipality", "card_writing.id"]),
    CheckConstraint(_one_of(STEP_STATES), name="state"),
    sqlite_with_rowid=False,
)

card_turn = Table(
    "card_turn",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("writing_id", Uuid, nullable=False),
    Column("request_id", Uuid, nullable=False),
    Column("process", Uuid, nullable=False),  # the one that shall answer
    Column("request", LargeBinary, nullable=False),  # sealed: it holds what the card said
    Column("reply", LargeBinary, nullable=True),
    Column("created_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "writing_id", "request_id"),
    sqlite_with_rowid=False,
)
"""Requests of terminals that reached another process than the writing's own; gone within seconds."""

card_tap = Table(
    "card_tap",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("id", Uuid, nullable=False),
    Column("terminal_id", Uuid, nullable=False),
    Column("sequence", BigInteger, nullable=False),  # the terminal's own: half of the operation id
    Column("plugin", String(64), nullable=False),
    Column("service", Integer, nullable=False),
    Column("card", LargeBinary(32), nullable=False),
    Column("order", LargeBinary(27), nullable=False),  # what the card was asked to commit
    Column("counter", BigInteger, nullable=False),  # the card's counter before it
    Column("receipt", LargeBinary(22), nullable=True),
    Column("state", String(8), nullable=False),
    Column("code", String(40), nullable=True),
    Column("begun_at", UtcInstant, nullable=False),
    Column("ended_at", UtcInstant, nullable=True),
    PrimaryKeyConstraint("municipality", "id"),
    CheckConstraint(_one_of(TAP_STATES), name="state"),
)
"""Transactions that a card was asked to commit at a gate; an intent is durable before COMMIT is sent."""
Index("uq_card_tap_sequence", card_tap.c.municipality, card_tap.c.terminal_id, card_tap.c.sequence, unique=True)
Index("ix_card_tap_card", card_tap.c.municipality, card_tap.c.card)
