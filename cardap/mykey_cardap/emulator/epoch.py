"""The emulator's calendar: which years its certificates live in, so that they are valid whenever it is used.

Civil dates are Japanese; instants are UTC.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Final

JST: Final = timezone(timedelta(hours=9), "JST")
EPOCH_CYCLE: Final = 4
_EPOCH_REMAINDER: Final = 2  # 2026, 2030, …
CERTIFICATE_YEARS: Final = 5
NEXT_GENERATION_YEARS: Final = 10
_ADULT: Final = 18  # from this age on a card lives ten years instead of five
_LAST_SECOND: Final = time(23, 59, 59)


def today_in_japan() -> date:
    """The civil date in Japan now."""
    return datetime.now(JST).date()


def epoch_year(today: date) -> int:
    """The latest year not after `today` that leaves 2 when divided by 4.

    Everything that the emulator issues derives from this year, so two runs in it give the same bytes; a
    certificate to the fifth birthday after 1 January of it outlives the four years of the epoch.
    """
    return today.year - (today.year - _EPOCH_REMAINDER) % EPOCH_CYCLE


def start_of_day(day: date) -> datetime:
    """00:00:00 in Japan, as UTC."""
    return datetime.combine(day, time.min, JST).astimezone(UTC)


def end_of_day(day: date) -> datetime:
    """23:59:59 in Japan (14:59:59Z), the end of validity of every certificate and card."""
    return datetime.combine(day, _LAST_SECOND, JST).astimezone(UTC)


def birthday_in(birth: date, year: int) -> date:
    """The birthday in `year`; 28 February for 29 February in a common year (our choice)."""
    try:
        return birth.replace(year=year)
    except ValueError:
        return date(year, 2, 28)


def nth_birthday_after(birth: date, day: date, count: int) -> date:
    """The `count`-th birthday that is later than `day`."""
    first = day.year if birthday_in(birth, day.year) > day else day.year + 1
    return birthday_in(birth, first + count - 1)


def card_expiry(birth: date, issued: date) -> date:
    """Last day of the card: the tenth birthday after issue, the fifth for people under 18."""
    adult = birthday_in(birth, birth.year + _ADULT) <= issued
    return nth_birthday_after(birth, issued, 10 if adult else 5)
