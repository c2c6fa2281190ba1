"""The guard of one plugin's hooks: a budget of time, a circuit breaker for each hook, and the last fault.

A hook cannot be stopped while it runs, but one that fails or is slow again and again is not called for a while: its
callers get `PluginSuspended` at once and the hub stays quick. After a pause one call is let through (half-open).
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePath
from time import perf_counter
from typing import Final

from mykey_core.clock import Clock, system_clock
from mykey_core.plugins.errors import PluginSuspended

_log = logging.getLogger(__name__)
FAILURES_TO_OPEN: Final = 5
PAUSE: Final = timedelta(seconds=30)
DEFAULT_BUDGET: Final = 2.0
BUDGETS: Final[Mapping[str, float]] = {"mykey_tap": 1.0, "mykey_eligibility": 0.5, "mykey_event": 5.0}
"""Seconds that a call may take before it counts as a failure of its hook."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The last failure of a plugin: its hook, what it was (`TypeError`, or `slow`), and where. No text of it."""

    hook: str
    kind: str
    place: str
    at: datetime


class _Breaker:
    """One hook: closed (calls go through), open until `until`, or half-open (one call is on trial)."""

    __slots__ = ("failures", "on_trial", "until")

    def __init__(self) -> None:
        self.failures = 0
        self.until: datetime | None = None
        self.on_trial = False


@dataclass(slots=True)
class Guard:
    """See the module. `timer` counts seconds; a developer's guard (`strict`) never suspends."""

    plugin: str
    clock: Clock = system_clock
    timer: Callable[[], float] = perf_counter
    strict: bool = False
    last_fault: Fault | None = None
    faults: int = 0
    told: Callable[[str, str], None] | None = None
    """Hears of each failure by plugin and hook, for figures."""
    _breakers: dict[str, _Breaker] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def watching(self, hook: str, *, innocent: tuple[type[Exception], ...] = ()) -> Iterator[None]:
        """Around one call; `PluginSuspended` instead of it while the breaker is open. `innocent` is no failure."""
        self._admit(hook)
        begun = self.timer()
        try:
            yield
        except innocent:
            self._succeeded(hook)
            raise
        except Exception as error:
            self._failed(hook, type(error).__name__, _place(error))
            raise
        if self.timer() - begun > BUDGETS.get(hook, DEFAULT_BUDGET):
            self._failed(hook, "slow", "")
        else:
            self._succeeded(hook)

    def log_last(self) -> None:
        """Say in the log what has failed; a developer sees the whole traceback, whatever it holds."""
        if self.last_fault is not None:
            fault = self.last_fault
            words = ("plugin %s: %s failed: %s %s", self.plugin, fault.hook, fault.kind, fault.place)
            _log.error(*words, exc_info=self.strict)

    def suspended(self) -> dict[str, datetime]:
        """The hooks that are not called now, and until when (UTC)."""
        now = self.clock()
        return {
            hook: breaker.until for hook, breaker in self._breakers.items() if breaker.until and breaker.until > now
        }

    def _admit(self, hook: str) -> None:
        breaker = self._breakers.get(hook)
        if breaker is None or not breaker.failures:
            return
        with self._lock:
            until = breaker.until
            if until is None:
                return
            if self.clock() < until or breaker.on_trial:
                raise PluginSuspended(self.plugin, hook, until)
            breaker.on_trial = True

    def _succeeded(self, hook: str) -> None:
        breaker = self._breakers.get(hook)
        if breaker is not None and (breaker.failures or breaker.until):
            with self._lock:
                breaker.failures, breaker.until, breaker.on_trial = 0, None, False

    def _failed(self, hook: str, kind: str, place: str) -> None:
        with self._lock:
            self.faults += 1
            if self.told is not None:
                self.told(self.plugin, hook)
            self.last_fault = Fault(hook, kind, place, self.clock())
            breaker = self._breakers.setdefault(hook, _Breaker())
            breaker.failures += 1
            if not self.strict and (breaker.on_trial or breaker.failures >= FAILURES_TO_OPEN):
                breaker.until = self.clock() + PAUSE
            breaker.on_trial = False


def _place(error: Exception) -> str:
    """File and line of the innermost frame, without its folder: enough for the author, nothing of the data."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
