"""The clock of a terminal at an upload: used as it is, corrected, or not trusted (TX-T1 to TX-T4).

The hub judges the clock of every service's records in `mykey_core.uploads`; this is the rule alone, for questions
without a hub and for files that were carried to the office.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

TOLERATED: Final = timedelta(seconds=300)
CORRECTABLE: Final = timedelta(seconds=86_400)


class ClockVerdictState(StrEnum):
    """What becomes of the times of a batch."""

    OK = "ok"
    ADJUSTED = "clock_adjusted"
    QUARANTINE = "quarantine"


@dataclass(frozen=True, slots=True)
class ClockVerdict:
    """The state, and what to subtract from every time of the batch."""

    state: ClockVerdictState
    skew: timedelta

    def corrected(self, device_time: datetime) -> datetime:
        """A time of the terminal as the server takes it."""
        return device_time - self.skew if self.state is ClockVerdictState.ADJUSTED else device_time


def assess_skew(skew: timedelta) -> ClockVerdict:
    """The verdict on a difference device − server; both bounds are still inside."""
    if abs(skew) > CORRECTABLE:
        return ClockVerdict(ClockVerdictState.QUARANTINE, skew)
    return ClockVerdict(ClockVerdictState.OK if abs(skew) <= TOLERATED else ClockVerdictState.ADJUSTED, skew)
