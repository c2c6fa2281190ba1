"""Ages by the two readings of Japanese law; which one a town applies is a member of its rule pack."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal

AgeBasis = Literal["birthday", "statute"]


def age_on(birth: date, day: date, basis: AgeBasis = "birthday") -> int:
    """Full years of age on `day`.

    `birthday` (TX-E2): the year is full on the birthday; a person born on 29 February is older on 1 March in common
    years. `statute` (TX-E3, 年齢計算ニ関スル法律): it is full at 24:00 of the day before, and that day counts already.
    """
    if basis == "statute":
        day += timedelta(days=1)
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def has_attained(birth: date, day: date, age: int, basis: AgeBasis = "birthday") -> bool:
    """True when a person born on `birth` has the `age` on `day`."""
    return age_on(birth, day, basis) >= age
