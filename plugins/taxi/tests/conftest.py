"""What the tests of the taxi plugin share: a town's database with riders, cabs and rides."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mykey_core.plugins.database import PluginDatabase, opened
from mykey_core.storage.database import open_database
from mykey_core.storage.migrate import upgrade, version_table_of
from mykey_taxi.intake import Arrival, Receipt, take
from mykey_taxi.register import Operator, Register
from mykey_taxi.rules.civil import parse_instant
from mykey_taxi.rules.packs import PackSeries, shipped_packs
from mykey_taxi.settlement.close import ClosedMonth, MonthClose
from mykey_taxi.settlement.cycle import parse_cycle
from mykey_taxi.upload.record import read_record
from mykey_testkit.postgres import OWNER

TOWN = "102016"
BRANCHES = ("101", "103", "104", "105")
_TEMPLATE = "taxi_template"
_numbers = iter(range(10_000))


class TaxiTown:
    """A town with the taxi plugin's tables, without a hub around them."""

    def __init__(self, url: str, *, migrated: bool = False) -> None:
        self.url = url
        if not migrated:
            maker = open_database(url)
            upgrade(maker.engine, "mykey_taxi", version_table_of("taxi"))
            maker.dispose()
        self.hub = open_database(url, TOWN)
        self.packs: PackSeries = shipped_packs()
        self._sequence: dict[str, int] = {}

    @contextmanager
    def begin(self) -> Iterator[PluginDatabase]:
        """One transaction."""
        with self.hub.writing() as session:
            if self.hub.engine.dialect.name == "sqlite":
                with opened("taxi", "taxi_", TOWN, session, granted=True) as database:
                    yield database
            else:  # the plugin's role is made by the hub's own upgrade, which knows installed plugins only
                yield PluginDatabase("taxi", "taxi_", TOWN, session)

    def add_operators(self, count: int = 2) -> list[str]:
        """Operators `op0`, `op1`, … with accounts at real branches."""
        with self.begin() as database:
            for number in range(count):
                account = ("0128", BRANCHES[number % 4], 1, f"{number + 1:07d}", str(1001 + number))
                entry = Operator(f"op{number}", f"第{number}タクシー", "ｶ)ﾀｸｼ-", *account)
                Register(database).put_operator(entry)
        return [f"op{number}" for number in range(count)]

    def add_rider(self, name: str, first: date = date(2026, 4, 1), last: date | None = None) -> str:
        """A registered rider; `name` becomes the pairwise id."""
        at = datetime(2026, 4, 1, tzinfo=UTC)
        with self.begin() as database:
            register = Register(database)
            rider = register.enrol(name.ljust(43, "x"), at)
            register.add_registration(rider, first, last, ground="age>=75", pack_hash="", at=at)
        return rider

    def ride(
        self,
        riders: Sequence[str],
        board: str,
        *,
        meter: int = 1430,
        minutes: int = 15,
        uploaded: str | None = None,
        operator: str = "op0",
        **members: Any,
    ) -> Receipt:
        """Upload one ride; boarding and upload are Japanese times."""
        start = parse_instant(board)
        terminal = f"cab-{operator}"
        self._sequence[terminal] = self._sequence.get(terminal, 0) + 1
        record = {
            "terminal_id": terminal,
            "seq": self._sequence[terminal],
            "ride_id": f"{operator}-{self._sequence[terminal]}",
            "board_ts": start.isoformat(),
            "alight_ts": (start + timedelta(minutes=minutes)).isoformat(),
            "board_zone": "inside",
            "alight_zone": "inside",
            "meter_yen": meter,
            "riders": list(riders),
            "subsidy_yen": 0,
            "cash_yen": meter,
            **members,
        }
        arrival = Arrival(terminal, operator, parse_instant(uploaded) if uploaded else start + timedelta(hours=1))
        with self.begin() as database:
            return take(database, self.packs, read_record(record), arrival)

    def close(self, month: str, now: str | None = None) -> ClosedMonth:
        """Close a month at its cut-off, or at a Japanese time."""
        cycle = parse_cycle(month)
        return MonthClose(self.begin, self.packs, cycle).run(parse_instant(now) if now else cycle.cut_off)


@pytest.fixture
def quick_folder() -> Iterator[Path]:
    """A folder in memory where the system has one: SQLite waits for the disk at every commit."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own is made there
    with tempfile.TemporaryDirectory(prefix="mykey-taxi-", dir=memory if os.access(memory, os.W_OK) else None) as name:
        yield Path(name)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def taxi_town(request: pytest.FixtureRequest, quick_folder: Path, empty_taxi_database: Path) -> Iterator[TaxiTown]:
    """An empty town with two operators, on each database."""
    if request.param == "sqlite":
        shutil.copy(empty_taxi_database, quick_folder / "taxi.sqlite3")
        town = TaxiTown(f"sqlite:///{quick_folder}/taxi.sqlite3", migrated=True)
    else:
        town = request.getfixturevalue("postgres_town")()
    yield town
    town.hub.dispose()


@pytest.fixture(scope="session")
def postgres_town(request: pytest.FixtureRequest) -> Callable[[], TaxiTown]:
    """Makes towns with two operators on PostgreSQL, copies of one; the caller disposes of them."""
    server = request.getfixturevalue("postgres_server")
    server.execute(f"CREATE DATABASE {_TEMPLATE} OWNER {OWNER}")
    first = TaxiTown(server.url(_TEMPLATE, OWNER))
    first.add_operators()
    first.hub.dispose()

    def make() -> TaxiTown:
        name = f"taxi_{next(_numbers)}"
        server.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} OWNER {OWNER}")
        return TaxiTown(server.url(name, OWNER), migrated=True)

    return make


@pytest.fixture(scope="session")
def empty_taxi_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the plugin's tables and two operators, to be copied."""
    path = tmp_path_factory.mktemp("taxi") / "empty.sqlite3"
    town = TaxiTown(f"sqlite:///{path}")
    town.add_operators()
    town.hub.dispose()
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()
    return path


@pytest.fixture
def fresh_town(empty_taxi_database: Path, quick_folder: Path) -> Callable[[], AbstractContextManager[TaxiTown]]:
    """Makes empty towns, as many as a test wants, each without the migrations' time."""
    numbers = iter(range(1_000_000))

    @contextmanager
    def make() -> Iterator[TaxiTown]:
        path = quick_folder / f"town-{next(numbers)}.sqlite3"
        shutil.copy(empty_taxi_database, path)
        town = TaxiTown(f"sqlite:///{path}", migrated=True)
        try:
            yield town
        finally:
            town.hub.dispose()
            for file in quick_folder.glob(f"{path.name}*"):
                file.unlink()

    return make


_NURSERY = """
import json, os, sys
from mykey_core import hub
from mykey_taxi import closing, plugin
from mykey_testkit import clock

for line in sys.stdin:
    program, *arguments = json.loads(line)
    child = os.fork()
    if child == 0:
        sys.argv[1:] = arguments
        try:
            exec(compile(program, "program", "exec"), {"__name__": "__main__"})
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="session")
def run_apart() -> Iterator[Callable[..., int]]:
    """Runs a program text with arguments in a process of its own, which may kill itself: its exit status.

    The processes are forked from one that has imported what they need, and has no threads and no connections.
    """
    command = [sys.executable, "-c", _NURSERY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as nursery:

        def run(program: str, *arguments: str) -> int:
            assert nursery.stdin is not None
            assert nursery.stdout is not None
            nursery.stdin.write(json.dumps([program, *arguments]) + "\n")
            nursery.stdin.flush()
            return int(nursery.stdout.readline())

        yield run
