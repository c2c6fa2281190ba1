"""Who is registered, and how often they have ridden: what `judge` needs to know besides the ride.

Rides are judged in the order of boarding, so that only one day's counts are kept at a time. Where the counts of earlier
settlements come from is given from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import NamedTuple

from mykey_taxi.rules.civil import FOREVER
from mykey_taxi.rules.compiled import Rules


class Membership(NamedTuple):
    """The registrations of one person: spans of days (ordinals, both ends included), and the first day of all."""

    since: int
    spans: tuple[tuple[int, int], ...]

    def covers(self, day: int) -> bool:
        """True when the person is registered on the day (TX-E4)."""
        for first, last in self.spans:  # noqa: SIM110 - a generator costs more than the look, a million times
            if first <= day <= last:
                return True
        return False


ALWAYS = Membership(1, ((1, FOREVER),))


def membership(first: date, last: date | None = None) -> Membership:
    """A single registration, from `first` to `last` included, or without end."""
    begin = first.toordinal()
    return Membership(begin, ((begin, FOREVER if last is None else last.toordinal()),))


Members = Callable[[str], Membership | None]
Counts = Mapping[str, int]


def _none(_key: int) -> Counts:
    return {}


class Ledger:
    """The uses of every rider: on the day under way, and by fiscal year.

    `uses_on(day)` and `uses_in(year)` give the counts of what was settled before (ordinal of the day, fiscal year).
    `day`, `rules`, `year_of_day`, `counts` (of that year) and `today` are those of the ride under way.
    """

    def __init__(
        self,
        members: Members,
        *,
        uses_on: Callable[[int], Counts] = _none,
        uses_in: Callable[[int], Counts] = _none,
    ) -> None:
        self.member = members
        self._uses_on = uses_on
        self._uses_in = uses_in
        self.day = 0
        self.year_of_day = 0
        self.counts: dict[str, int] = {}
        self.rules: Rules
        self.today: dict[str, int] = {}
        self.years: dict[int, dict[str, int]] = {}

    def turn_to(self, day: int, rules: Rules) -> None:
        """Begin to count another day, on which `rules` are in force; the day is never before the one under way."""
        self.day, self.rules = day, rules
        self.year_of_day = rules.fiscal_year(day)
        self.counts = self.year(self.year_of_day)
        self.today = dict(self._uses_on(day))

    def year(self, year: int) -> dict[str, int]:
        """The counts of a fiscal year, changed as rides are counted."""
        counts = self.years.get(year)
        if counts is None:
            counts = self.years[year] = dict(self._uses_in(year))
        return counts
