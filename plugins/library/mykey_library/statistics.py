"""What the library counts: loans by class of the Nippon Decimal Classification, by day, by branch and by category.

The log has no patron and no title for closed loans, so nothing here can name one.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from mykey_library.circulation import ItemState
from mykey_library.embedded import EmbeddedCirculation
from mykey_library.embedded.log import Act

_LONGEST_LINE: Final = 31


def by_class(library: EmbeddedCirculation, first: date, last: date) -> dict[str, int]:
    """Loans by the first digit of the class; `x` for items without one."""
    counts: Counter[str] = Counter()
    for ndc, number in library.log.counts(first, last, "ndc").items():
        counts[ndc[:1] if ndc[:1].isdigit() else "x"] += number
    return dict(sorted(counts.items()))


def by_day(library: EmbeddedCirculation, first: date, last: date) -> dict[str, int]:
    """Loans on each day of at most the last 31 days, days without loans included."""
    first = max(first, last - timedelta(days=_LONGEST_LINE - 1))
    found = library.log.counts(first, last, "day")
    days = [first + timedelta(days=place) for place in range((last - first).days + 1)]
    return {f"{day.month}/{day.day}": found.get(day.isoformat(), 0) for day in days}


def as_csv(library: EmbeddedCirculation, first: date, last: date) -> bytes:
    """act, by, value and count as CSV in UTF-8 with a byte order mark, which spreadsheets in Japan need."""
    target = io.StringIO()
    writer = csv.writer(target)
    writer.writerow(("act", "by", "value", "count"))
    for act in Act:
        for column in ("day", "branch", "ndc", "kind", "category"):
            for value, number in library.log.counts(first, last, column, act).items():
                writer.writerow((act.value, column, value, number))
    return target.getvalue().encode("utf-8-sig")


@dataclass(frozen=True, slots=True)
class ToFetch:
    """A copy that stands on the shelf although somebody waits for it."""

    barcode: str
    title: str
    call_number: str
    branch: str
    waiting: int


def to_fetch(library: EmbeddedCirculation) -> list[ToFetch]:
    """The list for the walk along the shelves: for each title that is waited for, its copies that are free."""
    names = library.collection.branches()
    return [
        ToFetch(copy.barcode, copy.title, copy.call_number, names.get(copy.branch, copy.branch), waiting)
        for title_id, waiting in library.holds.waited_for().items()
        for copy in library.collection.copies(title_id)
        if copy.for_loan and copy.state is ItemState.AVAILABLE and library.loans.of_item(copy.barcode) is None
    ]
