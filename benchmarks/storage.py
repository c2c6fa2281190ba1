"""P4, P5 and P7: what durability costs, as ratios within one run.

P7  SQLite FULL, one process, 16 waiters: group commit against one commit per tap, for the writes of a tap and for
    whole taps through the hub's WSGI application; the 99th percentile beside it.
P4  PostgreSQL with synchronous commit: wall time of a whole tap in this process against FLOOR-T, which is bare WSGI,
    JSON, parse and two verifications, and one prepared select and one autocommit insert by the raw driver.
P5  The same server over loopback HTTP: taps a second with durable PostgreSQL against cryptography only.

PostgreSQL is started from Debian's programs in a private folder with fsync on (`MYKEY_PG_BIN` names another folder).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mykey_core.audit.records import append
from mykey_core.storage.database import Database, SqliteDatabase
from mykey_core.storage.session import Session
from mykey_core.taps import store
from uuid_utils.compat import uuid7

from tap import MUNICIPALITY, Ours, _call, _environ
from tap_validate import Material, make_material

WAITERS = 16
ROUNDS = 7
TARGET_P7 = 2.5


class OneCommitEach:
    """What group commit is compared with: the same writing session, one transaction a unit, one unit at a time."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._session = database._connect()  # noqa: SLF001 - the same kind of session
        self._lock = threading.Lock()

    def run(self, work: Callable[[Session], Any]) -> Any:
        """One unit."""
        with self._lock:
            self._session.begin()
            try:
                result = work(self._session)
            except BaseException:
                self._session.roll_back()
                raise
            self._session.commit()
            return result


@contextmanager
def one_commit_each(database: Database) -> Iterator[None]:
    """Let `database` commit each unit alone."""
    assert isinstance(database, SqliteDatabase)
    kept, database._group = database._group, OneCommitEach(database)  # type: ignore[assignment]  # noqa: SLF001
    yield
    database._group._session.connection.close()  # type: ignore[union-attr]  # noqa: SLF001
    database._group = kept  # noqa: SLF001


def in_threads(count: int, work: Callable[[int], None], waiters: int = WAITERS) -> tuple[float, list[float]]:
    """`count` calls of `work` from `waiters` threads: seconds in all, and the seconds of each call."""
    numbers = iter(range(count))
    lock = threading.Lock()
    times: list[float] = []

    def loop() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            begin = time.perf_counter()
            work(number)
            times.append(time.perf_counter() - begin)

    threads = [threading.Thread(target=loop) for _ in range(waiters)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begin, times


def p99(times: list[float]) -> float:
    """Milliseconds that 99 % of the calls stay below."""
    return statistics.quantiles(times, n=100)[98] * 1000


def tap_writes(ours: Ours, count: int) -> Callable[[int], None]:
    """The writes of `count` prepared taps: lock, audit record, result; the nth by its number."""
    requests = ours.prepare()[:count]
    from uuid import UUID

    ids = [UUID(path.split("/")[-2]) for path, _ in requests]
    now = ours.hub.clock()
    facts = {"terminal": str(uuid7()), "service": "bench", "code": "bench.done", "subject": "s" * 43}

    def write(number: int) -> None:
        def unit(session: Session) -> None:
            assert store.take(session, MUNICIPALITY, ids[number])
            append(session, MUNICIPALITY, now, "tap.done", facts)
            store.finish(session, MUNICIPALITY, ids[number], "done", {"outcome": "done"})

        ours.database.commit(unit)

    return write


def whole_taps(ours: Ours, count: int) -> Callable[[int], None]:
    """`count` whole taps through the WSGI application."""
    environments = [_environ(path, body, "bench-token") for path, body in ours.prepare()[:count]]

    def tap(number: int) -> None:
        status, _ = _call(ours.app, environments[number])
        assert status.startswith("200"), status

    return tap


def p7(material: Material, rounds: int, count: int) -> None:
    """Print both lines of P7."""
    with tempfile.TemporaryDirectory() as name:
        ours = Ours(Path(name), material, "FULL")
        for title, make in (("writes of a tap", tap_writes), ("whole tap", whole_taps)):
            grouped, single, slow, ratios = [], [], [], []
            for _ in range(rounds):
                work = make(ours, count)
                with one_commit_each(ours.database):
                    alone, _ = in_threads(count, work)
                together, times = in_threads(count, make(ours, count))
                single.append(count / alone)
                grouped.append(count / together)
                ratios.append(alone / together)
                slow.append(p99(times))
            print(
                f"P7 {title:20} SQLite FULL, {WAITERS} waiters: one commit each {statistics.median(single):7.0f}/s, grouped "
                f"{statistics.median(grouped):7.0f}/s, ratio {statistics.median(ratios):5.2f} (>= {TARGET_P7}), "
                f"p99 {statistics.median(slow):6.1f} ms (<= 50)"
            )


def main() -> None:
    """Print the lines that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["p4", "p5", "p7"], action="append")
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    wanted = arguments.only or ["p7", "p4", "p5"]
    material = make_material(arguments.count)
    if "p7" in wanted:
        p7(material, arguments.rounds, arguments.count)


if __name__ == "__main__":
    main()
