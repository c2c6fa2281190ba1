"""Loans that are open: a row while the item is out, and nothing afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, select

from mykey_library.rows import Rows
from mykey_library.tables import item, loan, title


@dataclass(frozen=True, slots=True)
class Loan:
    """An item that is out: `due_on` is a civil date in Japan, `lent_at` an instant in UTC."""

    barcode: str
    number: str
    lent_at: datetime
    due_on: date
    renewals: int
    title_id: str
    title: str
    author: str


_loan = (
    select(
        loan.c.barcode,
        loan.c.patron_number.label("number"),
        loan.c.lent_at,
        loan.c.due_on,
        loan.c.renewals,
        item.c.title_id,
        title.c.title,
        title.c.author,
    )
    .join(item, (item.c.municipality == loan.c.municipality) & (item.c.barcode == loan.c.barcode))
    .join(title, (title.c.municipality == item.c.municipality) & (title.c.id == item.c.title_id))
)


def _as_loan(row: Any) -> Loan:
    return Loan(*row)


@dataclass(frozen=True, slots=True)
class Loans:
    """The open loans of one library."""

    rows: Rows

    def of_item(self, barcode: str) -> Loan | None:
        """The loan of an item, or None when it is in the library."""
        row = self.rows.first(_loan.where(*self.rows.where(loan, barcode=barcode)))
        return _as_loan(row) if row else None

    def of_patron(self, number: str) -> list[Loan]:
        """What the patron has out, the earliest due date first."""
        own = self.rows.where(loan, patron_number=number)
        return [_as_loan(row) for row in self.rows.all(_loan.where(*own).order_by(loan.c.due_on, loan.c.barcode))]

    def count_of_kind(self, number: str, kind: str) -> int:
        """How many items of one kind the patron has out."""
        same = (item.c.municipality == loan.c.municipality) & (item.c.barcode == loan.c.barcode)
        own = [*self.rows.where(loan, patron_number=number), item.c.kind == kind]
        found = self.rows.first(select(func.count()).select_from(loan.join(item, same)).where(*own))
        return int(found[0]) if found else 0

    def overdue(self, today: date) -> list[Loan]:
        """Every loan whose day is over, the longest first."""
        own = [*self.rows.where(loan), loan.c.due_on < today]
        return [_as_loan(row) for row in self.rows.all(_loan.where(*own).order_by(loan.c.due_on, loan.c.barcode))]

    def lend(self, barcode: str, number: str, *, at: datetime, due_on: date, branch: str) -> None:
        """Record a loan."""
        values = {"lent_at": at, "due_on": due_on, "renewals": 0, "branch": branch, "notified_on": None}
        self.rows.add(loan, barcode=barcode, patron_number=number, **values)

    def renew(self, known: Loan, due_on: date) -> None:
        """Move the due date and count the renewal."""
        self.rows.change(loan, {"due_on": due_on, "renewals": known.renewals + 1}, barcode=known.barcode)

    def end(self, barcode: str) -> bool:
        """Delete the loan, so that nothing of it remains; False when the item was not out."""
        return self.rows.remove(loan, barcode=barcode) == 1

    def notified_on(self, barcode: str) -> date | None:
        """The day of the last overdue notice."""
        row = self.rows.one(loan, barcode=barcode)
        day: date | None = row.notified_on if row else None
        return day

    def set_notified(self, barcode: str, day: date) -> None:
        """Remember the day of an overdue notice."""
        self.rows.change(loan, {"notified_on": day}, barcode=barcode)
