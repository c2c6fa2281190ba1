"""The worker of one hub: events, webhooks and jobs, delivered as long as the block runs.

In `mykey worker` it has the process for itself; in `mykey hub serve` it works beside the requests. Any number of them
may work for one hub.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from mykey_core.errors import MykeyError
from mykey_core.hub import Hub
from mykey_core.outbox.dispatcher import Dispatcher
from mykey_core.outbox.leases import Leased, Leases
from mykey_core.plugins.jobs import JOB_EVENT, LongJob, queue_of
from mykey_core.plugins.manifest import Capability
from mykey_core.remote.webhooks import WebhookSender
from mykey_core.storage.session import Session
from mykey_core.upkeep import DELIVER_EVERY, delivering, repeating
from mykey_core.worker.queue import JobQueue, open_queue
from mykey_core.worker.schedules import Schedules

LEASE: Final = timedelta(minutes=10)
"""A job whose worker was killed is begun again after this time; one that takes longer is not begun twice either,
because its row is locked (or, for a long job, leased anew with every piece)."""
_log = logging.getLogger(__name__)


class Turn:
    """A long job's right to write: every piece makes the lease of its row longer, in the piece's own commit.

    `lost` once another worker has taken the row; nothing is written after that.
    """

    def __init__(self, hub: Hub, leases: Leases, row: Leased) -> None:
        self._hub = hub
        self._leases = leases
        self._row = row
        self.lost = False

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """One piece; `TurnLost` when it is another's turn."""
        with self._hub.database.writing() as session:
            renewed = self._leases.renew(session, self._row, self._hub.clock() + LEASE)
            if renewed is None:
                self.lost = True
                raise TurnLost
            yield session
        self._row = renewed


class TurnLost(MykeyError):
    """Another worker goes on with this job, because the lease of this one has ended."""

    def __init__(self) -> None:
        super().__init__("another worker has taken this job over")


class Worker:
    """See the module."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        town = hub.settings.municipality
        self._leases = Leases(hub.database, town)
        self._schedules = Schedules(hub.database, town)
        self._outbox = Dispatcher(hub.database, town, hub.plugins.handlers(), hub.people.subject_of)
        self._queue = JobQueue(open_queue(hub.settings.jobs, town), self.run_job, self.release_due)
        self.webhooks = WebhookSender(hub)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Work while the block runs; a job that is under way is waited for at the end."""
        with ExitStack() as stack:
            stack.enter_context(self._queue.running(self._hub.settings.jobs.threads))
            stack.enter_context(delivering(self._outbox, self._hub.clock))
            stack.enter_context(repeating("jobs could not be begun", self.begin_jobs, DELIVER_EVERY))
            if self.webhooks.has_receivers:
                stack.enter_context(repeating("webhooks could not be sent", self.webhooks.send_due, DELIVER_EVERY))
            self.release_due()
            yield

    def deliver_due(self) -> int:
        """Hand over what waits for plugins in this process, once; how many events were taken."""
        return self._outbox.deliver_due(self._hub.clock())

    def release_due(self) -> int:
        """Put scheduled jobs that are due into the outbox; how many."""
        return self._schedules.release(self._hub.plugins.jobs(), self._hub.clock())

    def begin_jobs(self) -> int:
        """Hand every job that may run now to the threads; how many. One of each name runs at a time."""
        begun = 0
        for subscriber in self._job_queues():
            while row := self._leases.claim(subscriber, self._hub.clock(), LEASE, _job_of):
                self._queue.put(subscriber, row.id)
                begun += 1
        return begun

    def run_job(self, subscriber: str, event_id: UUID) -> None:
        """Run the job of one row, if it is still there: its writes and the end of the row are one commit.

        A long job commits piece by piece, each with a longer lease of its row; the end of the row is the last piece.
        """
        turn = None
        try:
            with self._hub.database.writing() as session:
                row = self._leases.still_there(session, event_id, subscriber)
                if row is None or row.kind != JOB_EVENT:
                    return
                job = self._hub.plugins.job(_plugin_of(subscriber), _job_of(row.facts))
                if not isinstance(job, LongJob):
                    now, arguments = self._hub.clock(), row.facts.get("arguments", {})
                    self._hub.plugins.run_job(_plugin_of(subscriber), job.name, arguments, session, now)
                    self._end(session, row)
                    return
            turn = Turn(self._hub, self._leases, row)
            now, arguments = self._hub.clock(), row.facts.get("arguments", {})
            self._hub.plugins.run_long_job(_plugin_of(subscriber), job, arguments, turn.begin, now)
            with turn.begin() as session:
                self._end(session, row)
        except Exception as error:  # noqa: BLE001 - a plugin's fault stays its own, and is tried again
            words = str(error) if isinstance(error, MykeyError) else type(error).__name__
            _log.error("%s did not finish a job: %s", subscriber, words)
            if turn is None or not turn.lost:
                self._leases.put_off(event_id, subscriber, self._hub.clock())

    def _end(self, session: Session, row: Leased) -> None:
        self._leases.done(session, row.id, row.subscriber)
        self._schedules.finished(session, _plugin_of(row.subscriber), _job_of(row.facts), self._hub.clock())

    def _job_queues(self) -> list[str]:
        plugins = self._hub.plugins.plugins.items()
        return [queue_of(name) for name, plugin in sorted(plugins) if plugin.context.may(Capability.JOBS)]


def _job_of(facts: Mapping[str, Any]) -> str:
    return str(facts.get("job", ""))


def _plugin_of(subscriber: str) -> str:
    return subscriber.partition(":")[0]
