"""Branches with their open days, titles, and the copies that stand on the shelves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import or_, select

from mykey_library.calendar import Calendar
from mykey_library.circulation import ItemState
from mykey_library.rows import Rows
from mykey_library.tables import branch, branch_day, item, title

MAIN_BRANCH: Final = "main"
_SEARCH_LIMIT = 50


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of a title: where it belongs, what kind it is, and how it is apart from a loan."""

    barcode: str
    title_id: str
    branch: str
    kind: str
    for_loan: bool
    state: ItemState
    properties: str
    call_number: str
    title: str
    author: str
    ndc: str


@dataclass(frozen=True, slots=True)
class NewCopy:
    """What has to be known to add a copy; `title_id` joins copies of one title (the barcode where it is empty)."""

    barcode: str
    title: str
    author: str = ""
    title_id: str = ""
    kana: str = ""
    isbn: str = ""
    ndc: str = ""
    branch: str = MAIN_BRANCH
    kind: str = "book"
    for_loan: bool = True
    call_number: str = ""


_copy = select(
    item.c.barcode,
    item.c.title_id,
    item.c.branch,
    item.c.kind,
    item.c.for_loan,
    item.c.status,
    item.c.properties,
    item.c.call_number,
    title.c.title,
    title.c.author,
    title.c.ndc,
).join(title, (title.c.municipality == item.c.municipality) & (title.c.id == item.c.title_id))


def _as_copy(row: Any) -> Copy:
    values = dict(row._mapping)  # noqa: SLF001 - the public name of a row's mapping in SQLAlchemy
    return Copy(state=ItemState(values.pop("status")), **values)


@dataclass(frozen=True, slots=True)
class Collection:
    """The branches and the collection of one library."""

    rows: Rows

    # -- branches ----------------------------------------------------------------------------------------

    def branches(self) -> dict[str, str]:
        """Code → title of every branch, in the order of the codes."""
        return {row.code: row.title for row in self.rows.all(self.rows.select(branch).order_by(branch.c.code))}

    def add_branch(self, code: str, name: str, closed_weekdays: str = "", service_points: str = "") -> None:
        """Add a branch, or change what is known of it."""
        values = {"title": name, "closed_weekdays": closed_weekdays, "service_points": service_points}
        if not self.rows.change(branch, values, code=code):
            self.rows.add(branch, code=code, **values)

    def set_day(self, code: str, day: date, *, is_open: bool) -> None:
        """Say of one day whether the branch is open, whatever its weekday."""
        if not self.rows.change(branch_day, {"is_open": is_open}, branch=code, day=day):
            self.rows.add(branch_day, branch=code, day=day, is_open=is_open)

    def calendar(self, code: str) -> Calendar:
        """The open days of a branch; an unknown one is always open."""
        row = self.rows.one(branch, code=code)
        days = {found.day: found.is_open for found in self.rows.all(self.rows.select(branch_day, branch=code))}
        return Calendar(row.closed_weekdays if row else "", days)

    def branch_at(self, place: str) -> str | None:
        """The branch with this code, or in which this service point of the hub stands."""
        for row in self.rows.all(self.rows.select(branch)):
            if place == row.code or place in row.service_points.split():
                return str(row.code)
        return None

    # -- titles and copies -------------------------------------------------------------------------------

    def copy(self, barcode: str) -> Copy | None:
        """The copy with this barcode."""
        row = self.rows.first(_copy.where(*self.rows.where(item, barcode=barcode)))
        return _as_copy(row) if row else None

    def copies(self, title_id: str) -> list[Copy]:
        """All copies of a title."""
        found = self.rows.all(_copy.where(*self.rows.where(item, title_id=title_id)).order_by(item.c.barcode))
        return [_as_copy(row) for row in found]

    def lock_title(self, title_id: str) -> None:
        """Keep the title's queue and copies to this transaction. Lock titles before patrons, always."""
        self.rows.lock(title, id=title_id)

    def title(self, title_id: str) -> Any | None:
        """The row of a title."""
        return self.rows.one(title, id=title_id)

    def search(self, words: str) -> list[Any]:
        """Titles whose title, reading, author or ISBN holds every word, at most fifty, in the order of the titles."""
        found = self.rows.select(title).order_by(title.c.title).limit(_SEARCH_LIMIT)
        for word in words.split():
            columns = (title.c.title, title.c.kana, title.c.author, title.c.isbn)
            found = found.where(or_(*(column.contains(word, autoescape=True) for column in columns)))
        return self.rows.all(found)

    def add_copy(self, new: NewCopy) -> bool:
        """Add a copy, and its title when that is new; False when the barcode is there already."""
        if self.rows.one(item, barcode=new.barcode) is not None:
            return False
        title_id = new.title_id or new.barcode
        if self.title(title_id) is None:
            names = {"title": new.title, "kana": new.kana, "author": new.author, "isbn": new.isbn, "ndc": new.ndc}
            self.rows.add(title, id=title_id, **names)
        if self.rows.one(branch, code=new.branch) is None:
            self.add_branch(new.branch, new.branch)
        own = {"branch": new.branch, "kind": new.kind, "for_loan": new.for_loan, "call_number": new.call_number}
        state = ItemState.AVAILABLE.value
        self.rows.add(item, barcode=new.barcode, title_id=title_id, status=state, properties="", **own)
        return True

    def set_state(self, barcode: str, state: ItemState) -> None:
        """Say where a copy is, apart from a loan."""
        self.rows.change(item, {"status": state.value}, barcode=barcode)

    def set_properties(self, barcode: str, properties: str) -> None:
        """Keep a terminal's note about the copy."""
        self.rows.change(item, {"properties": properties[:255]}, barcode=barcode)

    def size(self) -> int:
        """How many copies there are."""
        return self.rows.count(item)
