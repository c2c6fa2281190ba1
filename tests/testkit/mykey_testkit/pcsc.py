"""A PC/SC service of one's own: pcscd with the virtual reader driver in private namespaces.

Several run beside each other and beside the host's own: the network (the driver listens on all interfaces), the
socket directory and the configuration are private. Cards are inserted by starting `mykey card simulate` inside.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

VPCD_DRIVER = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
OPENSC_MODULE = Path("/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so")
READERS = ("Virtual PCD 00 00", "Virtual PCD 00 01")
PORTS = (35963, 35964)

_WAIT_SECONDS = 10.0
_CONFIGURATION = f"""FRIENDLYNAME "Virtual PCD"
DEVICENAME /dev/null:0x{PORTS[0]:X}
LIBPATH {VPCD_DRIVER}
CHANNELID 0x{PORTS[0]:X}
"""
_HOLDER = """set -e
mount --make-rprivate /
ip link set lo up
mount -t tmpfs tmpfs /run
mkdir /run/pcscd /run/sshd
mount --bind "$1" /run/pcscd
echo ready
exec sleep infinity
"""
_WAIT_FOR_CARD = """
import sys, time
from mykey_cardap.pcsc.ctypes_backend import CtypesWinscard
from mykey_cardap.pcsc.winscard import ReaderState
reader, present, seconds = sys.argv[1], sys.argv[2] == "1", float(sys.argv[3])
winscard, deadline, state = CtypesWinscard(), time.monotonic() + seconds, ReaderState(sys.argv[1])
context = winscard.establish_context()
while True:
    state = winscard.get_status_change(context, 200, [state])[0]
    if state.exists and state.card_present is present:
        sys.exit(0)
    if time.monotonic() > deadline:
        sys.exit(f"{reader}: the card did not become {'present' if present else 'absent'}")
"""


def missing_programs(*names: str) -> tuple[str, ...]:
    """The programs (or absolute paths of files) of `names` that are not installed here."""
    return tuple(name for name in names if not (Path(name).exists() if "/" in name else _which(name)))


def require_programs(*names: str) -> None:
    """Skip the test when something of `names` is missing; fail instead where `CI` is set."""
    missing = missing_programs(*names)
    if not missing:
        return
    message = f"not installed: {', '.join(missing)}"
    if os.environ.get("CI", "").lower() in {"true", "1"}:
        pytest.fail(message)
    pytest.skip(message)


def require_pcsc(*more: str) -> None:
    """`require_programs` for everything that `PrivatePcscd` itself needs, and for `more`."""
    require_programs("pcscd", "unshare", "nsenter", "ip", str(VPCD_DRIVER), *more)


class PrivatePcscd:
    """One private pcscd with two virtual readers; use it as a context manager.

    Works for root, and for other users where user namespaces are allowed. Programs outside the namespaces reach
    the readers with `environment`, because the socket lies in `directory`.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._socket_directory = directory / "run"
        self._configuration = directory / "readers"
        self._holder: subprocess.Popen[str] | None = None
        self._service: subprocess.Popen[bytes] | None = None
        self._cards: dict[int, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def socket(self) -> Path:
        """Where clients reach the service."""
        return self._socket_directory / "pcscd.comm"

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment plus what a PC/SC client and OpenSC need to stay private."""
        return {
            **os.environ,
            "PCSCLITE_CSOCK_NAME": str(self.socket),
            "OPENSC_CONF": str(self.directory / "opensc.conf"),
            "HOME": str(self.directory),
        }

    # -- life ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Make the namespaces and start the service; returns when it answers."""
        for folder in (self._socket_directory, self._configuration):
            folder.mkdir(parents=True, exist_ok=True)
        (self._configuration / "vpcd").write_text(_CONFIGURATION)
        (self.directory / "opensc.conf").write_text("app default { }\n")
        self._holder = self._make_namespaces()
        self.start_service()

    def stop(self) -> None:
        """End the cards, the service and the namespaces, by their own process ids."""
        for slot in list(self._cards):
            self.remove(slot)
        self.stop_service()
        if self._holder is not None:
            _end(self._holder)
            self._holder = None

    def start_service(self) -> None:
        """Start pcscd in the namespaces that exist already."""
        with (self.directory / "pcscd.log").open("ab") as log:
            command = self.inside(["pcscd", "--foreground", "--config", str(self._configuration)])
            self._service = subprocess.Popen(command, stdout=log, stderr=log)
        _wait_until(self.socket.exists, "pcscd did not start")

    def stop_service(self) -> None:
        """Stop pcscd; the namespaces and the card processes stay (a card finds the next service by itself)."""
        if self._service is not None:
            _end(self._service)
            self._service = None
            self.socket.unlink(missing_ok=True)

    def _make_namespaces(self) -> subprocess.Popen[str]:
        command = ["unshare", *_namespace_options(), "bash", "-c", _HOLDER, "holder"]
        holder = subprocess.Popen(
            [*command, str(self._socket_directory)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert holder.stdout
        if holder.stdout.readline().strip() != "ready":
            _, reason = holder.communicate()
            raise RuntimeError(f"no private namespaces on this computer: {reason.strip()}")
        return holder

    # -- programs and cards inside ------------------------------------------------------------------------

    def inside(self, command: Sequence[str]) -> list[str]:
        """The command that runs `command` inside the namespaces."""
        assert self._holder, "not started"
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", "--target", str(self._holder.pid), "--mount", "--net", *user, "--", *command]

    def run(
        self, command: Sequence[str], *, timeout: float = 60, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside to its end and return its exit code and output."""
        return subprocess.run(
            self.inside(command),
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def insert(self, persona: str, *options: str, slot: int = 0) -> int:
        """Insert the virtual card of a persona (`mykey card simulate`) and wait for the reader to see it.

        Returns the process id of the card.
        """
        address = f"127.0.0.1:{PORTS[slot]}"
        program = [sys.executable, "-m", "mykey_cardap.cli", "simulate", persona, "--vpcd", address, *options]
        return self.insert_program(program, slot=slot)

    def insert_program(self, program: Sequence[str], *, slot: int = 0) -> int:
        """Insert the card that `program` is (it connects to the port of the slot), and wait for the reader to see it.

        Returns the process id of the card.
        """
        self.remove(slot)
        with (self.directory / f"card-{slot}.log").open("ab") as log:
            card = subprocess.Popen(self.inside(program), stdout=log, stderr=log)
        self._cards[slot] = card
        self.wait_for_card(slot, present=True)
        return card.pid

    def insert_silent(self, slot: int = 0) -> None:
        """Insert a card with its wrong side up: PC/SC feels it, and it does not answer (`State.MUTE`)."""
        self.remove(slot)
        program = [sys.executable, "-m", "mykey_testkit.silent_card", str(PORTS[slot])]
        with (self.directory / f"card-{slot}.log").open("ab") as log:
            self._cards[slot] = subprocess.Popen(self.inside(program), stdout=log, stderr=log)

    def remove(self, slot: int = 0) -> None:
        """Take the card out of a slot by ending its process; nothing happens when there is none."""
        card = self._cards.pop(slot, None)
        if card is not None:
            _end(card)
            self.wait_for_card(slot, present=False)

    def wait_for_card(self, slot: int, *, present: bool) -> None:
        """Wait until PC/SC reports the card of a slot as present or absent."""
        subprocess.run(
            [sys.executable, "-c", _WAIT_FOR_CARD, READERS[slot], str(int(present)), str(_WAIT_SECONDS)],
            env=self.environment,
            check=True,
        )


def _namespace_options() -> list[str]:
    return ["--mount", "--net"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount", "--net"]


def _which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(5)
    if process.poll() is None:
        process.kill()
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def _wait_until(condition: object, message: str) -> None:
    assert callable(condition)
    deadline = time.monotonic() + _WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(message)
        time.sleep(0.02)
