"""A counter that only rises while the computer runs, and the id of the run that it belongs to.

A wall clock can be set back to make a late ride early; this counter cannot (rules TX-T1 to T4).
"""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_process = uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Uptime:
    """`boot_id` names one run of the computer, `milliseconds` counts within it, sleep included."""

    boot_id: str
    milliseconds: Callable[[], int]


def system_uptime() -> Uptime:
    """That of this computer; elsewhere than on Linux each process counts as a run of its own."""
    try:
        return Uptime(_BOOT_ID.read_text(encoding="ascii").strip(), _since_boot)
    except OSError:
        return Uptime(_process, _monotonic)


def _since_boot() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def _monotonic() -> int:
    if sys.platform == "darwin":  # there this one runs on while the computer sleeps, `monotonic_ns` does not
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000_000
    return time.monotonic_ns() // 1_000_000
