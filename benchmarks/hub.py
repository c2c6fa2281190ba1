"""P5 and P10: the hub as a server. Which server answers most durable taps, and what a start costs.

P5   The same server over loopback HTTP: taps a second with durable PostgreSQL (synchronous_commit on) against a
     WSGI application that does the cryptography only. For waitress, granian and (where it is installed, it is no
     dependency of ours) gunicorn with threads; rounds are interleaved, every answer is checked, 16 keep-alive
     connections from one process.
P10  Wall seconds until `create_app` is there, with every installed plugin, and the memory of that process, against
     FLOOR-S: a program that only imports Flask, SQLAlchemy, x509, pluggy and joserfc. Interleaved. Both with the
     bytecode that an installation has: a checkout with PYTHONDONTWRITEBYTECODE compiles our sources at each start.

FLOOR-S imports what the performance notes name; the hub of P10 has as many plugins as are installed and enabled.
Everything is started from Debian's PostgreSQL in a private folder with fsync on (`MYKEY_PG_BIN` names another one).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from granian.constants import Interfaces
from granian.server import Server
from storage import cryptography_only, over_http, p99, serving
from tap import Ours
from tap_validate import Material, make_material

from mykey_testkit.postgres import OWNER, PostgresServer, server
from mykey_web.demo.town import make_town

ROUNDS = 7
TARGET_P5, TARGET_TIME, TARGET_MEMORY = 0.40, 2.0, 1.6
_PATIENCE = 30.0
_FLOOR_S = "import flask, sqlalchemy, cryptography.x509, pluggy, joserfc.jwt"
_HUB = """
import sys
from pathlib import Path
from mykey_web.operations.start import collector_waiting
with collector_waiting():  # as a worker process of `mykey serve` does it
    from mykey_core.hub import open_hub
    from mykey_core.settings import load_settings
    from mykey_web.app import create_app
    hub = open_hub(load_settings(Path(sys.argv[1])))
    app = create_app(hub)
"""
_TELL = """
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(time.perf_counter() - began, int(peak.split()[1]) / 1024)
"""


@contextmanager
def forked(serve: Callable[[int], None]) -> Iterator[int]:
    """A server in a process group of its own; its port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        try:
            serve(port)
        finally:
            os._exit(0)
    try:
        _wait(port)
        yield port
    finally:
        os.killpg(pid, signal.SIGTERM)
        time.sleep(0.3)
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _granian(app: Callable[..., Any], port: int, workers: int) -> None:
    """Forked workers, so that the application need not be importable; `mykey serve` starts them anew instead."""
    multiprocessing.set_start_method("fork", force=True)
    served = Server(
        "hub:application", address="127.0.0.1", port=port, interface=Interfaces.WSGI, workers=workers,
        blocking_threads=8, websockets=False, log_enabled=False,
    )  # fmt: skip
    served.serve(target_loader=lambda *_: app, wrap_loader=False)


def _gunicorn(app: Callable[..., Any], port: int, workers: int) -> None:
    from gunicorn.app.base import BaseApplication  # noqa: PLC0415 - not everybody has it

    class Application(BaseApplication):  # type: ignore[misc]  # no types
        def load_config(self) -> None:
            options = {"bind": f"127.0.0.1:{port}", "workers": workers, "threads": 8, "worker_class": "gthread"}
            for name, value in {**options, "keepalive": 75, "loglevel": "critical"}.items():
                self.cfg.set(name, value)

        def load(self) -> Callable[..., Any]:
            return app

    Application().run()


def _wait(port: int) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("the server did not start")


SERVERS: dict[str, Callable[[Callable[..., Any]], Any]] = {
    "waitress, 1 process": serving,
    "granian, 1 process": lambda app: forked(lambda port: _granian(app, port, 1)),
    "granian, 2 processes": lambda app: forked(lambda port: _granian(app, port, 2)),
}
if find_spec("gunicorn"):
    SERVERS |= {
        "gunicorn, 1 process": lambda app: forked(lambda port: _gunicorn(app, port, 1)),
        "gunicorn, 2 processes": lambda app: forked(lambda port: _gunicorn(app, port, 2)),
    }


def p5(running: PostgresServer, material: Material, rounds: int, count: int) -> None:
    """Print a line for each server."""
    with tempfile.TemporaryDirectory() as name:
        running.execute(f"CREATE DATABASE hub OWNER {OWNER}")
        ours = Ours(Path(name), material, "", (running.url("hub"), running.url("hub", OWNER)))
        bare = [
            ("/", b'{"case":%d,"token":%s}' % (number, case.text.encode()))
            for number, case in enumerate(material.cases[:count])
        ]
        floor_app = cryptography_only(material)
        found: dict[str, list[tuple[float, float, float]]] = {title: [] for title in SERVERS}
        for _ in range(rounds):
            for title, serve in SERVERS.items():
                ours.forget_certificates()
                requests = ours.prepare()[:count]
                ours.database.dispose()  # no connection goes through the fork
                with serve(floor_app) as port:
                    floor, _ = over_http(port, bare)
                with serve(ours.app) as port:
                    taps, times = over_http(port, requests)
                found[title].append((count / floor, count / taps, p99(times)))
        for title, results in found.items():
            _show_p5(title, results)


def _show_p5(title: str, results: list[tuple[float, float, float]]) -> None:
    floor, taps, slow = (statistics.median(result[column] for result in results) for column in range(3))
    ratio = statistics.median(result[1] / result[0] for result in results)
    print(
        f"P5 {title:22} cryptography only {floor:6.0f}/s, durable taps {taps:6.0f}/s, ratio {ratio:5.2f} "
        f"(>= {TARGET_P5}), p99 {slow:6.1f} ms"
    )


def p10(rounds: int) -> None:
    """Print the lines of P10."""
    with tempfile.TemporaryDirectory() as name:
        town = make_town(Path(name) / "town", "http://127.0.0.1:8000", datetime.now(UTC))
        bytecode = Path(name) / "bytecode"

        def both() -> tuple[tuple[float, float], tuple[float, float]]:
            return _started(bytecode, _FLOOR_S), _started(bytecode, _HUB, str(town.config))

        both()  # writes the bytecode
        results = [both() for _ in range(rounds)]
    seconds = [statistics.median(pair[which][0] for pair in results) for which in (0, 1)]
    megabytes = [statistics.median(pair[which][1] for pair in results) for which in (0, 1)]
    ratio = statistics.median(ours[0] / floor[0] for floor, ours in results)
    memory = statistics.median(ours[1] / floor[1] for floor, ours in results)
    plugins = len(entry_points(group="mykey.plugins"))
    print(
        f"P10 cold start         FLOOR-S {seconds[0] * 1e3:5.0f} ms, hub with {plugins} plugins installed "
        f"{seconds[1] * 1e3:5.0f} ms, ratio {ratio:5.2f} (<= {TARGET_TIME})"
    )
    print(
        f"P10 worker memory      FLOOR-S {megabytes[0]:5.0f} MB, hub {megabytes[1]:5.0f} MB, "
        f"ratio {memory:5.2f} (<= {TARGET_MEMORY})"
    )


def _started(bytecode: Path, code: str, *arguments: str) -> tuple[float, float]:
    """(seconds, megabytes) of a fresh interpreter that runs `code`; what it compiles it keeps in `bytecode`."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(bytecode)
    program = f"import time; began = time.perf_counter()\n{code}\n{_TELL}"
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True, env=environment
    )
    seconds, megabytes = done.stdout.split()
    return float(seconds), float(megabytes)


def main() -> None:
    """Print the lines that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["p5", "p10"], action="append")
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    wanted = arguments.only or ["p5", "p10"]
    if "p10" in wanted:
        p10(arguments.rounds)
    if "p5" in wanted:
        material = make_material(arguments.count)
        with server(options=()) as running:
            p5(running, material, arguments.rounds, arguments.count)


if __name__ == "__main__":
    main()
