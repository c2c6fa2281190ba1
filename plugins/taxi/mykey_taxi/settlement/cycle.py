"""Months of settlement: which one a ride belongs to (TX-M1), as `YYYY-MM`."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from mykey_core.api import TOKYO
from mykey_taxi.errors import InputError

CUT_OFF_DAY: Final = 6  # uploads before 00:00 JST of this day of the next month are in time
_MONTH: Final = re.compile(r"(20[0-9]{2}|2[1-9][0-9]{2})-(0[1-9]|1[0-2])")
_DECEMBER: Final = 12


@dataclass(frozen=True, slots=True, order=True)
class Cycle:
    """A calendar month in Japan."""

    year: int
    month: int

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    @property
    def first_day(self) -> date:
        """Its first day."""
        return date(self.year, self.month, 1)

    @property
    def last_day(self) -> date:
        """Its last day."""
        return date(self.year, self.month, monthrange(self.year, self.month)[1])

    @property
    def following(self) -> Cycle:
        """The next month."""
        return Cycle(self.year + 1, 1) if self.month == _DECEMBER else Cycle(self.year, self.month + 1)

    @property
    def cut_off(self) -> datetime:
        """The instant from which uploads are late for this cycle."""
        after = self.following
        return datetime(after.year, after.month, CUT_OFF_DAY, tzinfo=TOKYO)


def parse_cycle(text: str) -> Cycle:
    """`2026-10` as a cycle; `InputError` for anything else."""
    found = _MONTH.fullmatch(text)
    if found is None:
        raise InputError("month", "it is YYYY-MM, such as 2026-10")
    return Cycle(int(found[1]), int(found[2]))


def cycle_at(instant: datetime) -> Cycle:
    """The month in Japan at `instant`."""
    local = instant.astimezone(TOKYO)
    return Cycle(local.year, local.month)


def cycle_of(board: datetime, uploaded: datetime) -> tuple[Cycle, bool]:
    """The cycle of a ride, the earliest still open at its upload, and whether that is an adjustment (過誤調整)."""
    own = cycle = cycle_at(board)
    while uploaded >= cycle.cut_off:
        cycle = cycle.following
    return cycle, cycle != own
