"""Starting the hub and the terminal's agent as processes of their own, and ending them by their process id."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import httpx

_PATIENCE = 20.0  # seconds until a process must have said that it is ready
_LOWEST_PORT, _PORTS, _TRIES = 20_000, 12_000, 100
_MYKEY = (sys.executable, "-m", "mykey_core")


class ProcessFailed(RuntimeError):
    """A process ended or said nothing; its log is in the demo's folder."""


def free_port() -> int:
    """A port of the loopback interface that nobody uses at this moment.

    It lies below those from which systems take the ports of connections (Linux: 32768), or such a connection could
    have it when a hub that was killed starts again.
    """
    for _ in range(_TRIES):
        port = _LOWEST_PORT + secrets.randbelow(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise ProcessFailed("no port is free")


class Child:
    """A `mykey` process whose first line on standard output is JSON and says that it is ready."""

    def __init__(
        self,
        arguments: Sequence[str],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        announces: bool = True,
        told: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        """`told` gets what the process announces after its first line."""
        self._log = log
        self._told = told
        with log.open("ab") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - our own program with our own arguments
                [*_MYKEY, *arguments],
                stdout=subprocess.PIPE,
                stderr=errors,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **(environment or {})},
                start_new_session=True,  # Ctrl-C at the keyboard reaches the demo, which ends its children itself
            )
        self.announcement: dict[str, Any] = self._first_line() if announces else {}

    def _first_line(self) -> dict[str, Any]:
        lines: list[bytes] = []
        output = self._process.stdout
        if output is None:
            raise ProcessFailed("the process has no output")
        reader = threading.Thread(target=lambda: lines.append(output.readline()), daemon=True)
        reader.start()
        reader.join(_PATIENCE)
        if not lines or not lines[0].strip():
            self.stop()
            raise ProcessFailed(f"a process did not start: see {self._log}")
        threading.Thread(target=self._listen, args=(output,), daemon=True).start()
        try:
            announcement: dict[str, Any] = json.loads(lines[0])
        except ValueError as error:
            self.stop()
            raise ProcessFailed(f"a process did not start: see {self._log}") from error
        return announcement

    def _listen(self, output: IO[bytes]) -> None:
        """Read on, so that the pipe never fills, and pass on what is announced."""
        for line in output:
            if self._told is not None:
                self._told(json.loads(line))

    @property
    def running(self) -> bool:
        """True while the process lives."""
        return self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL, as a power cut would: no clean-up runs in the process."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """Ask the process to end, and make it after five seconds."""
        if self.running:
            self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()
        if self._process.stdout:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_hub(config: Path, port: int, log: Path, environment: Mapping[str, str] | None = None) -> Child:
    """A hub process that answers on `port`."""
    child = Child(["hub", "serve", "--config", str(config), "--port", str(port)], log, environment=environment)
    _wait_for_answer(f"http://127.0.0.1:{port}/api/v1/openapi.json", child)
    return child


def start_agent(
    state: Path, log: Path, told: Callable[[dict[str, Any]], None] | None = None, *, cards: Path | None = None
) -> Child:
    """The terminal's loopback agent with the tray of virtual cards; `told` hears of each new pairing code.

    Terminals with one folder of `cards` have one tray: a card can be taken from one to the other.
    """
    shared = [] if cards is None else ["--cards", str(cards)]
    return Child(["terminal", "agent", "--state", str(state), "--virtual", *shared], log, told=told)


def run(arguments: Sequence[str], log: Path, *, given: bytes = b"") -> int:
    """Run a `mykey` command to its end; its output goes to `log`, `given` to its standard input."""
    with log.open("ab") as output:
        done = subprocess.run(  # noqa: S603 - our own program with our own arguments
            [*_MYKEY, *arguments], input=given, stdout=output, stderr=output, check=False
        )
    return done.returncode


def enrol_terminal(origin: str, code: str, state: Path, log: Path) -> None:
    """Run `mykey terminal enrol` with the one-time code on its standard input; it is called as its folder is."""
    given = ["--hub", origin, "--name", state.name, "--code-stdin", "--state", str(state)]
    arguments = ["terminal", "enrol", *given]
    if run(arguments, log, given=code.encode() + b"\n"):
        raise ProcessFailed(f"the terminal could not be enrolled: see {log}")


def _wait_for_answer(url: str, child: Child) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and child.running:
        try:
            if httpx.get(url, timeout=2).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise ProcessFailed("the hub does not answer")
