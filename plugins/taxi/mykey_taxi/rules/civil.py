"""Japanese civil time as whole numbers: days and minutes of the day from an instant, and fiscal years.

Bulk settlement counts in integers. Japan has kept UTC+9 without summer time since 1952, so that the arithmetic equals
`zoneinfo` for every ride (a test compares them).
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final

from mykey_core.api import TOKYO

_SECOND: Final = 1_000_000
MINUTE: Final = 60 * _SECOND
DAY: Final = 86_400 * _SECOND
_OFFSET: Final = 9 * 3_600 * _SECOND
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
FOREVER: Final = date.max.toordinal()
MINUTES_A_DAY: Final = 1_440


def microseconds(instant: datetime) -> int:
    """Microseconds since 1970 in UTC; `ValueError` for a datetime without time zone."""
    if instant.tzinfo is None:
        raise ValueError("an instant has a time zone")
    return (instant - _EPOCH) // (datetime.resolution)


def instant(value: int) -> datetime:
    """The UTC instant `value` microseconds after 1970."""
    return _EPOCH + value * datetime.resolution


def day_of(value: int) -> int:
    """The proleptic ordinal (`date.toordinal`) of the civil day in Japan at `value` microseconds."""
    return (value + _OFFSET) // DAY + EPOCH_ORDINAL


def minute_of(value: int) -> int:
    """The minute of the day in Japan, 0 to 1439, seconds cut off (TX-H1)."""
    return (value + _OFFSET) % DAY // MINUTE


def day_and_minute(value: int) -> tuple[int, int]:
    """`day_of` and `minute_of` in one step."""
    days, minute = divmod((value + _OFFSET) // MINUTE, MINUTES_A_DAY)
    return days + EPOCH_ORDINAL, minute


def day_start(day: date) -> int:
    """Microseconds at 00:00 of `day` in Japan."""
    return microseconds(datetime(day.year, day.month, day.day, tzinfo=TOKYO))


def parse_instant(text: str) -> datetime:
    """ISO 8601 text as a UTC instant; without an offset it is Japanese time. `ValueError` for anything else."""
    value = datetime.fromisoformat(text)
    return (value if value.tzinfo else value.replace(tzinfo=TOKYO)).astimezone(UTC)


def fiscal_year(day: date, start: tuple[int, int] = (4, 1)) -> int:
    """The year in which the fiscal year of `day` began; `start` is its first (month, day)."""
    return day.year if (day.month, day.day) >= start else day.year - 1
