"""Faults through the hub: copied sequences, wrong clocks, uploads during a close, SIGKILL of a process that closes.

Each ends in a state that the clerk's or the administration's page shows.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from mykey_core.api import ClockState, OfflineRecord, PluginDatabase, RecordState
from mykey_taxi import held
from mykey_taxi.closing import closed_months, open_months
from mykey_taxi.register import Cab, Operator, Register
from mykey_testkit.plugin_hub import MakeHub, PluginHub
from mykey_testkit.postgres import DatabaseUrls, fresh_database

BOARD = datetime(2026, 10, 5, 1, tzinfo=UTC)
MONTH = {"month": "2026-10"}
PAID = ("2026-10", 1, 715)


@contextmanager
def tables(hub: PluginHub) -> Iterator[PluginDatabase]:
    """The plugin's tables in one transaction of the hub."""
    runtime = hub.hub.plugins
    with hub.hub.database.writing() as session, runtime.opened(runtime.plugins["taxi"], session) as database:
        yield database


@pytest.fixture
def town(make_hub: MakeHub, hub_database: DatabaseUrls | None) -> PluginHub:
    """The hub on both databases."""
    return with_cabs(make_hub, hub_database)


def with_cabs(make_hub: MakeHub, hub_database: DatabaseUrls | None) -> PluginHub:
    """A hub with two cabs and a rider, when October 2026 may be closed."""
    hub = make_hub("taxi", database=hub_database, settings={"early_close": True})
    with tables(hub) as database:
        book = Register(database)
        book.put_operator(Operator("op1", "前橋タクシー", "カ)マエバシ", "0128", "101", 1, "1234567", "1001"))
        for number in (1, 2):
            book.put_cab(Cab(f"cab-{number}", "op1", f"{number}"))
        rider = book.enrol("s" * 43, BOARD)
        book.add_registration(rider, BOARD.date(), None, ground="age>=75", pack_hash="", at=BOARD)
    return hub


def deliver(hub: PluginHub, number: int, *, cab: str = "cab-1", seq: int = 1, days: int = 0, **members: Any) -> Any:
    """One ride of a cab's queue, as the hub hands it to the plugin."""
    with tables(hub) as database:
        rider = Register(database).rider_of("s" * 43)
    at = BOARD + timedelta(days=days)
    payload = {
        "board_ts": at.isoformat(),
        "alight_ts": (at + timedelta(minutes=15)).isoformat(),
        "board_zone": "inside",
        "alight_zone": "inside",
        "meter_yen": 1430,
        "riders": [rider],
        "subsidy_yen": 715,
        "cash_yen": 715,
        "mode": "online",
    }
    facts: dict[str, Any] = {"clock": ClockState.OK, "skew": timedelta(0), **members}
    record = OfflineRecord(
        municipality=hub.municipality,
        service="taxi-ride",
        service_point="cab",
        terminal=cab,
        sequence=seq,
        record_id=UUID(int=number),
        recorded_at=at,
        received_at=at + timedelta(hours=8),
        payload=payload,
        **facts,
    )
    runtime = hub.hub.plugins
    route = runtime.route("taxi-ride")
    assert route is not None
    with hub.hub.database.writing() as session:
        return runtime.offline_record(route, record, session)


def state_of(hub: PluginHub) -> tuple[list[tuple[str, int, int]], list[tuple[str, int | None, int]]]:
    """Open and closed months as the administration's page shows them: (month, rides, yen)."""
    page = hub.staff("administrator").get("/admin/taxi/")
    assert page.status_code == 200
    with tables(hub) as database:
        closed = [(month.cycle, month.rides, month.due_yen) for month in closed_months(database)]
        waiting = open_months(database)
    assert all(entry[0] in page.get_data(as_text=True) for entry in (*closed, *waiting))
    return waiting, closed


def test_two_terminals_with_the_same_sequence(town: PluginHub) -> None:
    """Sequence 1 of two cabs is two rides; sequence 1 of one cab with another ride waits, and the first one stays."""
    assert [deliver(town, 1).state, deliver(town, 2, cab="cab-2", days=1).state] == [RecordState.ACCEPTED] * 2
    copied = deliver(town, 3, days=2)
    assert (copied.state, copied.code) == (RecordState.QUARANTINED, "taxi.sequence_reused")
    assert state_of(town) == ([("2026-10", 2, 1430)], [])


def test_a_clock_that_is_a_day_off_waits_for_a_clerk(town: PluginHub) -> None:
    """The ride is on the clerk's page and in no month; accepted after the close it is paid in the next one."""
    deliver(town, 1)
    verdict = deliver(town, 2, seq=2, days=1, clock=ClockState.QUARANTINED, skew=timedelta(days=1))
    assert (verdict.state, verdict.code) == (RecordState.QUARANTINED, "taxi.held")
    town.run_job("close-month", MONTH)
    assert state_of(town) == ([], [PAID])
    clerk = town.staff("clerk", persona="adult")
    assert str(UUID(int=2)) in clerk.get("/counter/taxi/").get_data(as_text=True)
    clerk.post("/counter/taxi/decide", {"ride": str(UUID(int=2)), "act": "accept"})
    with tables(town) as database:
        assert held.held(database) == []
    assert state_of(town) == ([("2026-11", 1, 715)], [PAID])


@pytest.mark.postgres
def test_a_ride_that_arrives_during_the_close(make_hub: MakeHub, request: pytest.FixtureRequest) -> None:
    """A ride that comes in while the job's transaction is open on PostgreSQL waits for it, and is in the next month."""
    hub = with_cabs(make_hub, fresh_database(request.getfixturevalue("postgres_server")))
    deliver(hub, 1)
    judged, go_on, answered = threading.Event(), threading.Event(), threading.Event()
    verdicts: list[Any] = []

    def close() -> None:
        with hub.hub.database.writing() as session:
            hub.hub.plugins.run_job("taxi", "close-month", MONTH, session, hub.clock())
            judged.set()
            go_on.wait(20)

    def upload() -> None:
        verdicts.append(deliver(hub, 2, seq=2, days=1))
        answered.set()

    threads = [threading.Thread(target=act) for act in (close, upload)]
    threads[0].start()
    assert judged.wait(20)
    threads[1].start()
    early = answered.wait(0.5)
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert (early, [verdict.state for verdict in verdicts]) == (False, [RecordState.ACCEPTED])
    assert state_of(hub) == ([("2026-11", 1, 715)], [PAID])
    hub.run_job("close-month", {"month": "2026-11"})
    assert state_of(hub) == ([], [("2026-11", 1, 715), PAID])


_CLOSES = """
import os, signal, sys
from pathlib import Path
from mykey_core.hub import open_hub
from mykey_core.settings import load_settings
from mykey_taxi import closing
from mykey_taxi.settlement.close import MonthClose
from mykey_testkit.clock import ManualClock

config, point = Path(sys.argv[1]), sys.argv[2]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def after(owner, name):
    real = getattr(owner, name)
    def run(*args, **kw):
        real(*args, **kw)
        die()
    setattr(owner, name, run)

if point == "begun": MonthClose.run = die
if point == "closed": after(MonthClose, "run")
if point == "documents": after(closing, "documents")
hub = open_hub(load_settings(config), ManualClock())
with hub.database.writing() as session:
    hub.plugins.run_job("taxi", "close-month", {"month": "2026-10"}, session, ManualClock()())
    if point == "uncommitted": die()
die()
"""


@pytest.mark.parametrize("point", ["begun", "closed", "documents", "uncommitted", "committed"])
def test_a_hub_killed_during_the_close(town: PluginHub, point: str) -> None:
    """SIGKILL of a process that runs the job: the month is open or closed, never between; the job again ends it."""
    deliver(town, 1)
    command = [sys.executable, "-c", _CLOSES, str(town.config), point]
    killed = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    town.restart()
    done = point == "committed"
    assert state_of(town) == (([], [PAID]) if done else ([PAID], []))
    for _ in range(2):
        town.run_job("close-month", MONTH)
        with tables(town) as database:
            assert [(one.cycle, one.rides, one.due_yen) for one in closed_months(database)] == [PAID]
