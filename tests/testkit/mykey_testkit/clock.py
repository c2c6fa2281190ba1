"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
"""Monday, 2 November 2026, 10:00 in Japan."""


class ManualClock:
    """Called for the present instant; `move` changes it."""

    def __init__(self, start: datetime = START) -> None:
        self.now = start

    def __call__(self) -> datetime:
        """The present instant in UTC."""
        return self.now

    def move(self, step: timedelta) -> None:
        """Let time pass, or go back."""
        self.now += step
