"""Long jobs: piece by piece, begun again after a death, and never written for by two workers at once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from mykey_core.outbox.events import emit
from mykey_core.plugins.jobs import JOB_EVENT, LongJob, queue_of
from mykey_core.storage.tables import outbox
from mykey_core.worker.run import LEASE, Worker
from mykey_testkit.hub import HubHarness

QUEUE = queue_of("library")


class Pieces:
    """A job of three pieces in place of the library's own; `between` happens after the first one."""

    def __init__(self, hub: HubHarness, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hub = hub
        self.done: list[int] = []
        self.between: Any = lambda: None
        jobs = {"library": {"daily": LongJob("daily", self.run)}}
        monkeypatch.setattr(type(hub.hub.plugins), "jobs", lambda _: jobs)
        with hub.hub.database.writing() as session:
            facts = {"job": "daily", "arguments": {}}
            emit(session, hub.municipality, hub.clock(), JOB_EVENT, subscribers=[QUEUE], facts=facts)

    def run(self, _context: Any, begin: Any, _arguments: Any, _at: datetime) -> None:
        for number in range(3):
            with begin():
                pass
            self.done.append(number)
            if number == 0:
                self.between()

    def row(self) -> Any:
        """The job's row, or None."""
        with self.hub.hub.database.reading() as session:
            own = (outbox.c.municipality == self.hub.municipality, outbox.c.subscriber == QUEUE)
            return session.execute(select(outbox).where(*own)).first()


@pytest.fixture
def pieces(library_hub: HubHarness, monkeypatch: pytest.MonkeyPatch) -> Pieces:
    """On the library's hub."""
    return Pieces(library_hub, monkeypatch)


def test_a_long_job_commits_piece_by_piece(pieces: Pieces) -> None:
    """Between its pieces others may write, every piece makes the lease longer, and the row ends with the last."""
    due: list[datetime] = []

    def between() -> None:
        with pieces.hub.hub.database.writing():
            pieces.hub.clock.move(timedelta(minutes=9))
        due.append(pieces.row().due_at)

    pieces.between = between
    began = pieces.hub.clock()
    Worker(pieces.hub.hub).run_job(QUEUE, pieces.row().id)
    assert (pieces.done, due, pieces.row()) == ([0, 1, 2], [began + LEASE], None)


def test_a_long_job_whose_lease_ended_writes_no_more(pieces: Pieces) -> None:
    """A worker that slept too long finds its turn gone: the one that took over ends the job, alone."""
    worker, other = Worker(pieces.hub.hub), Worker(pieces.hub.hub)
    handed: list[Any] = []
    other._queue.put = lambda _, event_id: handed.append(event_id)  # type: ignore[method-assign]

    def sleep() -> None:
        pieces.between = lambda: None
        pieces.hub.clock.move(LEASE)
        assert other.begin_jobs() == 1
        other.run_job(QUEUE, handed[0])

    pieces.between = sleep
    worker.run_job(QUEUE, pieces.row().id)
    assert pieces.done == [0, 0, 1, 2]
    assert pieces.row() is None


def test_a_long_job_that_fails_is_tried_again(pieces: Pieces) -> None:
    """Its row stays, due after a pause; what its pieces have committed stays too."""

    def fail() -> None:
        raise ValueError

    pieces.between = fail
    Worker(pieces.hub.hub).run_job(QUEUE, pieces.row().id)
    row = pieces.row()
    assert (row.attempts, row.due_at) == (1, pieces.hub.clock() + timedelta(seconds=5))
    pieces.between = lambda: None
    Worker(pieces.hub.hub).run_job(QUEUE, row.id)
    assert (pieces.done, pieces.row()) == ([0, 0, 1, 2], None)
