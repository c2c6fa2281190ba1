"""Faults through the hub: copied sequences, wrong clocks, uploads during a close, SIGKILL of a process that closes.

Each ends in a state that the clerk's or the administration's page shows.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import UUID

import pytest

from mykey_core.api import ClockState, LongJob, OfflineRecord, PluginDatabase, RecordState
from mykey_taxi import held
from mykey_taxi.closing import closed_months, open_months
from mykey_taxi.register import Cab, Operator, Register
from mykey_taxi.settlement.close import MonthClose
from mykey_taxi.settlement.documents import kept
from mykey_taxi.settlement.settle import MonthSettlement
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
    names = [f"{entry[0][:4]}年{int(entry[0][5:])}月" for entry in (*closed, *waiting)]
    assert [name for name in names if name not in page.get_data(as_text=True)] == []
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


class PausedClose:
    """The job in a thread, stopped once: before the commit of the piece that does `step`, or right after it."""

    def __init__(self, hub: PluginHub, step: str, monkeypatch: pytest.MonkeyPatch, *, inside: bool) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()
        self._hub, self._inside, self._here = hub, inside, False
        real = getattr(MonthClose, step, None) or getattr(MonthSettlement, step)
        owner = MonthClose if hasattr(MonthClose, step) else MonthSettlement

        def noted(*arguments: Any) -> Any:
            self._here = True
            return real(*arguments)

        monkeypatch.setattr(owner, step, noted)
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self.reached.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on.set()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        plugins = self._hub.hub.plugins
        job = plugins.job("taxi", "close-month")
        assert isinstance(job, LongJob)
        plugins.run_long_job("taxi", job, MONTH, self._begin, self._hub.clock())

    @contextmanager
    def _begin(self) -> Iterator[Any]:
        with self._hub.hub.database.writing() as session:
            yield session
            if self._inside:
                self._pause()
        self._pause()

    def _pause(self) -> None:
        if self._here:
            self._here = False
            self.reached.set()
            self.go_on.wait(20)


def uploaded(hub: PluginHub) -> tuple[list[Any], threading.Thread]:
    """A second ride that comes in by a thread: its verdict, once there is one."""
    verdicts: list[Any] = []
    thread = threading.Thread(target=lambda: verdicts.append(deliver(hub, 2, seq=2, days=1)))
    thread.start()
    return verdicts, thread


@pytest.mark.postgres
def test_a_ride_waits_for_the_mark_of_a_month(
    make_hub: MakeHub, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ride that comes in before the first piece of a close is committed waits for it, and is in the next month."""
    hub = with_cabs(make_hub, fresh_database(request.getfixturevalue("postgres_server")))
    deliver(hub, 1)
    with PausedClose(hub, "_mark", monkeypatch, inside=True):
        verdicts, thread = uploaded(hub)
        thread.join(0.5)
        assert thread.is_alive()
    thread.join(30)
    assert [verdict.state for verdict in verdicts] == [RecordState.ACCEPTED]
    assert state_of(hub) == ([("2026-11", 1, 715)], [PAID])
    hub.run_job("close-month", {"month": "2026-11"})
    assert state_of(hub) == ([], [("2026-11", 1, 715), PAID])


@pytest.mark.postgres
@pytest.mark.parametrize("step", ["_store", "_finish"])
def test_on_postgresql_uploads_never_wait_for_a_close(
    make_hub: MakeHub, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """While a piece of the close that writes is not committed, a ride is taken in all the same, for the next month."""
    hub = with_cabs(make_hub, fresh_database(request.getfixturevalue("postgres_server")))
    deliver(hub, 1)
    with PausedClose(hub, step, monkeypatch, inside=True):
        verdicts, thread = uploaded(hub)
        thread.join(10)
        assert [verdict.state for verdict in verdicts] == [RecordState.ACCEPTED]
    assert state_of(hub) == ([("2026-11", 1, 715)], [PAID])


@pytest.mark.parametrize("step", ["_mark", "_store"])
def test_between_the_pieces_of_a_close_rides_are_taken_in(
    town: PluginHub, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """On both databases nothing is held between two pieces; on SQLite an upload waits for one piece at most."""
    deliver(town, 1)
    with PausedClose(town, step, monkeypatch, inside=False):
        verdicts, thread = uploaded(town)
        thread.join(10)
        assert [verdict.state for verdict in verdicts] == [RecordState.ACCEPTED]
    assert state_of(town) == ([("2026-11", 1, 715)], [PAID])


_CLOSES = """
import os, signal, sys
from contextlib import contextmanager
from pathlib import Path
from mykey_core.hub import open_hub
from mykey_core.plugins.handles import Audit
from mykey_core.settings import load_settings
from mykey_taxi import closing
from mykey_testkit.clock import ManualClock

config, point = Path(sys.argv[1]), sys.argv[2]
told = False

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def record(*arguments, real=Audit.record, **members):
    global told
    real(*arguments, **members)
    told = True

@contextmanager
def begin():
    with hub.database.writing() as session:
        yield session
        if point == "mark" or (point == "close" and told):
            die()
    if point == "marked" or (point == "closed" and told):
        die()

Audit.record = record
hub = open_hub(load_settings(config), ManualClock())
job = hub.plugins.job("taxi", "close-month")
hub.plugins.run_long_job("taxi", job, {"month": "2026-10"}, begin, ManualClock()())
die()
"""


@pytest.mark.parametrize(
    ("hub_engine", "point"),
    [
        *(("sqlite", point) for point in ("mark", "marked", "close", "closed", "issued")),
        *(pytest.param("postgres", point, marks=pytest.mark.postgres) for point in ("marked", "close")),
    ],
    indirect=["hub_engine"],
)
def test_a_hub_killed_during_the_close(town: PluginHub, point: str, run_apart: Callable[..., int]) -> None:
    """SIGKILL before and after the first piece's commit, the closing one's, and at the end; the job again ends it.

    The month is open or closed, never between, and the audit log tells of it once.
    """
    deliver(town, 1)
    assert run_apart(_CLOSES, str(town.config), point) == -signal.SIGKILL
    town.restart()
    done = point in {"closed", "issued"}
    assert state_of(town) == (([], [PAID]) if done else ([PAID], []))
    for _ in range(2):
        town.run_job("close-month", MONTH)
        with tables(town) as database:
            assert [(one.cycle, one.rides, one.due_yen) for one in closed_months(database)] == [PAID]
            assert len(kept(database, "2026-10")) == 3
    assert [record.facts["action"] for record in town.audit("plugin.recorded")].count("taxi.month-closed") == 1
