"""`mykey serve`: the hub in production, by granian; `mykey hub serve` is the same hub in one process, by waitress."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from granian.constants import Interfaces
from granian.server import Server

from mykey_core.errors import MykeyError
from mykey_core.logs import FORMATS, configure_logs
from mykey_core.settings import load_settings
from mykey_web.operations.environment import CONFIG, LOGS, TOWNS

_TARGET = "mykey_web.operations.start:application"


@click.command()
@click.option(
    "--config", type=click.Path(path_type=Path), default=Path("hub.toml"), show_default=True, help="The hub's settings."
)
@click.option("--towns", type=click.Path(path_type=Path), help="Serve the towns of this file, in place of --config.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes.")
@click.option("--threads", type=click.IntRange(1, 128), default=8, show_default=True, help="Threads of each process.")
@click.option("--logs", type=click.Choice(FORMATS), default="json", show_default=True)
def serve(config: Path, towns: Path | None, host: str, port: int, workers: int, threads: int, logs: str) -> None:
    """Serve the hub in production; a proxy in front of it terminates TLS."""
    try:
        _check(config, towns)
    except MykeyError as error:
        raise click.ClickException(str(error)) from error
    _check_port(host, port)
    configure_logs(logs)
    multiprocessing.set_start_method("spawn", force=True)  # a fork would share what a library began in this process
    os.environ[CONFIG] = str(config.resolve())
    os.environ[LOGS] = logs
    if towns is not None:
        os.environ[TOWNS] = str(towns.resolve())
    with _shared_counts(workers):
        server = Server(
            _TARGET, address=host, port=port, interface=Interfaces.WSGI, workers=workers, blocking_threads=threads,
            websockets=False, factory=True, log_enabled=False, respawn_failed_workers=True, workers_kill_timeout=30,
        )  # fmt: skip
        server.on_startup(lambda: _announce(host, port))
        server.serve()


def _check(config: Path, towns: Path | None) -> None:
    """What is wrong with the files is said here, once, and not by every worker."""
    if towns is None:
        load_settings(config)
        return
    from mykey_web.tenants import read_towns  # noqa: PLC0415 - brings the whole application, which workers load

    for town in read_towns(towns).town.values():
        load_settings(towns.parent / town.config)


def _check_port(host: str, port: int) -> None:
    """Whether the port can be had: the server itself would answer with a backtrace."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        socket.create_server(address[:2], family=family).close()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        message = f"port {port} of {host} cannot be had ({reason}): end what listens there, or name another --port"
        raise click.ClickException(message) from error


@contextmanager
def _shared_counts(workers: int) -> Iterator[None]:
    """Several processes count together, by files that prometheus-client keeps; it reads the variable on import."""
    if workers == 1 or "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="mykey-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        yield


def _announce(host: str, port: int) -> None:
    click.echo(json.dumps({"ready": f"http://{host}:{port}"}))
    sys.stdout.flush()
