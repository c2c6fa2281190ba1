"""The jobs of a plugin: what runs beside requests, and when. Who runs them is `mykey worker` (docs/adr/0013)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from mykey_core.plugins.json_values import Json

if TYPE_CHECKING:
    from mykey_core.plugins.context import PluginContext, PluginDatabase

JOB_EVENT = "core.job"
"""The kind under which an enqueued job waits in the outbox; its facts are `job` and `arguments`."""


@dataclass(frozen=True, slots=True)
class Every:
    """Again and again, `interval` after the last start."""

    interval: timedelta


@dataclass(frozen=True, slots=True)
class DailyAt:
    """Once on each civil day in Asia/Tokyo, at this time of the clock."""

    time: time


@dataclass(frozen=True, slots=True)
class OnDemand:
    """Only when `context.jobs.enqueue` asks for it."""


Schedule = Every | DailyAt | OnDemand
JobFunction = Callable[["PluginContext", "PluginDatabase", Mapping[str, Json], datetime], None]


@dataclass(frozen=True, slots=True)
class Job:
    """A named job. `run(context, database, arguments, at)` is called at least once, in a transaction of its own."""

    name: str
    run: JobFunction
    schedule: Schedule = OnDemand()


Begin = Callable[[], "AbstractContextManager[PluginDatabase]"]
"""Begins a transaction of a long job; it is committed at the end of the block."""
LongJobFunction = Callable[["PluginContext", Begin, Mapping[str, Json], datetime], None]


@dataclass(frozen=True, slots=True)
class LongJob:
    """A job that is more than one transaction should be: `run(context, begin, arguments, at)` commits piece by piece.

    On SQLite a piece holds up taps and uploads while it lasts, so that it is over within a second. A killed job is
    called again from its beginning: what its pieces have done must be found and not done twice. Two workers never
    write for one job: `begin` raises in the one whose turn is over.
    """

    name: str
    run: LongJobFunction
    schedule: Schedule = OnDemand()


AnyJob = Job | LongJob


def queue_of(plugin: str) -> str:
    """The subscriber's name under which a plugin's jobs wait in the outbox, apart from its events."""
    return f"{plugin}:jobs"
