"""PostgreSQL's primary dies under load and its synchronous replica takes over: nothing acknowledged is lost."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mykey_testkit.hub import LIBRARY, HubHarness, TerminalClient, sign_challenge
from mykey_testkit.postgres import (
    HUB_ROLE,
    OWNER,
    DatabaseUrls,
    PostgresServer,
    fresh_database,
    require_postgres,
    server,
)

SERVICE = "library-desk"
THREADS = 4
_OPTIONS = ("-c", "fsync=off", "-c", "wal_level=replica")


@pytest.fixture
def primary() -> Iterator[PostgresServer]:
    require_postgres()
    with server(_OPTIONS) as running:
        running.execute(f"CREATE DATABASE mykey_template OWNER {OWNER}")
        yield running


@pytest.fixture
def standby_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mykey-pg-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


class Load:
    """Threads that tap until they are told to stop; what the hub answered."""

    def __init__(self, terminal: TerminalClient) -> None:
        self.acknowledged: list[str] = []
        self.refused = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._tap, args=(terminal.another(),)) for _ in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def _tap(self, client: TerminalClient) -> None:
        while not self._stop.is_set():
            challenge = client.begin(SERVICE)
            if "tap_id" not in challenge:
                self.refused += 1
                time.sleep(0.05)
                continue
            answer = client.prove(challenge, sign_challenge("adult", challenge))
            if answer.status_code == 200:
                self.acknowledged.append(challenge["tap_id"])
            else:
                self.refused += 1

    def wait_for(self, count: int) -> None:
        """Until `count` more taps were acknowledged."""
        wanted = len(self.acknowledged) + count
        until = time.monotonic() + 60
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < until, "the hub does not go on"
            time.sleep(0.01)

    def stop(self) -> None:
        """End the threads."""
        self._stop.set()
        for thread in self._threads:
            thread.join()


def _both(primary: PostgresServer, standby: PostgresServer, urls: DatabaseUrls) -> DatabaseUrls:
    """The same database on whichever of the two takes writes."""
    name = urls.hub.partition("@/")[2].partition("?")[0]
    query = f"host={primary.folder}&host={standby.folder}&target_session_attrs=read-write"
    hub, owner = (f"postgresql+psycopg://{role}@/{name}?{query}" for role in (HUB_ROLE, OWNER))
    return DatabaseUrls(hub, owner)


@pytest.mark.postgres
def test_a_failover_under_load_loses_nothing(primary: PostgresServer, standby_folder: Path, tmp_path: Path) -> None:
    """The primary is killed, the replica promoted, the hub goes on; each acknowledged tap is there exactly once."""
    urls = fresh_database(primary)
    standby = primary.make_standby(standby_folder)
    harness = HubHarness(tmp_path, LIBRARY, [SERVICE], database=_both(primary, standby, urls))
    harness.import_library()
    terminal = harness.terminal()
    terminal.tap("adult", SERVICE, "link", patron_number="10000017")
    load = Load(terminal)
    try:
        load.wait_for(20)
        primary.kill()
        standby.promote()
        load.wait_for(20)
    finally:
        load.stop()
    done = Counter(record.facts["tap"] for record in harness.audit("tap.done"))
    assert [tap for tap in load.acknowledged if tap not in done] == []
    assert [tap for tap, count in done.items() if count > 1] == []
    harness.close()
    standby.kill()
