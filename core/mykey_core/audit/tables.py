"""The log over the audit records: their order, the hashes of the tree, who is concerned, and signed checkpoints.

The records themselves are in `storage.tables`. Rows of all these tables are only ever added; the database refuses
anything else.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
)

from mykey_core.audit.types import StoredUuid
from mykey_core.storage.tables import audit_record, metadata
from mykey_core.storage.types import UtcInstant

audit_leaf = Table(
    "audit_leaf",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("leaf_index", BigInteger, nullable=False),  # the place in the tree, from 0 without gaps
    Column("record_id", StoredUuid, nullable=False),
    Column("leaf_hash", LargeBinary(32), nullable=False),
    PrimaryKeyConstraint("municipality", "leaf_index"),
    sqlite_with_rowid=False,
)
Index("ix_audit_leaf_record_id", audit_leaf.c.municipality, audit_leaf.c.record_id, unique=True)

audit_node = Table(
    "audit_node",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("level", SmallInteger, nullable=False),  # as in C2SP tlog-tiles: the hash of 256 ** level leaves
    Column("position", BigInteger, nullable=False),
    Column("node_hash", LargeBinary(32), nullable=False),
    PrimaryKeyConstraint("municipality", "level", "position"),
    sqlite_with_rowid=False,
)

audit_subject = Table(
    "audit_subject",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("reference", String(43), nullable=False),  # a pairwise id, or the id of a life event
    Column("leaf_index", BigInteger, nullable=False),
    PrimaryKeyConstraint("municipality", "reference", "leaf_index"),
    sqlite_with_rowid=False,
)

audit_checkpoint = Table(
    "audit_checkpoint",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("signed_at", UtcInstant, nullable=False),
    Column("note", Text, nullable=False),  # the signed note as it was published
    PrimaryKeyConstraint("municipality", "size"),
)

APPEND_ONLY = tuple(table.name for table in (audit_record, audit_leaf, audit_node, audit_subject, audit_checkpoint))
"""Names of the tables on which the hub's database role has SELECT and INSERT, and nothing else."""
