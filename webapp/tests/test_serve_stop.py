"""`mykey serve` is restarted under load: no tap is lost and none is done twice; processes share one town's database."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mykey_terminal.tap import TapReport
from mykey_testkit.postgres import fresh_database
from mykey_testkit.served import ServedTown
from mykey_web.demo.town import make_town

pytestmark = pytest.mark.timeout(180)
_TERMINALS = 4


class Hammer:
    """Several terminals that tap without a pause while the block runs. A lost answer is looked for, as always."""

    def __init__(self, served: ServedTown) -> None:
        self.reports: list[TapReport] = []
        self._over = threading.Event()
        terminals = [served.terminal(longest_wait=timedelta(seconds=60)) for _ in range(_TERMINALS)]
        assert terminals[0].tap("link", patron_number="10000017").problem is None
        self._threads = [threading.Thread(target=self._work, args=(terminal.tap,)) for terminal in terminals]

    def _work(self, tap: object) -> None:
        assert callable(tap)
        while not self._over.is_set():
            report = tap()
            self.reports.append(report)
            if report.problem is not None:
                time.sleep(0.05)

    def wait_for(self, more: int) -> None:
        """Until so many more taps were answered."""
        wanted = len(self.answered) + more
        until = time.monotonic() + 60
        while len(self.answered) < wanted:
            assert time.monotonic() < until
            time.sleep(0.01)

    @property
    def answered(self) -> set[str | None]:
        """The taps that the hub says it has done."""
        return {report.tap_id for report in list(self.reports) if report.result is not None}

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture(params=[1, pytest.param(2, marks=pytest.mark.postgres)])
def workers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """One process on SQLite, and two on PostgreSQL, whose address comes by the environment."""
    if request.param > 1:
        urls = fresh_database(request.getfixturevalue("postgres_server"))
        monkeypatch.setenv("MYKEY_DATABASE_URL", urls.hub)
        monkeypatch.setenv("MYKEY_DATABASE_OWNER_URL", urls.owner)
    return int(request.param)


def test_a_restart_under_load_loses_no_tap(tmp_path: Path, workers: int) -> None:
    """SIGTERM, and a new process as systemd starts it: what was begun is done once; people may have to tap again."""
    with ServedTown(tmp_path) as served:
        hub = served.serve(workers)
        with Hammer(served) as hammer:
            hammer.wait_for(30)
            began = time.monotonic()
            os.kill(hub._process.pid, signal.SIGTERM)
            assert hub._process.wait(20) == 0
            assert time.monotonic() - began < 10
            sealed_at_the_end = len(served.audit("tap.done")) >= len(hammer.answered)
            served.serve(workers)
            hammer.wait_for(30)
        problems = {report.problem.code for report in hammer.reports if report.problem is not None}
        done = [record.facts["tap"] for record in served.audit("tap.done")]
        assert sealed_at_the_end
        assert problems <= {"hub_unreachable"}  # nothing had been begun: the person taps again
        assert len(done) == len(set(done)) == len(hammer.answered) + 1  # and the one that linked the card
        assert hammer.answered <= set(done)
        errors = [line for line in served.log.read_text().splitlines() if json.loads(line)["level"] == "error"]
        assert errors == []


@pytest.mark.postgres
def test_processes_share_the_work_and_their_counts(
    tmp_path: Path, postgres_server: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two processes on PostgreSQL both answer, and `/metrics` of either has the sum of both."""
    urls = fresh_database(postgres_server)  # type: ignore[arg-type]
    monkeypatch.setenv("MYKEY_DATABASE_URL", urls.hub)
    monkeypatch.setenv("MYKEY_DATABASE_OWNER_URL", urls.owner)
    with ServedTown(tmp_path) as served:
        prometheus = served.let_prometheus_in()
        served.serve(2)
        with Hammer(served) as hammer:
            hammer.wait_for(40)
        text = httpx.get(f"{served.address}/metrics", headers=prometheus).text
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        taps = [one.value for one in samples if one.name == "mykey_taps_total" and one.labels["outcome"] == "done"]
        assert sum(taps) == len(hammer.answered) + 1


def test_a_hub_that_does_not_open_says_why_and_ends(tmp_path: Path) -> None:
    """A key file that is gone: one line names it, and the exit status is not 0, so that systemd tells."""
    with ServedTown(tmp_path) as served:
        served.town.config.with_name("audit-key.pem").unlink()
        with pytest.raises(AssertionError, match="audit_key_file"):
            served.serve()


def test_a_port_that_is_taken_is_said_in_one_line(tmp_path: Path) -> None:
    """No backtrace, a status that systemd sees, and what to do."""
    town = make_town(tmp_path, "http://127.0.0.1:8000", datetime.now(UTC), fill=lambda _: None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        arguments = [sys.executable, "-m", "mykey_core", "serve", "--config", str(town.config), "--port", str(port)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.fullmatch(rf"Error: port {port} of 127.0.0.1 cannot be had .*--port\n", done.stderr)
