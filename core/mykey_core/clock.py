"""The clock that everything in the core is given, so that tests and the batch verifier can set it.

Instants are timezone-aware and in UTC; civil dates of Japan are made only where a rule speaks of days.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

Clock = Callable[[], datetime]
TOKYO = ZoneInfo("Asia/Tokyo")


def system_clock() -> datetime:
    """The present instant in UTC."""
    return datetime.now(UTC)


def tokyo_date(instant: datetime) -> date:
    """The civil date in Japan at `instant`."""
    return instant.astimezone(TOKYO).date()
