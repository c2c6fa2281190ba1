"""P16: a month of one million rides settled: judged, stored, statements, invoices, CSV, PDF and transfer file.

    python benchmarks/taxi.py [--rides 1000000] [--rounds 7]

The floor is the sum of the raw steps on the same rides, with `sqlite3` and nothing else: computing the subsidy,
adding up by operator, inserting the verdicts, grouping by operator and day, writing the CSV. The uploaded rides are in
the database before both. Each round measures both in processes of their own. Checked in each: not a yen was lost.
"""

from __future__ import annotations

import argparse
import csv
import gc
import json
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from mykey_core.plugins.database import PluginDatabase, opened
from mykey_core.storage.database import open_database
from mykey_core.storage.migrate import upgrade, version_table_of
from mykey_taxi.register import Operator, Register
from mykey_taxi.rules.civil import day_start, microseconds
from mykey_taxi.rules.packs import shipped_packs
from mykey_taxi.settlement.breakdown import Breakdown
from mykey_taxi.settlement.close import MonthClose
from mykey_taxi.settlement.cycle import Cycle
from mykey_taxi.settlement.documents import Documents
from mykey_taxi.settlement.transfer import PayerAccount, transfer_of
from mykey_taxi.zengin.parse import parse

TOWN = "102016"
MONTH = Cycle(2026, 10)
RIDERS, OPERATORS, TARGET, TARGET_MB = 100_000, 10, 4.0, 300
PAYER = PayerAccount(code="1234567890", name="ﾏｴﾊﾞｼｼ", bank="0128", branch="100", account_type=2, account="0123456")
INSERT = "INSERT INTO taxi_settlement VALUES (?,?,?,?,?,?,?,?,?,?)"


class Stopwatch:
    """Seconds by name, of the clock and of the processor."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cpu: dict[str, float] = {}

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Measure a block."""
        begin, cpu = time.perf_counter(), time.process_time()
        yield
        self.seconds[name] = time.perf_counter() - begin
        self.cpu[name] = time.process_time() - cpu


def rides(count: int) -> Iterator[tuple[Any, ...]]:
    """`count` rides of the month as rows of `taxi_ride`; one in five is shared, some are outside the hours."""
    chance = random.Random(10)  # noqa: S311 - the same rides in every run
    start, minutes = day_start(MONTH.first_day), 680  # from 06:55 to 18:15 every day
    received = microseconds(datetime(2026, 11, 2, tzinfo=UTC))
    for number in range(count):
        day, minute = divmod(number * 31 * minutes // count, minutes)
        board = start + (day * 1_440 + 415 + minute) * 60_000_000
        fare = 10 * chance.randint(60, 400)
        party = chance.choices((1, 2, 3), (80, 15, 5))[0]
        names = " ".join(dict.fromkeys(f"r-{chance.randrange(RIDERS):024d}" for _ in range(party)))
        cab = number % 300
        told = (fare, 0, names, 0, "", 0, fare, 0, received, str(MONTH))
        place = (f"op{cab % OPERATORS:02d}", board, board + 900_000_000, "inside", "inside")
        yield (TOWN, f"{number:032x}", f"cab-{cab:03d}", number // 300 + 1, *place, *told)


def fill(path: Path, count: int) -> None:
    """The database after a month of uploads."""
    database = open_database(f"sqlite:///{path}")
    upgrade(database.engine, "mykey_taxi", version_table_of("taxi"))
    database.dispose()
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA journal_mode=WAL")
    raw.executemany(f"INSERT INTO taxi_ride VALUES ({','.join('?' * 19)})", rides(count))  # noqa: S608 - question marks
    people = [(TOWN, f"r-{number:024d}", f"{number:043d}", 0) for number in range(RIDERS)]
    raw.executemany("INSERT INTO taxi_rider VALUES (?,?,?,?)", people)
    spans = [(TOWN, row[1], "2026-04-01", None, "age>=75", "", 0) for row in people]
    raw.executemany("INSERT INTO taxi_registration VALUES (?,?,?,?,?,?,?)", spans)
    raw.commit()
    raw.close()


def floor(path: Path, folder: Path) -> Stopwatch:
    """The raw steps."""
    gc.disable()  # as in the close: the floor is what the steps cost, not the search for cycles
    folder.mkdir()
    raw, watch = sqlite3.connect(path), Stopwatch()
    query = "SELECT ride_id, operator_id, board_at, meter_yen, discount_yen, riders FROM taxi_ride ORDER BY board_at"
    given = raw.execute(query).fetchall()
    with watch.measure("subsidy"):
        amounts = [
            min((m - d) // 2, 1000) if " " not in r else min(500 * (r.count(" ") + 1), m - d)
            for _, _, _, m, d, r in given
        ]
    with watch.measure("aggregate"):
        sums: dict[str, int] = {}
        for row, amount in zip(given, amounts, strict=True):
            sums[row[1]] = sums.get(row[1], 0) + amount
    with watch.measure("insert"):
        hash_ = "0" * 64
        raw.executemany(
            INSERT,
            ((TOWN, row[0], None, a, row[3] - a, 1, 0, None, 0, hash_) for row, a in zip(given, amounts, strict=True)),
        )
        raw.commit()
    with watch.measure("group by operator and day"):
        raw.execute(
            "SELECT r.operator_id, r.board_at / 86400000000, count(*), sum(s.subsidy_yen) FROM taxi_ride r "
            "JOIN taxi_settlement s USING (municipality, ride_id) GROUP BY 1, 2"
        ).fetchall()
    with watch.measure("csv"), (folder / "floor.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows((*row, amount) for row, amount in zip(given, amounts, strict=True))
    raw.close()
    return watch


def ours(path: Path, folder: Path) -> Stopwatch:
    """The close of the month, and its documents, as `mykey taxi close` makes them."""
    watch = Stopwatch()
    hub = open_database(f"sqlite:///{path}", TOWN)

    @contextmanager
    def begin() -> Iterator[PluginDatabase]:
        with hub.writing() as session, opened("taxi", "taxi_", TOWN, session, granted=True) as database:
            yield database

    with begin() as database:
        register = Register(database)
        for number in range(OPERATORS):
            account = ("0128", "101", 1, f"{number:07d}", str(1000 + number))
            register.put_operator(Operator(f"op{number:02d}", f"タクシー{number}", "ｶ)ﾀｸｼ-", *account))
    packs = shipped_packs()
    now = datetime(2026, 11, 6, tzinfo=UTC) + timedelta(days=1)
    with Breakdown(folder, str(MONTH)) as rides_:
        with watch.measure("judge, store, add up, CSV"):
            month = MonthClose(begin, packs, MONTH, listener=rides_).run(now)
        with watch.measure("other documents"):
            with begin() as database:
                operators = Register(database).operators()
            transfer = transfer_of(month, PAYER, operators, date(2026, 11, 30))
            assert transfer is not None
            Documents(begin, month, folder, programme="マイタク").write(transfer.content, rides_)
    assert parse(transfer.content).total == month.due_yen == month.subsidy_yen
    hub.dispose()
    return watch


def measured(part: str, path: Path, folder: Path) -> dict[str, Any]:
    """One measurement in a process of its own, so that memory and the state of the interpreter are its own."""
    program = [sys.executable, __file__, "--part", part, "--files", str(path), str(folder)]
    done = subprocess.run(program, check=True, capture_output=True, text=True)  # noqa: S603 - this program
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def measure(part: str, path: Path, folder: Path) -> None:
    """What `measured` asks for, as JSON."""
    watch = {"raw": floor, "ours": ours}[part](path, folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"wall": watch.seconds, "cpu": watch.cpu, "mb": peak}))


def rounds_of(count: int, rounds: int) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(raw, ours) of each round, one after the other, each on a fresh copy of the same database."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder, given = Path(name), Path(name) / "given.sqlite3"
        fill(given, count)
        for number in range(rounds):
            pair = []
            for part in ("raw", "ours"):
                shutil.copy(given, folder / "used.sqlite3")
                pair.append(measured(part, folder / "used.sqlite3", folder / "documents"))
                for path in folder.glob("used.sqlite3*"):
                    path.unlink()
                shutil.rmtree(folder / "documents", ignore_errors=True)
            found.append((pair[0], pair[1]))
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return found


def report(count: int, found: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    """The medians."""
    for index, title in enumerate(("raw", "ours")):
        parts = [pair[index] for pair in found]
        for step in parts[0]["wall"]:
            wall, cpu = (median(part[kind][step] for part in parts) for kind in ("wall", "cpu"))
            print(f"{title:5} {step:28} {wall:7.2f} s, processor {cpu:7.2f} s")
    ratios = {
        kind: median(sum(ours_[kind].values()) / sum(raw[kind].values()) for raw, ours_ in found)
        for kind in ("wall", "cpu")
    }
    peak = max(ours_["mb"] for _, ours_ in found)
    print(f"P16 {count:,} rides, medians of {len(found)} interleaved rounds, SQLite WAL with synchronous=FULL:")
    times = f"{ratios['wall']:.2f} x raw by the clock, {ratios['cpu']:.2f} x by the processor (<= {TARGET})"
    print(f"{times}, peak memory {peak:.0f} MB (<= {TARGET_MB})")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rides", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--part", choices=["raw", "ours"], help=argparse.SUPPRESS)
    parser.add_argument("--files", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        measure(options.part, *options.files)
    else:
        report(options.rides, rounds_of(options.rides, options.rounds))


if __name__ == "__main__":
    main()
