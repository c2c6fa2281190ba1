"""The terminal's clock and pause, injected so that tests need not wait.

The core has its own clock; a terminal does not import the core.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
Sleep = Callable[[float], None]


def system_clock() -> datetime:
    """The present instant in UTC."""
    return datetime.now(UTC)
