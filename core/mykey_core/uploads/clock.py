"""What the hub makes of a terminal's clock: the rules TX-T1 to T4, which hold for every service.

A record of the same run of the computer is dated by the counter that cannot be set back, so that a clock that was
set wrong only while the record was made is noticed too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from mykey_core.uploads.chain import SignedRecord
from mykey_core.uploads.states import ClockState

TOLERATED = timedelta(seconds=300)
ADJUSTABLE = timedelta(seconds=86_400)


@dataclass(frozen=True, slots=True)
class UploadClock:
    """What a terminal says of its clocks when it uploads; `now` is the hub's own."""

    boot_id: str
    wall: datetime
    monotonic_ms: int
    now: datetime

    @property
    def skew(self) -> timedelta:
        """Rule TX-T1: the terminal's clock minus the hub's."""
        return self.wall - self.now


@dataclass(frozen=True, slots=True)
class ClockVerdict:
    """The state of a record's clock, how far it is off, and a code where a person has to decide."""

    state: ClockState
    skew: timedelta
    code: str = ""


def went_backwards(clock: UploadClock, *, boot_id: str, monotonic_ms: int) -> bool:
    """Whether the counter stands lower than at an earlier moment of the same run (TX-T4)."""
    return clock.boot_id == boot_id and clock.monotonic_ms < monotonic_ms


def judge(record: SignedRecord, clock: UploadClock, *, backwards: bool = False) -> ClockVerdict:
    """The verdict on one record of an upload; `backwards` when the counter of the upload itself went back."""
    skew = clock.skew
    if backwards or went_backwards(clock, boot_id=record.boot_id, monotonic_ms=record.mono_ms):
        return ClockVerdict(ClockState.QUARANTINED, skew, "clock_backwards")
    if abs(skew) <= ADJUSTABLE and record.boot_id == clock.boot_id:
        skew = record.recorded_at + timedelta(milliseconds=clock.monotonic_ms - record.mono_ms) - clock.now
    if abs(skew) > ADJUSTABLE:
        return ClockVerdict(ClockState.QUARANTINED, skew, "clock_skew")
    return ClockVerdict(ClockState.OK if abs(skew) <= TOLERATED else ClockState.ADJUSTED, skew)
