"""The days on which a branch is open, in the civil calendar of Japan. What a due date depends on; nothing is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from mykey_core.api import TOKYO, MykeyError

_LONGEST_CLOSURE: Final = 400  # days; a branch that is closed for longer lends nothing
WEEKDAYS: Final = "0123456"


def end_of_day(day: date) -> datetime:
    """The last second of a civil date in Japan, in UTC: what a due date is as an instant."""
    return datetime.combine(day, time(23, 59, 59), TOKYO).astimezone(UTC)


class NeverOpen(MykeyError):
    """A branch has no open day within more than a year; its calendar is wrong."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """`closed_weekdays` holds digits, 0 = Monday; `exceptions` says of single days whether they are open."""

    closed_weekdays: str = ""
    exceptions: Mapping[date, bool] = field(default_factory=dict)

    def is_open(self, day: date) -> bool:
        """Whether something can be brought back at the desk on this day."""
        return self.exceptions.get(day, str(day.weekday()) not in self.closed_weekdays)

    def first_open(self, day: date) -> date:
        """`day`, or the first open day after it: a due date never falls on a closed day."""
        for later in range(_LONGEST_CLOSURE):
            candidate = day + timedelta(days=later)
            if self.is_open(candidate):
                return candidate
        raise NeverOpen(f"the branch has no open day within {_LONGEST_CLOSURE} days after {day.isoformat()}")

    def open_days_between(self, first: date, last: date) -> int:
        """How many open days lie in `first` … `last`, both included; 0 when `last` is before `first`."""
        return sum(self.is_open(first + timedelta(days=later)) for later in range((last - first).days + 1))
