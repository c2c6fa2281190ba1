"""The clock of a terminal at an upload: used as it is, corrected, or not trusted (TX-T1 to TX-T4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

TOLERATED: Final = timedelta(seconds=300)
CORRECTABLE: Final = timedelta(seconds=86_400)


class ClockState(StrEnum):
    """What becomes of the times of a batch."""

    OK = "ok"
    ADJUSTED = "clock_adjusted"
    QUARANTINE = "quarantine"


@dataclass(frozen=True, slots=True)
class ClockVerdict:
    """The state, and what to subtract from every time of the batch."""

    state: ClockState
    skew: timedelta

    def corrected(self, device_time: datetime) -> datetime:
        """A time of the terminal as the server takes it."""
        return device_time - self.skew if self.state is ClockState.ADJUSTED else device_time


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a terminal's clocks: wall clock, and milliseconds of a counter that starts with each boot."""

    boot_id: str
    wall: datetime
    monotonic_ms: int


def assess_skew(skew: timedelta) -> ClockVerdict:
    """The verdict on a difference device − server; both bounds are still inside."""
    if abs(skew) > CORRECTABLE:
        return ClockVerdict(ClockState.QUARANTINE, skew)
    return ClockVerdict(ClockState.OK if abs(skew) <= TOLERATED else ClockState.ADJUSTED, skew)


def assess_clock(reading: Reading, server: datetime, previous: Reading | None = None) -> ClockVerdict:
    """The verdict on a batch; a monotonic counter that went backwards within one boot is never trusted."""
    skew = reading.wall - server
    if previous is not None and previous.boot_id == reading.boot_id and reading.monotonic_ms < previous.monotonic_ms:
        return ClockVerdict(ClockState.QUARANTINE, skew)
    return assess_skew(skew)
