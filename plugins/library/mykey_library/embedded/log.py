"""The log of what was done, for statistics and for mistakes of today. It forgets who had what (図書館の自由).

A line names item and patron only until the loan is closed and the days of the policy are over; what stays is a day, a
branch, a class and a category. Titles are kept for those patrons only who have asked for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select, update
from uuid_utils.compat import uuid7

from mykey_library.embedded.collection import Copy
from mykey_library.rows import Rows
from mykey_library.tables import event, history


class Act(StrEnum):
    """What a line of the log says."""

    LENT = "lent"
    RENEWED = "renewed"
    RETURNED = "returned"
    HELD = "held"
    HOLD_ENDED = "hold-ended"
    SENT = "sent"


@dataclass(frozen=True, slots=True)
class Log:
    """The log of one library; `forget_days` after a return nothing joins item and patron."""

    rows: Rows
    forget_days: int = 0

    def add(self, act: Act, copy: Copy, *, day: date, branch: str, number: str | None, category: str = "") -> None:
        """Append a line; it names item and patron while the loan or the hold is open."""
        self.rows.add(
            event,
            id=uuid7(),
            day=day,
            action=act.value,
            branch=branch,
            ndc=copy.ndc,
            kind=copy.kind,
            category=category,
            barcode=copy.barcode if number else None,
            patron_number=number,
            forget_on=None,
        )

    def close(self, copy: Copy, number: str, today: date) -> None:
        """The loan or the hold is over: take its names out of the log, now or when the days are over."""
        self._set_forget_day(barcode=copy.barcode, number=number, day=today + timedelta(days=self.forget_days))
        self.forget(today)

    def _set_forget_day(self, *, barcode: str, number: str, day: date) -> None:
        own = self.rows.where(event, barcode=barcode, patron_number=number)
        self.rows.database.execute(update(event).where(*own).values(forget_on=day))

    def forget(self, today: date) -> int:
        """Take the names out of every line whose day has come; how many lines."""
        over = [*self.rows.where(event), event.c.forget_on <= today]
        without = {"barcode": None, "patron_number": None, "forget_on": None}
        return self.rows.database.execute(update(event).where(*over).values(without)).rowcount

    def open_lines_of(self, number: str) -> list[Any]:
        """The lines that still name a patron, oldest first."""
        return self.rows.all(self.rows.select(event, patron_number=number).order_by(event.c.id))

    def counts(self, first: date, last: date, by: str, act: Act = Act.LENT) -> dict[str, int]:
        """How often something was done from `first` to `last`, by a column: ndc, kind, branch, category or day."""
        column = event.c[by]
        own = [*self.rows.where(event, action=act.value), event.c.day >= first, event.c.day <= last]
        found = self.rows.all(select(column, func.count()).where(*own).group_by(column).order_by(column))
        return {str(row[0]): int(row[1]) for row in found}

    def keep(self, copy: Copy, number: str, lent_on: date, returned_on: date) -> None:
        """Keep the title of a returned loan for a patron who has asked for it."""
        names = {"title": copy.title, "author": copy.author, "lent_on": lent_on, "returned_on": returned_on}
        self.rows.add(history, id=uuid7(), patron_number=number, **names)

    def kept(self, number: str) -> list[Any]:
        """The titles that are kept for a patron, the newest first."""
        return self.rows.all(self.rows.select(history, patron_number=number).order_by(history.c.id.desc()))

    def erase(self, number: str) -> int:
        """Forget everything of a patron at once; how many rows."""
        gone = self.rows.remove(history, patron_number=number)
        own = self.rows.where(event, patron_number=number)
        without = {"barcode": None, "patron_number": None, "forget_on": None}
        return gone + self.rows.database.execute(update(event).where(*own).values(without)).rowcount

    def drop_kept(self, number: str) -> int:
        """Delete the titles that are kept for a patron; how many."""
        return self.rows.remove(history, patron_number=number)
