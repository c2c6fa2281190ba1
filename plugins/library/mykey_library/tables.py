"""The plugin's own tables: patrons, items, links from a pairwise id to a patron, and current loans.

A loan row is deleted when the item comes back, so no reading history remains (図書館の自由に関する宣言).
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Date,
    ForeignKeyConstraint,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
)

from mykey_core.api import UtcInstant

metadata = MetaData()

patron = Table(
    "library_patron",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("number", String(8), nullable=False),
    Column("state", String(8), nullable=False),  # active | stopped
    PrimaryKeyConstraint("municipality", "number"),
)

link = Table(
    "library_link",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("subject", String(43), nullable=False),  # the pairwise id for this plugin
    Column("patron_number", String(8), nullable=False),
    Column("linked_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "subject"),
    UniqueConstraint("municipality", "patron_number", name="uq_library_link_patron"),
    ForeignKeyConstraint(["municipality", "patron_number"], ["library_patron.municipality", "library_patron.number"]),
)

item = Table(
    "library_item",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("barcode", String(14), nullable=False),
    Column("title", String(400), nullable=False),
    Column("author", String(200), nullable=False),
    PrimaryKeyConstraint("municipality", "barcode"),
)

loan = Table(
    "library_loan",
    metadata,
    Column("municipality", String(6), nullable=False),
    Column("barcode", String(14), nullable=False),
    Column("patron_number", String(8), nullable=False),
    Column("lent_at", UtcInstant, nullable=False),
    Column("due_on", Date, nullable=False),  # civil date in Japan
    PrimaryKeyConstraint("municipality", "barcode"),
    ForeignKeyConstraint(["municipality", "barcode"], ["library_item.municipality", "library_item.barcode"]),
    ForeignKeyConstraint(["municipality", "patron_number"], ["library_patron.municipality", "library_patron.number"]),
)
