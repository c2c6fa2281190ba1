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
    _branches()
    _patrons_and_links()
    _titles()
    _items()
    _loans()
    _holds()
    _money()
    _log()


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
    with op.batch_alter_table("library_patron") as patron:
        patron.alter_column("number", type_=_NUMBER, existing_nullable=False)
        patron.add_column(_column("category", sa.String(20), default="general"))
        patron.add_column(_column("name", sa.String(200), default=""))
        patron.add_column(_column("language", sa.String(8), default=""))
        patron.add_column(_column("expires_on", sa.Date(), nullable=True))
        patron.add_column(_column("suspended_until", sa.Date(), nullable=True))
        patron.add_column(_column("keeps_history", sa.Boolean(), default="0"))
        patron.add_column(_column("pin_hash", sa.String(200), default=""))
    op.create_table(
        "library_link_2",
        _town(),
        _column("subject", sa.String(43)),
        _column("kind", sa.String(20), default="auth-certificate"),
        _column("patron_number", _NUMBER),
        _column("linked_at", UtcInstant()),
        _key("subject", "kind"),
        sa.UniqueConstraint("municipality", "patron_number", "kind", name="uq_library_link_patron_kind"),
    )
    columns = "municipality, subject, patron_number, linked_at"
    op.execute(f"INSERT INTO library_link_2 ({columns}) SELECT {columns} FROM library_link")  # noqa: S608 - fixed names
    op.drop_table("library_link")
    op.rename_table("library_link_2", "library_link")


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
    with op.batch_alter_table("library_item") as item:
        item.add_column(_column("title_id", sa.String(40), default=""))
        item.add_column(_column("branch", _BRANCH, default="main"))
        item.add_column(_column("kind", sa.String(20), default="book"))
        item.add_column(_column("for_loan", sa.Boolean(), default="1"))
        item.add_column(_column("status", sa.String(2), default="03"))
        item.add_column(_column("properties", sa.String(255), default=""))
        item.add_column(_column("call_number", sa.String(40), default=""))
        item.drop_column("title")
        item.drop_column("author")
    op.execute("UPDATE library_item SET title_id = barcode")
    with op.batch_alter_table("library_item") as item:
        item.create_foreign_key(
            "fk_library_item_title", "library_title", ["municipality", "title_id"], ["municipality", "id"]
        )
        item.create_foreign_key(
            "fk_library_item_branch", "library_branch", ["municipality", "branch"], ["municipality", "code"]
        )


def _loans() -> None:
    with op.batch_alter_table("library_loan") as loan:
        loan.alter_column("patron_number", type_=_NUMBER, existing_nullable=False)
        loan.add_column(_column("renewals", sa.Integer(), default="0"))
        loan.add_column(_column("branch", _BRANCH, default=""))
        loan.add_column(_column("notified_on", sa.Date(), nullable=True))
    op.create_index("ix_library_loan_patron", "library_loan", ["municipality", "patron_number"])
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


def _holds() -> None:
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
    op.drop_index("ix_library_loan_patron", "library_loan")
    with op.batch_alter_table("library_loan") as loan:
        for name in ("renewals", "branch", "notified_on"):
            loan.drop_column(name)
    _items_as_before()
    with op.batch_alter_table("library_patron") as patron:
        for name in ("category", "name", "language", "expires_on", "suspended_until", "keeps_history", "pin_hash"):
            patron.drop_column(name)
    _links_as_before()


def _items_as_before() -> None:
    with op.batch_alter_table("library_item") as item:
        item.drop_constraint("fk_library_item_title", type_="foreignkey")
        item.drop_constraint("fk_library_item_branch", type_="foreignkey")
        item.add_column(_column("title", sa.String(400), default=""))
        item.add_column(_column("author", sa.String(200), default=""))
    for name in ("title", "author"):
        op.execute(
            f"UPDATE library_item SET {name} = (SELECT t.{name} FROM library_title t"  # noqa: S608 - fixed names
            " WHERE t.municipality = library_item.municipality AND t.id = library_item.title_id)"
        )
    with op.batch_alter_table("library_item") as item:
        for name in ("title_id", "branch", "kind", "for_loan", "status", "properties", "call_number"):
            item.drop_column(name)
    for name in ("title", "branch_day", "branch"):
        op.drop_table(f"library_{name}")


def _links_as_before() -> None:
    op.create_table(
        "library_link_1",
        _town(),
        _column("subject", sa.String(43)),
        _column("patron_number", sa.String(8)),
        _column("linked_at", UtcInstant()),
        _key("subject"),
        sa.UniqueConstraint("municipality", "patron_number", name="uq_library_link_patron"),
        _to("library_patron", "patron_number", "number"),
    )
    columns = "municipality, subject, patron_number, linked_at"
    op.execute(
        f"INSERT INTO library_link_1 ({columns}) SELECT {columns} FROM library_link"  # noqa: S608 - fixed names
        " WHERE kind = 'auth-certificate'"
    )
    op.drop_table("library_link")
    op.rename_table("library_link_1", "library_link")
