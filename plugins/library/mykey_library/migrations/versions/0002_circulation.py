"""The whole circulation: branches and days, titles, policy matrix, holds, transit, compensation, log, notices.

Items of version 0.1 become one title each and stand in the branch 'main'; links become links by certificate.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from mykey_core.api import UtcInstant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NUMBER, _BARCODE, _BRANCH = sa.String(14), sa.String(14), sa.String(20)


def _town() -> sa.Column[Any]:
    return sa.Column("municipality", sa.String(6), nullable=False)


def _column(name: str, kind: Any, *, nullable: bool = False, default: str | None = None) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=nullable, server_default=default)


def _key(*names: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint("municipality", *names)


def _to(table: str, column: str, key: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["municipality", column], [f"{table}.municipality", f"{table}.{key}"])


def upgrade() -> None:
    """Every table that others point at is made anew, in the order of the foreign keys: SQLite cannot change them."""
    _branches()
    _patrons_and_links()
    _titles()
    _items()
    _loans()
    _replace("link", "loan", "item", "patron")
    op.create_index("ix_library_loan_patron", "library_loan", ["municipality", "patron_number"])
    _holds()
    _money()
    _log()


def _copy(target: str, columns: str, source: str, values: str | None = None) -> None:
    op.execute(f"INSERT INTO {target} ({columns}) SELECT {values or columns} FROM {source}")  # noqa: S608 - fixed names


def _replace(*names: str) -> None:
    """Put the new tables into the place of the old ones; children first."""
    for name in names:
        op.drop_table(f"library_{name}")
    for name in names:
        op.rename_table(f"library_{name}_new", f"library_{name}")


def _branches() -> None:
    op.create_table(
        "library_branch",
        _town(),
        _column("code", _BRANCH),
        _column("title", sa.String(200)),
        _column("closed_weekdays", sa.String(7)),
        _column("service_points", sa.String(400)),
        _key("code"),
    )
    op.create_table(
        "library_branch_day",
        _town(),
        _column("branch", _BRANCH),
        _column("day", sa.Date()),
        _column("is_open", sa.Boolean()),
        _key("branch", "day"),
        _to("library_branch", "branch", "code"),
    )
    op.create_table(
        "library_policy",
        _town(),
        _column("category", sa.String(20)),
        _column("kind", sa.String(20)),
        *(_column(name, sa.Integer()) for name in ("loan_days", "max_loans", "max_renewals", "max_holds")),
        _key("category", "kind"),
    )


def _patrons_and_links() -> None:
    op.create_table(
        "library_patron_new",
        _town(),
        _column("number", _NUMBER),
        _column("state", sa.String(8)),
        _column("category", sa.String(20), default="general"),
        _column("name", sa.String(200), default=""),
        _column("language", sa.String(8), default=""),
        _column("expires_on", sa.Date(), nullable=True),
        _column("suspended_until", sa.Date(), nullable=True),
        _column("keeps_history", sa.Boolean(), default="0"),
        _column("pin_hash", sa.String(200), default=""),
        _key("number"),
    )
    _copy("library_patron_new", "municipality, number, state", "library_patron")
    op.create_table(
        "library_link_new",
        _town(),
        _column("subject", sa.String(43)),
        _column("kind", sa.String(20), default="auth-certificate"),
        _column("patron_number", _NUMBER),
        _column("linked_at", UtcInstant()),
        _key("subject", "kind"),
        sa.UniqueConstraint("municipality", "patron_number", "kind", name="uq_library_link_patron_kind"),
    )
    _copy("library_link_new", "municipality, subject, patron_number, linked_at", "library_link")


def _titles() -> None:
    op.create_table(
        "library_title",
        _town(),
        _column("id", sa.String(40)),
        _column("title", sa.String(400)),
        _column("kana", sa.String(400)),
        _column("author", sa.String(200)),
        _column("isbn", sa.String(13)),
        _column("ndc", sa.String(12)),
        _key("id"),
    )
    op.execute(
        "INSERT INTO library_branch (municipality, code, title, closed_weekdays, service_points)"
        " SELECT DISTINCT municipality, 'main', 'main', '', '' FROM library_item"
    )
    op.execute(
        "INSERT INTO library_title (municipality, id, title, kana, author, isbn, ndc)"
        " SELECT municipality, barcode, title, '', author, '', '' FROM library_item"
    )


def _items() -> None:
    op.create_table(
        "library_item_new",
        _town(),
        _column("barcode", _BARCODE),
        _column("title_id", sa.String(40)),
        _column("branch", _BRANCH),
        _column("kind", sa.String(20)),
        _column("for_loan", sa.Boolean()),
        _column("status", sa.String(2)),
        _column("properties", sa.String(255)),
        _column("call_number", sa.String(40)),
        _key("barcode"),
        _to("library_title", "title_id", "id"),
        _to("library_branch", "branch", "code"),
    )
    columns = "municipality, barcode, title_id, branch, kind, for_loan, status, properties, call_number"
    values = "municipality, barcode, barcode, 'main', 'book', true, '03', '', ''"
    _copy("library_item_new", columns, "library_item", values)


def _loans() -> None:
    op.create_table(
        "library_loan_new",
        _town(),
        _column("barcode", _BARCODE),
        _column("patron_number", _NUMBER),
        _column("lent_at", UtcInstant()),
        _column("due_on", sa.Date()),
        _column("renewals", sa.Integer(), default="0"),
        _column("branch", _BRANCH, default=""),
        _column("notified_on", sa.Date(), nullable=True),
        _key("barcode"),
        _to("library_item_new", "barcode", "barcode"),
        _to("library_patron_new", "patron_number", "number"),
    )
    _copy("library_loan_new", "municipality, barcode, patron_number, lent_at, due_on", "library_loan")


def _holds() -> None:
    op.create_table(
        "library_transit",
        _town(),
        _column("barcode", _BARCODE),
        _column("from_branch", _BRANCH),
        _column("to_branch", _BRANCH),
        _column("since", UtcInstant()),
        _key("barcode"),
        _to("library_item", "barcode", "barcode"),
    )

    op.create_table(
        "library_hold",
        _town(),
        _column("id", sa.Uuid()),
        _column("title_id", sa.String(40)),
        _column("wanted_barcode", _BARCODE, nullable=True),
        _column("patron_number", _NUMBER),
        _column("pickup_branch", _BRANCH),
        _column("placed_at", UtcInstant()),
        _column("state", sa.String(10)),
        _column("barcode", _BARCODE, nullable=True),
        _column("waits_until", sa.Date(), nullable=True),
        _key("id"),
        sa.UniqueConstraint("municipality", "title_id", "patron_number", name="uq_library_hold_title_patron"),
        sa.UniqueConstraint("municipality", "barcode", name="uq_library_hold_barcode"),
        _to("library_title", "title_id", "id"),
        _to("library_branch", "pickup_branch", "code"),
        _to("library_item", "barcode", "barcode"),
        _to("library_patron", "patron_number", "number"),
    )
    op.create_table(
        "library_notice",
        _town(),
        _column("id", sa.Uuid()),
        _column("patron_number", _NUMBER),
        _column("made_on", sa.Date()),
        _column("kind", sa.String(20)),
        _column("barcode", _BARCODE),
        _key("id"),
        _to("library_patron", "patron_number", "number"),
    )


def _money() -> None:
    op.create_table(
        "library_charge",
        _town(),
        _column("id", sa.Uuid()),
        _column("patron_number", _NUMBER),
        _column("title_id", sa.String(40)),
        _column("yen", sa.Integer()),
        _column("made_on", sa.Date()),
        _column("paid_on", sa.Date(), nullable=True),
        _key("id"),
        _to("library_patron", "patron_number", "number"),
    )
    op.create_table(
        "library_payment",
        _town(),
        _column("patron_number", _NUMBER),
        _column("transaction", sa.String(255)),
        _column("yen", sa.Integer()),
        _column("paid_at", UtcInstant()),
        _key("patron_number", "transaction"),
        _to("library_patron", "patron_number", "number"),
    )


def _log() -> None:
    op.create_table(
        "library_event",
        _town(),
        _column("id", sa.Uuid()),
        _column("day", sa.Date()),
        _column("action", sa.String(20)),
        _column("branch", _BRANCH),
        _column("ndc", sa.String(12)),
        _column("kind", sa.String(20)),
        _column("category", sa.String(20)),
        _column("barcode", _BARCODE, nullable=True),
        _column("patron_number", _NUMBER, nullable=True),
        _column("forget_on", sa.Date(), nullable=True),
        _key("id"),
    )
    op.create_index("ix_library_event_day", "library_event", ["municipality", "day"])
    op.create_table(
        "library_history",
        _town(),
        _column("id", sa.Uuid()),
        _column("patron_number", _NUMBER),
        _column("title", sa.String(400)),
        _column("author", sa.String(200)),
        _column("lent_on", sa.Date()),
        _column("returned_on", sa.Date()),
        _key("id"),
        _to("library_patron", "patron_number", "number"),
    )


def downgrade() -> None:
    """What version 0.1 has no place for is lost: holds, transit, charges, the log, and links by MyKey ID."""
    for name in ("notice", "history", "event", "payment", "charge", "hold", "transit", "policy"):
        op.drop_table(f"library_{name}")
    _patrons_and_links_as_before()
    _items_and_loans_as_before()
    _replace("link", "loan", "item", "patron")
    for name in ("title", "branch_day", "branch"):
        op.drop_table(f"library_{name}")


def _patrons_and_links_as_before() -> None:
    number = sa.String(8)
    op.create_table(
        "library_patron_new", _town(), _column("number", number), _column("state", sa.String(8)), _key("number")
    )
    _copy("library_patron_new", "municipality, number, state", "library_patron")
    op.create_table(
        "library_link_new",
        _town(),
        _column("subject", sa.String(43)),
        _column("patron_number", number),
        _column("linked_at", UtcInstant()),
        _key("subject"),
        sa.UniqueConstraint("municipality", "patron_number", name="uq_library_link_patron"),
        _to("library_patron_new", "patron_number", "number"),
    )
    columns = "municipality, subject, patron_number, linked_at"
    _copy("library_link_new", columns, "library_link WHERE kind = 'auth-certificate'", columns)


def _items_and_loans_as_before() -> None:
    op.create_table(
        "library_item_new",
        _town(),
        _column("barcode", _BARCODE),
        _column("title", sa.String(400)),
        _column("author", sa.String(200)),
        _key("barcode"),
    )
    both = "library_item i JOIN library_title t ON t.municipality = i.municipality AND t.id = i.title_id"
    values = "i.municipality, i.barcode, t.title, t.author"
    _copy("library_item_new", "municipality, barcode, title, author", both, values)
    op.create_table(
        "library_loan_new",
        _town(),
        _column("barcode", _BARCODE),
        _column("patron_number", sa.String(8)),
        _column("lent_at", UtcInstant()),
        _column("due_on", sa.Date()),
        _key("barcode"),
        _to("library_item_new", "barcode", "barcode"),
        _to("library_patron_new", "patron_number", "number"),
    )
    _copy("library_loan_new", "municipality, barcode, patron_number, lent_at, due_on", "library_loan")
