"""Reading and writing the embedded circulation store, through the database handle that the hub gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select

from mykey_core.api import PluginDatabase
from mykey_library.tables import item, link, loan, patron

_patron_of = (
    select(patron.c.number, patron.c.state)
    .join(link, (link.c.municipality == patron.c.municipality) & (link.c.patron_number == patron.c.number))
    .where(link.c.municipality == bindparam("m"), link.c.subject == bindparam("subject"))
)
_loans_of = (
    select(item.c.barcode, item.c.title, loan.c.due_on)
    .join(item, (item.c.municipality == loan.c.municipality) & (item.c.barcode == loan.c.barcode))
    .where(loan.c.municipality == bindparam("m"), loan.c.patron_number == bindparam("number"))
    .order_by(loan.c.due_on, item.c.barcode)
)
_patron = select(patron.c.number, patron.c.state).where(
    patron.c.municipality == bindparam("m"), patron.c.number == bindparam("number")
)
_linked = select(link.c.subject).where(
    link.c.municipality == bindparam("m"), link.c.patron_number == bindparam("number")
)
_item = select(item.c.barcode, item.c.title).where(
    item.c.municipality == bindparam("m"), item.c.barcode == bindparam("barcode")
)
_loan = select(loan.c.patron_number).where(
    loan.c.municipality == bindparam("m"), loan.c.barcode == bindparam("barcode")
)
_count = (
    select(func.count())
    .select_from(loan)
    .where(loan.c.municipality == bindparam("m"), loan.c.patron_number == bindparam("number"))
)
_return = delete(loan).where(loan.c.municipality == bindparam("m"), loan.c.barcode == bindparam("barcode"))


@dataclass(frozen=True, slots=True)
class Patron:
    """A patron: the library's own number, and whether the library lends to them."""

    number: str
    active: bool


@dataclass(frozen=True, slots=True)
class Item:
    """An item of the collection."""

    barcode: str
    title: str


@dataclass(frozen=True, slots=True)
class Loan:
    """An item that is out: `due_on` is a civil date in Japan."""

    barcode: str
    title: str
    due_on: date


class CirculationStore:
    """The circulation store of one municipality within one transaction."""

    def __init__(self, database: PluginDatabase) -> None:
        self._database = database

    def _rows(self, statement: Any, **parameters: object) -> list[Any]:
        return list(self._database.execute(statement, {"m": self._database.municipality, **parameters}))

    def patron_of(self, subject: str) -> Patron | None:
        """The patron who is linked to this pairwise id."""
        rows = self._rows(_patron_of, subject=subject)
        return Patron(rows[0].number, rows[0].state == "active") if rows else None

    def patron(self, number: str) -> Patron | None:
        """The patron of this number."""
        rows = self._rows(_patron, number=number)
        return Patron(rows[0].number, rows[0].state == "active") if rows else None

    def is_linked(self, number: str) -> bool:
        """True when some card is already linked to this patron."""
        return bool(self._rows(_linked, number=number))

    def add_link(self, subject: str, number: str, at: datetime) -> None:
        """Link the pairwise id to the patron."""
        values = {"municipality": self._database.municipality, "subject": subject}
        self._database.execute(insert(link), {**values, "patron_number": number, "linked_at": at})

    def loans_of(self, number: str) -> list[Loan]:
        """What the patron has out, the earliest due date first."""
        return [Loan(row.barcode, row.title, row.due_on) for row in self._rows(_loans_of, number=number)]

    def count_loans(self, number: str) -> int:
        """How many items the patron has out."""
        return int(self._rows(_count, number=number)[0][0])

    def item(self, barcode: str) -> Item | None:
        """The item with this barcode."""
        rows = self._rows(_item, barcode=barcode)
        return Item(rows[0].barcode, rows[0].title) if rows else None

    def borrower_of(self, barcode: str) -> str | None:
        """The number of the patron who has the item, or None when it is in the library."""
        rows = self._rows(_loan, barcode=barcode)
        return rows[0].patron_number if rows else None

    def lend(self, barcode: str, number: str, at: datetime, due_on: date) -> None:
        """Record a loan."""
        values = {"municipality": self._database.municipality, "barcode": barcode, "patron_number": number}
        self._database.execute(insert(loan), {**values, "lent_at": at, "due_on": due_on})

    def take_back(self, barcode: str) -> bool:
        """Delete the loan, so that nothing of it remains; False when the item was not out."""
        own = {"m": self._database.municipality, "barcode": barcode}
        return self._database.execute(_return, own).rowcount == 1

    def add_patrons(self, numbers: Iterable[str]) -> int:
        """Add patrons that are not there yet; returns how many were new."""
        new = [number for number in numbers if self.patron(number) is None]
        for number in new:
            values = {"municipality": self._database.municipality, "number": number, "state": "active"}
            self._database.execute(insert(patron), values)
        return len(new)

    def add_items(self, items: Iterable[tuple[str, str, str]]) -> int:
        """Add items (barcode, title, author) that are not there yet; returns how many were new."""
        new = [entry for entry in items if self.item(entry[0]) is None]
        for barcode, title, author in new:
            own = {"municipality": self._database.municipality, "barcode": barcode}
            self._database.execute(insert(item), {**own, "title": title, "author": author})
        return len(new)
