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
import http.client
import json
import logging
import os
import signal
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import waitress
from tap import MUNICIPALITY, Ours, _call, _environ, body_serial
from tap_validate import Material, floor_validate, make_material

from mykey_core.audit.records import append, records_since
from mykey_core.storage.database import Database, SqliteDatabase
from mykey_core.storage.session import Session
from mykey_core.taps import store
from mykey_testkit.postgres import OWNER, PostgresServer, server

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
    database._group._session.close()  # type: ignore[union-attr]  # noqa: SLF001
    database._group = kept  # noqa: SLF001


def in_threads(count: int, work: Callable[[int], None], waiters: int = WAITERS) -> tuple[float, list[float]]:
    """`count` calls of `work` from `waiters` threads: seconds in all, and the seconds of each call."""
    numbers = iter(range(count))
    lock = threading.Lock()
    times: list[float] = []
    failed: list[BaseException] = []

    def loop() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            begin = time.perf_counter()
            try:
                work(number)
            except BaseException as error:  # noqa: BLE001 - raised again below
                failed.append(error)
                return
            times.append(time.perf_counter() - begin)

    threads = [threading.Thread(target=loop) for _ in range(waiters)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return time.perf_counter() - begin, times


def p99(times: list[float]) -> float:
    """Milliseconds that 99 % of the calls stay below."""
    return statistics.quantiles(times, n=100)[98] * 1000


def tap_writes(ours: Ours, count: int) -> Callable[[int], None]:
    """The writes of `count` prepared taps: lock, audit record, result; the nth by its number."""
    requests = ours.prepare()[:count]
    ids = [UUID(path.split("/")[-2]) for path, _ in requests]
    now = ours.hub.clock()
    whole_taps(ours, 1)(0)  # its record shows what the audit holds of a tap
    with ours.database.reading() as session:
        facts = records_since(session, MUNICIPALITY, now)[-1].facts

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
                f"P7 {title:20} SQLite FULL, {WAITERS} waiters: one each {statistics.median(single):7.0f}/s, grouped "
                f"{statistics.median(grouped):7.0f}/s, ratio {statistics.median(ratios):5.2f} (>= {TARGET_P7}), "
                f"p99 {statistics.median(slow):6.1f} ms (<= 50)"
            )


class PostgresFloor:
    """FLOOR-T on PostgreSQL: bare WSGI, JSON, FLOOR-C, a prepared select and an autocommit insert by psycopg."""

    def __init__(self, server: PostgresServer, material: Material) -> None:
        self._cases = material.cases
        self._ca_key = material.ca.public_key()
        server.execute("CREATE DATABASE floor")
        self._db = psycopg.connect(server.dsn("floor"), autocommit=True, prepare_threshold=0)
        self._db.execute("CREATE TABLE link (serial bytea PRIMARY KEY, subject text)")
        self._db.execute(
            "CREATE TABLE tap (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, subject text, at bigint)"
        )
        rows = [(body_serial(case), str(number)) for number, case in enumerate(self._cases)]
        self._db.cursor().executemany("INSERT INTO link VALUES (%s, %s)", rows)

    def app(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """WSGI."""
        body = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        case = self._cases[body["case"]]
        floor_validate(case, self._ca_key)  # type: ignore[arg-type]
        row = self._db.execute("SELECT subject FROM link WHERE serial = %s", (body_serial(case),)).fetchone()
        assert row is not None
        self._db.execute("INSERT INTO tap (subject, at) VALUES (%s, %s)", (row[0], 1))
        answer = json.dumps({"state": "done", "subject": row[0]}).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
        return [answer]

    def environments(self) -> list[dict[str, Any]]:
        """One request for each case."""
        texts = [b'{"case":%d,"token":%s}' % (number, case.text.encode()) for number, case in enumerate(self._cases)]
        return [_environ("/", text, "t") for text in texts]


def wall(app: Callable[..., Any], environments: list[dict[str, Any]]) -> list[float]:
    """Wall seconds of each request."""
    times = []
    for environ in environments:
        begin = time.perf_counter()
        status, answer = _call(app, environ)
        times.append(time.perf_counter() - begin)
        assert status.startswith("200"), answer[:300]
    return times


def p4(server: PostgresServer, material: Material, rounds: int, count: int) -> None:
    """Print the line of P4."""
    with tempfile.TemporaryDirectory() as name:
        server.execute(f"CREATE DATABASE p4 OWNER {OWNER}")
        floor = PostgresFloor(server, material)
        ours = Ours(Path(name), material, "", (server.url("p4"), server.url("p4", OWNER)))
        results = []
        for _ in range(rounds):
            ours.forget_certificates()
            requests = [_environ(path, body, "bench-token") for path, body in ours.prepare()[:count]]
            results.append((wall(floor.app, floor.environments()[:count]), wall(ours.app, requests)))
        floor_us = statistics.median(statistics.mean(result[0]) for result in results) * 1e6
        ours_us = statistics.median(statistics.mean(result[1]) for result in results) * 1e6
        ratio = statistics.median(statistics.mean(result[1]) / statistics.mean(result[0]) for result in results)
        slow = statistics.median(p99(result[1]) for result in results)
        print(
            f"P4 whole tap, wall     PostgreSQL synchronous: floor {floor_us:7.0f} us, ours {ours_us:7.0f} us, "
            f"ratio {ratio:5.2f} (<= 1.4), p99 {slow:6.1f} ms"
        )
        ours.database.dispose()


@contextmanager
def serving(app: Callable[..., Any]) -> Iterator[int]:
    """A process of its own that serves `app` with waitress on loopback; its port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    pid = os.fork()
    if pid == 0:
        try:
            logging.getLogger("waitress").setLevel(logging.ERROR)
            waitress.serve(app, sockets=[listener], threads=8, _quiet=True)
        finally:
            os._exit(0)
    port: int = listener.getsockname()[1]
    listener.close()
    try:
        yield port
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def over_http(port: int, requests: list[tuple[str, bytes]]) -> tuple[float, list[float]]:
    """All requests from 16 keep-alive connections: seconds in all, and of each."""
    local = threading.local()

    def send(number: int) -> None:
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection("127.0.0.1", port)
        path, body = requests[number]
        headers = {"Content-Type": "application/json", "Authorization": "Bearer bench-token", "Accept-Language": "ja"}
        local.connection.request("POST", path, body, headers)
        answer = local.connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content[:300]  # noqa: PLR2004

    return in_threads(len(requests), send)


def cryptography_only(material: Material) -> Callable[..., Any]:
    """WSGI: JSON, FLOOR-C, JSON."""
    ca_key = material.ca.public_key()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        body = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        floor_validate(material.cases[body["case"]], ca_key)  # type: ignore[arg-type]
        answer = json.dumps({"state": "done"}).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
        return [answer]

    return app


def p5(server: PostgresServer, material: Material, rounds: int, count: int) -> None:
    """Print the line of P5."""
    with tempfile.TemporaryDirectory() as name:
        server.execute(f"CREATE DATABASE p5 OWNER {OWNER}")
        ours = Ours(Path(name), material, "", (server.url("p5"), server.url("p5", OWNER)))
        bare = [
            ("/", b'{"case":%d,"token":%s}' % (number, case.text.encode()))
            for number, case in enumerate(material.cases[:count])
        ]
        results = []
        for _ in range(rounds):
            ours.forget_certificates()
            requests = ours.prepare()[:count]
            ours.database.dispose()  # no connection goes through the fork
            with serving(cryptography_only(material)) as port:
                floor, _ = over_http(port, bare)
            with serving(ours.app) as port:
                taps, times = over_http(port, requests)
            results.append((count / floor, count / taps, p99(times)))
        floor_rate, rate, slow = (statistics.median(result[column] for result in results) for column in range(3))
        ratio = statistics.median(result[1] / result[0] for result in results)
        print(
            f"P5 taps over HTTP      PostgreSQL synchronous, waitress: cryptography only {floor_rate:6.0f}/s, "
            f"taps {rate:6.0f}/s, ratio {ratio:5.2f} (>= 0.40), p99 {slow:6.1f} ms"
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
    if {"p4", "p5"} & set(wanted):
        with server(options=()) as running:
            if "p4" in wanted:
                p4(running, material, arguments.rounds, arguments.count)
            if "p5" in wanted:
                p5(running, material, arguments.rounds, arguments.count)


if __name__ == "__main__":
    main()
