"""A circuit breaker: a source that keeps failing is left alone for a while, so that taps fail fast (or fall back).

After `failures` failures in a row it opens for `pause`; then one question goes through as a trial.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """When a circuit opens (failures in a row) and for how long."""

    failures: int = 5
    pause: timedelta = timedelta(seconds=30)


class CircuitBreaker:
    """Safe to share between threads. Times are of the monotonic clock."""

    def __init__(self, settings: BreakerSettings, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._failures = 0
        self._closed_again_at = 0.0

    def allows(self) -> bool:
        """Whether the source may be asked now. While open, one caller is let through after each pause."""
        with self._lock:
            if self._failures < self._settings.failures:
                return True
            now = self._monotonic()
            if now < self._closed_again_at:
                return False
            self._closed_again_at = now + self._settings.pause.total_seconds()
            return True

    def succeeded(self) -> None:
        """The source gave a usable answer: the circuit closes."""
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        """The source gave no usable answer."""
        with self._lock:
            self._failures += 1
            if self._failures >= self._settings.failures:
                self._closed_again_at = self._monotonic() + self._settings.pause.total_seconds()
