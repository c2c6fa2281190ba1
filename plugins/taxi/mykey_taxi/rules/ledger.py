"""Who is registered, and how often they have ridden: what `judge` needs to know besides the ride.

Rides are judged in the order of boarding, so that only one day's counts are kept at a time. Where the counts of earlier
settlements come from is given from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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

    def with_span(self, span: tuple[int, int]) -> Membership:
        """With one more registration, which does not begin before the others."""
        return Membership(self.since, (*self.spans, span))


ALWAYS = Membership(1, ((1, FOREVER),))


def membership(first: date, last: date | None = None) -> Membership:
    """A single registration, from `first` to `last` included, or without end."""
    begin = first.toordinal()
    return Membership(begin, ((begin, FOREVER if last is None else last.toordinal()),))


Members = Callable[[str], Membership | None]
Counts = Mapping[str, int]


def _none(_key: int) -> Counts:
    return {}


class Account:
    """One rider while rides are judged. All of it in one place, because a month asks a million times.

    `today` are the rides of `day`, `used` the uses of fiscal year `year`, with those of earlier settlements. `rides`,
    `yen` and `taken` (uses of `year`) are what this ledger has counted itself.
    """

    __slots__ = ("day", "member", "rider", "rides", "taken", "today", "used", "year", "yen")

    def __init__(self, rider: str, member: Membership | None) -> None:
        self.rider = rider
        self.member = member
        self.day = self.year = self.today = self.used = 0
        self.rides = self.yen = self.taken = 0

    def consume(self, yen: int, uses: int) -> None:
        """Count one ride, the rider's part of its subsidy, and what it takes from the year's limit."""
        self.today += 1
        self.used += uses
        self.rides += 1
        self.yen += yen
        self.taken += uses


class _Accounts(dict[str, Account]):
    """Rider → account, opened at the first look."""

    def __init__(self, members: Members) -> None:
        super().__init__()
        self._members = members

    def __missing__(self, rider: str) -> Account:
        account = self[rider] = Account(rider, self._members(rider))
        return account


class Ledger:
    """The uses of every rider: on the day under way, and by fiscal year.

    `uses_on(day)` gives rides, `uses_in(year)` uses of what was settled before (ordinal of the day, fiscal year).
    `day`, `rules`, `year_of_day`, `minute` (since 1970) and `minute_of_day` are those of the ride under way.
    """

    def __init__(
        self,
        members: Members,
        *,
        uses_on: Callable[[int], Counts] = _none,
        uses_in: Callable[[int], Counts] = _none,
    ) -> None:
        self.accounts = _Accounts(members)
        self._uses_on = uses_on
        self._uses_in = uses_in
        self.day = 0
        self.minute = -1 << 62
        self.minute_of_day = 0
        self.year_of_day = 0
        self.rules: Rules
        self._before_today: Counts = {}
        self._before: Counts = {}
        self._taken_before: dict[tuple[int, str], int] = {}

    def turn_to(self, day: int, rules: Rules) -> None:
        """Begin to count another day, on which `rules` are in force; the day is never before the one under way."""
        self.day, self.rules = day, rules
        year = rules.fiscal_year(day)
        if year != self.year_of_day:
            self.year_of_day, self._before = year, self._uses_in(year)
        self._before_today = self._uses_on(day)

    def bring_up(self, account: Account) -> None:
        """Bring an account to the day and the year under way."""
        account.day = self.day
        account.today = self._before_today.get(account.rider, 0) if self._before_today else 0
        year = self.year_of_day
        if account.year != year:
            if account.taken:
                self._taken_before[account.year, account.rider] = account.taken
            account.year, account.taken = year, 0
            account.used = self._before.get(account.rider, 0) if self._before else 0

    def taken(self) -> Iterator[tuple[int, str, int]]:
        """(fiscal year, rider, uses) of everything that this ledger has counted."""
        for (year, rider), uses in self._taken_before.items():
            yield year, rider, uses
        for account in self.accounts.values():
            if account.taken:
                yield account.year, account.rider, account.taken
