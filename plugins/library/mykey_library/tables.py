"""The plugin's own tables: branches and their days, the collection, patrons and links, and what is under way.

A loan row is deleted when the item comes back and the log forgets item and patron, so that no reading history remains
(図書館の自由に関する宣言); `library_history` is written for patrons who ask for it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    Uuid,
)

from mykey_core.api import UtcInstant

metadata = MetaData()
_TOWN, _BRANCH, _BARCODE, _NUMBER = 6, 20, 14, 14


def _town() -> Column[Any]:
    return Column("municipality", String(_TOWN), nullable=False)


def _to_item(column: str = "barcode") -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["municipality", column], ["library_item.municipality", "library_item.barcode"])


def _to_patron() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["municipality", "patron_number"], ["library_patron.municipality", "library_patron.number"]
    )


branch = Table(
    "library_branch",
    metadata,
    _town(),
    Column("code", String(_BRANCH), nullable=False),
    Column("title", String(200), nullable=False),
    Column("closed_weekdays", String(7), nullable=False),  # digits, 0 = Monday as in `date.weekday`
    Column("service_points", String(400), nullable=False),  # of the hub that stand here, with blanks between
    PrimaryKeyConstraint("municipality", "code"),
)

branch_day = Table(  # days on which a branch is open or closed against its weekdays
    "library_branch_day",
    metadata,
    _town(),
    Column("branch", String(_BRANCH), nullable=False),
    Column("day", Date, nullable=False),
    Column("is_open", Boolean, nullable=False),
    PrimaryKeyConstraint("municipality", "branch", "day"),
    ForeignKeyConstraint(["municipality", "branch"], ["library_branch.municipality", "library_branch.code"]),
)

patron = Table(
    "library_patron",
    metadata,
    _town(),
    Column("number", String(_NUMBER), nullable=False),
    Column("state", String(8), nullable=False),  # active | stopped (staff) | blocked (a terminal) | lost (the card)
    Column("category", String(20), nullable=False, server_default="general"),
    Column("name", String(200), nullable=False, server_default=""),  # as the library wrote it, never normalised
    Column("language", String(8), nullable=False, server_default=""),
    Column("expires_on", Date, nullable=True),  # the last day
    Column("suspended_until", Date, nullable=True),  # the last day without loans, after overdue returns
    Column("keeps_history", Boolean, nullable=False, server_default="0"),
    Column("pin_hash", String(200), nullable=False, server_default=""),  # of the library's own PIN, for SIP2's AD
    PrimaryKeyConstraint("municipality", "number"),
)

link = Table(
    "library_link",
    metadata,
    _town(),
    Column("subject", String(43), nullable=False),  # the pairwise id for this plugin
    Column("kind", String(20), nullable=False, server_default="auth-certificate"),  # links.LinkKind
    Column("patron_number", String(_NUMBER), nullable=False),
    Column("linked_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "subject", "kind"),
    UniqueConstraint("municipality", "patron_number", "kind", name="uq_library_link_patron_kind"),
)  # no foreign key: the patron may stand in a library system outside

title = Table(  # what the copies of one book have in common
    "library_title",
    metadata,
    _town(),
    Column("id", String(40), nullable=False),
    Column("title", String(400), nullable=False),
    Column("kana", String(400), nullable=False),
    Column("author", String(200), nullable=False),
    Column("isbn", String(13), nullable=False),
    Column("ndc", String(12), nullable=False),  # 日本十進分類法
    PrimaryKeyConstraint("municipality", "id"),
)

item = Table(
    "library_item",
    metadata,
    _town(),
    Column("barcode", String(_BARCODE), nullable=False),
    Column("title_id", String(40), nullable=False),
    Column("branch", String(_BRANCH), nullable=False),
    Column("kind", String(20), nullable=False),  # book, magazine, av, …: the column of the policy matrix
    Column("for_loan", Boolean, nullable=False),  # False: 禁帯出
    Column("status", String(2), nullable=False),  # circulation.ItemState; a loan stands in library_loan
    Column("properties", String(255), nullable=False),  # a terminal's note: condition, security marker
    Column("call_number", String(40), nullable=False),
    PrimaryKeyConstraint("municipality", "barcode"),
    ForeignKeyConstraint(["municipality", "title_id"], ["library_title.municipality", "library_title.id"]),
    ForeignKeyConstraint(["municipality", "branch"], ["library_branch.municipality", "library_branch.code"]),
)

policy = Table(  # what the settings of plugins.toml do not already say for everybody
    "library_policy",
    metadata,
    _town(),
    Column("category", String(20), nullable=False),  # of patrons; * for all
    Column("kind", String(20), nullable=False),  # of items; * for all
    Column("loan_days", Integer, nullable=False),
    Column("max_loans", Integer, nullable=False),
    Column("max_renewals", Integer, nullable=False),
    Column("max_holds", Integer, nullable=False),
    PrimaryKeyConstraint("municipality", "category", "kind"),
)

loan = Table(
    "library_loan",
    metadata,
    _town(),
    Column("barcode", String(_BARCODE), nullable=False),
    Column("patron_number", String(_NUMBER), nullable=False),
    Column("lent_at", UtcInstant, nullable=False),
    Column("due_on", Date, nullable=False),  # civil date in Japan
    Column("renewals", Integer, nullable=False, server_default="0"),
    Column("branch", String(_BRANCH), nullable=False, server_default=""),
    Column("notified_on", Date, nullable=True),  # of the last overdue notice
    PrimaryKeyConstraint("municipality", "barcode"),
    _to_item(),
    _to_patron(),
)
Index("ix_library_loan_patron", loan.c.municipality, loan.c.patron_number)

hold = Table(
    "library_hold",
    metadata,
    _town(),
    Column("id", Uuid, nullable=False),  # UUIDv7: the queue is in this order
    Column("title_id", String(40), nullable=False),
    Column("wanted_barcode", String(_BARCODE), nullable=True),  # a specific copy
    Column("patron_number", String(_NUMBER), nullable=False),
    Column("pickup_branch", String(_BRANCH), nullable=False),
    Column("placed_at", UtcInstant, nullable=False),
    Column("state", String(10), nullable=False),  # queued | travelling | waiting
    Column("barcode", String(_BARCODE), nullable=True),  # the copy that is set aside
    Column("waits_until", Date, nullable=True),  # the last day on the hold shelf
    PrimaryKeyConstraint("municipality", "id"),
    UniqueConstraint("municipality", "title_id", "patron_number", name="uq_library_hold_title_patron"),
    UniqueConstraint("municipality", "barcode", name="uq_library_hold_barcode"),
    ForeignKeyConstraint(["municipality", "title_id"], ["library_title.municipality", "library_title.id"]),
    ForeignKeyConstraint(["municipality", "pickup_branch"], ["library_branch.municipality", "library_branch.code"]),
    _to_item(),
    _to_patron(),
)

transit = Table(
    "library_transit",
    metadata,
    _town(),
    Column("barcode", String(_BARCODE), nullable=False),
    Column("from_branch", String(_BRANCH), nullable=False),
    Column("to_branch", String(_BRANCH), nullable=False),
    Column("since", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "barcode"),
    _to_item(),
)

charge = Table(  # 弁償金 only: public libraries are free of charge (図書館法17条)
    "library_charge",
    metadata,
    _town(),
    Column("id", Uuid, nullable=False),
    Column("patron_number", String(_NUMBER), nullable=False),
    Column("title_id", String(40), nullable=False),
    Column("yen", Integer, nullable=False),
    Column("made_on", Date, nullable=False),
    Column("paid_on", Date, nullable=True),
    PrimaryKeyConstraint("municipality", "id"),
    _to_patron(),
)

payment = Table(  # the same patron with the same transaction has paid once (SIP2's BK)
    "library_payment",
    metadata,
    _town(),
    Column("patron_number", String(_NUMBER), nullable=False),
    Column("transaction", String(255), nullable=False),
    Column("yen", Integer, nullable=False),
    Column("paid_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("municipality", "patron_number", "transaction"),
    _to_patron(),
)

event = Table(  # appended; what joins a patron and an item is taken out some days after the return
    "library_event",
    metadata,
    _town(),
    Column("id", Uuid, nullable=False),
    Column("day", Date, nullable=False),  # no time of day: it would join this line with the core's log
    Column("action", String(20), nullable=False),
    Column("branch", String(_BRANCH), nullable=False),
    Column("ndc", String(12), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("category", String(20), nullable=False),
    Column("barcode", String(_BARCODE), nullable=True),
    Column("patron_number", String(_NUMBER), nullable=True),
    Column("forget_on", Date, nullable=True),
    PrimaryKeyConstraint("municipality", "id"),
)
Index("ix_library_event_day", event.c.municipality, event.c.day)

history = Table(  # only of patrons who have asked for it
    "library_history",
    metadata,
    _town(),
    Column("id", Uuid, nullable=False),
    Column("patron_number", String(_NUMBER), nullable=False),
    Column("title", String(400), nullable=False),
    Column("author", String(200), nullable=False),
    Column("lent_on", Date, nullable=False),
    Column("returned_on", Date, nullable=False),
    PrimaryKeyConstraint("municipality", "id"),
    _to_patron(),
)

notice = Table(  # overdue notices to be shown in the portal, or printed at the desk
    "library_notice",
    metadata,
    _town(),
    Column("id", Uuid, nullable=False),
    Column("patron_number", String(_NUMBER), nullable=False),
    Column("made_on", Date, nullable=False),
    Column("kind", String(20), nullable=False),  # overdue | hold-waiting
    Column("barcode", String(_BARCODE), nullable=False),
    PrimaryKeyConstraint("municipality", "id"),
    _to_patron(),
)
