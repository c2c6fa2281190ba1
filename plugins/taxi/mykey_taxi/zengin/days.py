"""Bank business days in Japan (ZG-8)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import jpholiday

_SATURDAY: Final = 5
_YEAR_END: Final = {(12, 31), (1, 1), (1, 2), (1, 3)}


def is_business_day(day: date) -> bool:
    """False on Saturdays, Sundays, national holidays of every kind, and from 31 December to 3 January."""
    if day.weekday() >= _SATURDAY or (day.month, day.day) in _YEAR_END:
        return False
    return not jpholiday.is_holiday(date(day.year, day.month, day.day))


def pay_day(nominal: date) -> date:
    """`nominal`, or the next bank business day after it."""
    day = nominal
    while not is_business_day(day):
        day += timedelta(days=1)
    return day
