"""The worker: jobs run by schedule and on demand, once, whatever is killed; changes of identities reach plugins."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from datetime import time as clock_time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from mykey_core.identity.changes import ENDED, LINKED, REPLACED
from mykey_core.identity.life import Happening, LifeRegister
from mykey_core.identity.states import EventKind
from mykey_core.outbox.dispatcher import MAXIMUM_ATTEMPTS
from mykey_core.plugins.arguments import IdentityChange
from mykey_core.plugins.jobs import JOB_EVENT, DailyAt, Every, Job, queue_of
from mykey_core.storage.tables import outbox, pairwise
from mykey_core.worker.run import LEASE, Worker
from mykey_core.worker.schedules import Schedules, following
from mykey_testkit.hub import HubHarness

JAPAN = timezone(timedelta(hours=9))


def waiting(hub: HubHarness, subscriber: str) -> list[Any]:
    with hub.hub.database.reading() as session:
        own = (outbox.c.municipality == hub.municipality, outbox.c.subscriber == subscriber)
        return list(session.execute(select(outbox).where(*own).order_by(outbox.c.id)))


def enqueue(hub: HubHarness, **arguments: Any) -> None:
    from mykey_core.outbox.events import emit

    facts = {"job": "daily", "arguments": arguments}
    with hub.hub.database.writing() as session:
        emit(session, hub.municipality, hub.clock(), JOB_EVENT, subscribers=[queue_of("library")], facts=facts)


# -- schedules ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2026, 3, 1, 2, 59, tzinfo=JAPAN), datetime(2026, 3, 1, 3, 0, tzinfo=JAPAN)),
        (datetime(2026, 3, 1, 3, 0, tzinfo=JAPAN), datetime(2026, 3, 2, 3, 0, tzinfo=JAPAN)),
        (datetime(2026, 2, 28, 23, 0, tzinfo=JAPAN), datetime(2026, 3, 1, 3, 0, tzinfo=JAPAN)),
        (datetime(2026, 12, 31, 20, 0, tzinfo=UTC), datetime(2027, 1, 2, 3, 0, tzinfo=JAPAN)),
    ],
)
def test_a_daily_time_is_of_the_towns_clock(now: datetime, expected: datetime) -> None:
    """The civil day is Japan's, whatever the zone of the server; the instant itself is not due twice."""
    assert following(DailyAt(clock_time(3, 0)), now.astimezone(UTC)) == expected


def test_two_workers_release_a_job_once_and_a_missed_night_is_made_up_for(library_hub: HubHarness) -> None:
    """The next instant stands in the database: one release a day, and one after three days without a worker."""
    jobs = {"library": {"daily": Job("daily", lambda *_: None, Every(timedelta(days=1)))}}
    first, second = (Schedules(library_hub.hub.database, library_hub.municipality) for _ in range(2))
    assert first.release(jobs, library_hub.clock()) + second.release(jobs, library_hub.clock()) == 1
    assert len(waiting(library_hub, queue_of("library"))) == 1
    library_hub.clock.move(timedelta(days=3))
    assert first.release(jobs, library_hub.clock()) == 0, "the one before has not run yet"
    with library_hub.hub.database.writing() as session:
        session.execute(outbox.delete().where(outbox.c.municipality == library_hub.municipality))
    library_hub.clock.move(timedelta(days=3))
    assert first.release(jobs, library_hub.clock()) + second.release(jobs, library_hub.clock()) == 1


# -- jobs -----------------------------------------------------------------------------------------------------


class Counting:
    """Runs of a job, in place of the library's own."""

    def __init__(self, hub: HubHarness, monkeypatch: pytest.MonkeyPatch, *, fault: bool = False) -> None:
        self.runs: list[dict[str, Any]] = []
        self.fault = fault
        jobs = {"library": {"daily": Job("daily", self.run)}}
        monkeypatch.setattr(type(hub.hub.plugins), "jobs", lambda _: jobs)

    def run(self, _context: Any, _database: Any, arguments: Any, _at: datetime) -> None:
        self.runs.append(dict(arguments))
        if self.fault:
            raise ValueError


def test_a_job_runs_once_though_it_was_handed_out_twice(
    library_hub: HubHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Huey may say twice that a row is to be run: the row is there once."""
    counted, worker = Counting(library_hub, monkeypatch), Worker(library_hub.hub)
    enqueue(library_hub, month=11)
    (row,) = waiting(library_hub, queue_of("library"))
    worker.run_job(queue_of("library"), row.id)
    worker.run_job(queue_of("library"), row.id)
    assert counted.runs == [{"month": 11}]
    assert waiting(library_hub, queue_of("library")) == []


def test_jobs_of_one_name_wait_for_each_other_and_a_killed_one_begins_again(
    library_hub: HubHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one is leased, the next of its name is not begun; when its worker is gone, it is handed out again."""
    Counting(library_hub, monkeypatch)
    worker, handed = Worker(library_hub.hub), []
    monkeypatch.setattr(worker._queue, "put", lambda _, event_id: handed.append(event_id))
    enqueue(library_hub, number=1)
    enqueue(library_hub, number=2)
    first, second = (row.id for row in waiting(library_hub, queue_of("library")))
    assert (worker.begin_jobs(), worker.begin_jobs(), handed) == (1, 0, [first])
    library_hub.clock.move(LEASE)
    assert (worker.begin_jobs(), handed) == (1, [first, first])
    worker.run_job(queue_of("library"), first)
    assert (worker.begin_jobs(), handed[-1]) == (1, second)


def test_a_job_that_fails_pauses_longer_and_longer_and_is_listed_in_the_end(
    library_hub: HubHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve attempts with doubled pauses; then `mykey jobs` shows it, and `retry` lets it run."""
    from click.testing import CliRunner

    from mykey_core.worker.cli import jobs

    counted, worker = Counting(library_hub, monkeypatch, fault=True), Worker(library_hub.hub)
    enqueue(library_hub)
    pauses = []
    for _ in range(MAXIMUM_ATTEMPTS):
        (row,) = waiting(library_hub, queue_of("library"))
        worker.run_job(queue_of("library"), row.id)
        (row,) = waiting(library_hub, queue_of("library"))
        pauses.append(None if row.due_at is None else (row.due_at - library_hub.clock()).total_seconds())
    assert pauses[:4] == [5, 10, 20, 40]
    assert pauses[-1] is None
    shown = json.loads(CliRunner().invoke(jobs, ["--config", str(library_hub.config)]).output)
    assert [(line["job"], line["attempts"]) for line in shown["given_up"]] == [("daily", MAXIMUM_ATTEMPTS)]
    counted.fault = False
    assert CliRunner().invoke(jobs, ["retry", str(row.id), "--config", str(library_hub.config)]).exit_code == 0
    worker.run_job(queue_of("library"), row.id)
    assert waiting(library_hub, queue_of("library")) == []


def test_threads_of_huey_run_what_waits(library_hub: HubHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way within one process, as `mykey hub serve` has it."""
    counted = Counting(library_hub, monkeypatch)
    with Worker(library_hub.hub).running():
        enqueue(library_hub, number=1)
        until = time.monotonic() + 20
        while not counted.runs and time.monotonic() < until:
            time.sleep(0.05)
    assert counted.runs == [{"number": 1}]


@pytest.fixture
def command(library_hub: HubHarness) -> Iterator[Any]:
    """Start `mykey worker` for the hub, as often as wanted."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        program = [sys.executable, "-m", "mykey_core", "worker", "--config", str(library_hub.config)]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        started.append(process)
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"ready": "worker", "hubs": 1}
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)


def test_a_killed_worker_loses_nothing(library_hub: HubHarness, command: Any) -> None:
    """SIGKILL between handing out and running: the next worker runs the library's real job, and the row is gone."""
    first = command()
    os.kill(first.pid, signal.SIGKILL)
    first.wait(10)
    enqueue(library_hub)
    (row,) = [row for row in waiting(library_hub, queue_of("library")) if not row.facts.get("scheduled")]
    # As the killed one would have left it: leased, and its lease is over.
    with library_hub.hub.database.writing() as session:
        own = (outbox.c.municipality == library_hub.municipality, outbox.c.id == row.id)
        session.execute(update(outbox).where(*own).values(due_at=datetime.now(UTC) - timedelta(seconds=1)))
    second = command()
    until = time.monotonic() + 30
    while waiting(library_hub, queue_of("library")) and time.monotonic() < until:
        time.sleep(0.2)
    assert waiting(library_hub, queue_of("library")) == []
    second.send_signal(signal.SIGTERM)
    assert second.wait(20) == 0


# -- identities -----------------------------------------------------------------------------------------------


def test_changes_of_an_identity_reach_the_plugin(library_hub: HubHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Enrolled at a tap, renewed, moved out: each calls the plugin's hook soon after the commit, with its own id."""
    told: list[tuple[str, IdentityChange]] = []
    runtime = type(library_hub.hub.plugins)
    for hook in ("identity_linked", "identity_replaced", "identity_ended"):
        real = getattr(runtime, hook)
        assert callable(real)
    from mykey_core.plugins import runtime as module

    monkeypatch.setattr(
        runtime, "_identity", lambda _self, plugin, hook, change, _session: told.append((f"{plugin}:{hook}", change))
    )
    assert set(module._IDENTITY_HOOKS) == {LINKED, REPLACED, ENDED}
    library_hub.import_library()
    library_hub.terminal().tap("adult", "library-desk", "link", patron_number="10000017")
    worker = Worker(library_hub.hub)
    assert worker.deliver_due() == 1
    with library_hub.hub.database.reading() as session:
        own = (pairwise.c.municipality == library_hub.municipality, pairwise.c.plugin == "library")
        row = session.execute(select(pairwise).where(*own)).one()
    register = LifeRegister(library_hub.hub.people)
    with library_hub.hub.database.writing() as session:
        happening = Happening(EventKind.MOVED_OUT, library_hub.clock(), "staff:test")
        register.record(session, row.person_id, happening)
    assert worker.deliver_due() == 1
    assert [(name, change.subject, change.reason) for name, change in told] == [
        ("library:mykey_identity_linked", row.subject, "enrolled"),
        ("library:mykey_identity_ended", row.subject, "moved_out"),
    ]


def test_a_new_key_tells_the_plugin_the_old_id(library_hub: HubHarness) -> None:
    """Re-keying: the plugin hears both ids, and nobody hears of the portal's own."""
    from mykey_core.identity.rekey import CORE_SECTORS, Rekeying
    from mykey_core.keys.provider import Purpose

    library_hub.import_library()
    library_hub.terminal().tap("adult", "library-desk", "link", patron_number="10000017")
    Worker(library_hub.hub).deliver_due()
    library_hub.hub.people.keys.add_epoch(Purpose.PAIRWISE)
    columns = library_hub.hub.plugins.plugins["library"].context.manifest.subject_columns
    Rekeying(library_hub.hub.people, {"library": columns, **CORE_SECTORS}).run(
        library_hub.hub.database, Purpose.PAIRWISE, library_hub.clock()
    )
    (row,) = waiting(library_hub, "library")
    assert (row.kind, row.facts["reason"]) == (REPLACED, "rekeyed")
    assert len(row.facts["previous_subject"]) == 43
    assert waiting(library_hub, "portal") == []
    assert Worker(library_hub.hub).deliver_due() == 1


def test_the_settings_of_the_queue(tmp_path: Path) -> None:
    """A file by default, Redis or PostgreSQL by address, and nothing else."""
    from pydantic import ValidationError

    from mykey_core.worker.settings import JobSettings

    assert JobSettings().below(tmp_path).queue == str(tmp_path / "jobs.sqlite3")
    assert JobSettings(queue="redis://localhost/1").below(tmp_path).queue == "redis://localhost/1"
    with pytest.raises(ValidationError, match="name of a file"):
        JobSettings(queue="amqp://localhost")
