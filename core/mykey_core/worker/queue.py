"""huey: the pool of threads that runs jobs, the minute's beat that looks for due ones, and the queue between both.

huey forgets a task when it hands it out. So the truth about a job is its row in the outbox (`outbox.leases`), and a
task is only the word that somebody should run it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from huey import PostgresHuey, RedisHuey, SqliteHuey, crontab
from huey.api import Huey
from huey.consumer import Consumer

from mykey_core.worker.settings import JobSettings

MOST_DELAY = 1.0
"""Seconds after which an idle thread looks into the queue again, at most."""
RunJob = Callable[[str, UUID], None]


def open_queue(settings: JobSettings, municipality: str) -> Huey:
    """The queue of one municipality; nothing is connected yet, except for the embedded one's file."""
    name = f"mykey-{municipality}"
    if settings.is_file:
        return SqliteHuey(name, filename=settings.queue, results=False)
    if settings.queue.startswith("postgresql://"):
        return PostgresHuey(name, dsn=settings.queue, results=False)
    return RedisHuey(name, url=settings.queue, results=False)


class _Consumer(Consumer):  # type: ignore[misc]  # huey has no types
    """huey's consumer within a process that has signal handlers of its own."""

    def _set_signal_handlers(self) -> None:
        """Whoever runs the process decides."""


class JobQueue:
    """One municipality's queue. `run` runs a job by queue and row, `beat` looks for due ones every minute."""

    def __init__(self, huey: Huey, run: RunJob, beat: Callable[[], object]) -> None:
        self._huey = huey

        def run_job(subscriber: str, event_id: str) -> None:
            run(subscriber, UUID(event_id))

        def look_for_due() -> None:
            beat()

        self._run_job: Any = huey.task(name="run_job")(run_job)
        huey.periodic_task(crontab(minute="*"), name="look_for_due")(look_for_due)

    def put(self, subscriber: str, event_id: UUID) -> None:
        """Have a thread of some worker run this row's job."""
        self._run_job(subscriber, str(event_id))

    @contextmanager
    def running(self, threads: int) -> Iterator[None]:
        """Work on the queue while the block runs; a job that is under way is waited for at the end."""
        logging.getLogger("huey").setLevel(logging.WARNING)
        consumer = _Consumer(self._huey, workers=threads, max_delay=MOST_DELAY, check_worker_health=False)
        consumer.start()
        try:
            yield
        finally:
            consumer.stop(graceful=True)
