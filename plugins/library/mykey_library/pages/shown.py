"""Rows for templates: loans, holds and notices in the words of the reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from mykey_library.circulation import ReturnOutcome
from mykey_library.embedded import EmbeddedCirculation
from mykey_library.embedded.holds import Hold, HoldState
from mykey_library.embedded.loans import Loan
from mykey_library.tables import notice
from mykey_web.api import date_text, t


@dataclass(frozen=True, slots=True)
class LoanRow:
    """A loan for a page; `late` is marked by a word as well as by colour."""

    barcode: str
    title: str
    author: str
    due: str
    late: bool
    days: int


@dataclass(frozen=True, slots=True)
class HoldRow:
    """A hold for a page."""

    title_id: str
    title: str
    pickup: str
    state: str
    ready: bool


def loan_row(loan: Loan, today: date, language: str) -> LoanRow:
    """A loan in the reader's words."""
    late = (today - loan.due_on).days
    return LoanRow(loan.barcode, loan.title, loan.author, date_text(loan.due_on, language), late > 0, max(late, 0))


def hold_row(library: EmbeddedCirculation, one: Hold, language: str) -> HoldRow:
    """A hold in the reader's words, with its place in the queue or its last day."""
    pickup = library.collection.branches().get(one.pickup, one.pickup)
    if one.state is HoldState.WAITING and one.waits_until is not None:
        state = t("hold.waiting", day=date_text(one.waits_until, language))
    elif one.state is HoldState.TRAVELLING:
        state = t("hold.travelling")
    else:
        state = t("hold.position", queue=library.holds.position(one))
    return HoldRow(one.title_id, one.title, pickup, state, one.state is HoldState.WAITING)


@dataclass(frozen=True, slots=True)
class Said:
    """What the desk is told after a return: where to put the item."""

    level: str
    title: str
    text: str


def returned(answer: ReturnOutcome, branches: Mapping[str, str]) -> Said:
    """The outcome of a return in the reader's words."""
    if answer.reason is not None:
        key = f"reason.{answer.reason.value}"
        return Said("warning", t(key), t(f"{key}.what_to_do"))
    title = t("returned.title" if answer.was_on_loan else "not_on_loan.title", title=answer.title)
    if answer.send_to:
        return Said("warning", title, t("way.send", branch=branches.get(answer.send_to, answer.send_to)))
    return Said("success", title, t("desk.for_hold" if answer.for_hold else "desk.to_shelf"))


def notices(library: EmbeddedCirculation, number: str, language: str) -> list[str]:
    """What the library has to say to a patron."""
    found: list[Any] = library.rows.all(library.rows.select(notice, patron_number=number).order_by(notice.c.id.desc()))
    out: dict[str | None, str] = {loan.barcode: loan.title for loan in library.loans.of_patron(number)}
    ready = {one.barcode: one.title for one in library.holds.of_patron(number) if one.state is HoldState.WAITING}
    titles: dict[str, dict[str | None, str]] = {"overdue": out, "hold-waiting": ready}
    return [
        t(f"notice.{row.kind}", title=titles[row.kind][row.barcode], day=date_text(row.made_on, language))
        for row in found
        if row.barcode in titles[row.kind]
    ]
