"""A library with a real embedded store, our SIP2 server in a thread, our client, and a proxy that spoils the line."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from mykey_core.plugins.database import opened
from mykey_core.storage.database import open_database
from mykey_library import tables
from mykey_library.embedded.collection import Collection, NewCopy
from mykey_library.embedded.register import NewPatron, Register
from mykey_library.rows import Rows
from mykey_library.sip2.client import Peer, Sip2Connection
from mykey_library.sip2.embedded import embedded_library
from mykey_library.sip2.passwords import hash_password
from mykey_library.sip2.profiles import profile_with
from mykey_library.sip2.remote import Sip2Circulation
from mykey_library.sip2.server import Sip2Server
from mykey_library.sip2.service import Service
from mykey_library.sip2.settings import ServerSettings
from mykey_library.sip2.wording import reason_words

TOWN = "282014"
NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
PASSWORD = "machine-password"
PASSWORD_HASH = hash_password(PASSWORD)
INSTITUTION = "姫路市立図書館"
PATRONS = ("10000017", "10000025", "10000033", "10000041")
TITLES = {"A1000001": "銀河鉄道の夜", "A1000002": "ポケット竹取", "A1000003": "髙﨑－物語", "A1000004": "羅生門"}


class Library:
    """The embedded store on a file of its own, with the plugin's tables and sample patrons and items.

    `mould` is the file of one that has been disposed of, which is copied instead of filled.
    """

    def __init__(self, folder: Path, *, items: int = 40, mould: Path | None = None) -> None:
        self.file = folder / "library.db"
        if mould is not None:
            shutil.copyfile(mould, self.file)
        self._database = open_database(f"sqlite:///{self.file}", TOWN)
        self.now = NOW
        self.fault: Exception | None = None  # what goes wrong after the library has been opened
        self.slow = 0.0  # seconds that every message takes
        self.barcodes = [f"A{1000001 + number}" for number in range(items)]
        if mould is None:
            self._fill()

    def _fill(self) -> None:
        tables.metadata.create_all(self._database.engine)
        with self.begin() as (_, database):
            rows = Rows(database)
            for number in PATRONS:
                Register(rows).add(NewPatron(number, name="姫路 太郎", language="ja"))
            Register(rows).add(NewPatron("10000059", pin="4649"))
            for barcode in self.barcodes:
                Collection(rows).add_copy(NewCopy(barcode, TITLES.get(barcode, f"資料{barcode}")))

    @contextmanager
    def begin(self) -> Iterator[tuple[Any, Any]]:
        with self._database.writing() as session, opened("library", "library_", TOWN, session, granted=True) as own:
            if self.slow:
                time.sleep(self.slow)
            if self.fault:
                raise self.fault
            yield SimpleNamespace(settings={"max_loans": 1000, "max_renewals": 9}), own

    def loans(self) -> dict[str, str]:
        """Barcode → patron number of every open loan, read from the store itself."""
        with self.begin() as (_, database):
            loan = tables.loan
            rows = database.execute(select(loan.c.barcode, loan.c.patron_number).where(loan.c.municipality == TOWN))
            return {row.barcode: row.patron_number for row in rows}

    def acts(self) -> Counter[str]:
        """How often the store's log says that something was lent, renewed or returned."""
        with self.begin() as (_, database):
            found = select(tables.event.c.action).where(tables.event.c.municipality == TOWN)
            return Counter(row.action for row in database.execute(found))

    def dispose(self) -> None:
        self._database.dispose()


class RunningServer:
    """Our server in a thread of its own; `kill` ends every connection at once, as a crash does."""

    def __init__(self, library: Library, settings: ServerSettings) -> None:
        self._loop = asyncio.new_event_loop()
        service = Service(
            embedded_library(library.begin, lambda: library.now),
            settings,
            clock=lambda: library.now,
            wording=reason_words,
        )
        self.server = Sip2Server(settings, service)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self.server.start("127.0.0.1", 0), self._loop).result(10)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.server.close(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def server_settings(**account: Any) -> ServerSettings:
    return ServerSettings.model_validate(
        {
            "institution": INSTITUTION,
            "library": "本館",
            "reply_seconds": 5,
            "accounts": [{"user": "kiosk01", "password_hash": PASSWORD_HASH, "branch": "main", **account}],
        }
    )


@pytest.fixture(scope="session")
def filled_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store that is filled once and then only copied."""
    made = Library(tmp_path_factory.mktemp("filled"))
    made.dispose()
    return made.file


@pytest.fixture
def library(tmp_path: Path, filled_library: Path) -> Iterator[Library]:
    """The library behind the server."""
    made = Library(tmp_path, mould=filled_library)
    yield made
    made.dispose()


@pytest.fixture
def serve(library: Library) -> Iterator[Callable[..., RunningServer]]:
    """Starts a server over the library; keyword arguments are values of the machine's account."""
    running: list[RunningServer] = []

    def start(settings: ServerSettings | None = None, **account: Any) -> RunningServer:
        running.append(RunningServer(library, settings or server_settings(**account)))
        return running[-1]

    yield start
    for server in running:
        server.stop()


def peer_at(port: int, profile: str = "mykey", *, password: str = PASSWORD, **changes: Any) -> Peer:
    return Peer(
        "127.0.0.1",
        port,
        INSTITUTION,
        profile=profile_with(profile, changes),
        user="kiosk01",
        password=password,
        location="MAIN",
    )


@pytest.fixture
def connect() -> Iterator[Callable[..., tuple[Sip2Connection, Sip2Circulation]]]:
    """Our client to a port; keyword arguments replace values of the profile."""
    connections: list[Sip2Connection] = []

    def make(port: int, profile: str = "mykey", **changes: Any) -> tuple[Sip2Connection, Sip2Circulation]:
        connection = Sip2Connection(peer_at(port, profile, **changes))
        connections.append(connection)
        return connection, Sip2Circulation(connection, now=lambda: NOW, sleep=lambda _: time.sleep(0.02))

    yield make
    for connection in connections:
        connection.close()


class RawLine:
    """A socket that sends and receives bytes as they are."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._rest = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def line(self) -> bytes:
        """The next message with its CR; what is left when the other side closes."""
        while b"\r" not in self._rest:
            data = self.socket.recv(4096)
            if not data:
                return self._rest
            self._rest += data
        frame, _, self._rest = self._rest.partition(b"\r")
        return frame + b"\r"

    def ask(self, data: bytes) -> bytes:
        self.send(data)
        return self.line()

    def closed(self) -> bool:
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


@pytest.fixture
def raw() -> Iterator[Callable[[int], RawLine]]:
    """Opens a raw line to a port."""
    lines: list[RawLine] = []

    def make(port: int) -> RawLine:
        lines.append(RawLine(port))
        return lines[-1]

    yield make
    for line in lines:
        line.socket.close()


FAULTS = ("drop", "split", "flip", "duplicate", "delay", "close", "half")


@dataclass
class FaultProxy:
    """Between client and server: lets whole messages pass, or spoils them, with a chance of `rate` each way."""

    target: int
    rate: float
    dice: random.Random
    delay_seconds: float = 0.3
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*FAULTS, "passed"), 0))

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._stopped = False
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def messages(self) -> int:
        return sum(self.counts.values())

    def stop(self) -> None:
        self._stopped = True
        self._listener.close()

    def _accept(self) -> None:
        while not self._stopped:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._stopped:  # a call of accept() survives the closing of its socket
                near.close()
                return
            far = socket.create_connection(("127.0.0.1", self.target))
            for one in (near, far):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _choose(self) -> str:
        with self._lock:
            fault = self.dice.choice(FAULTS) if self.dice.random() < self.rate else "passed"
            self.counts[fault] += 1
        return fault

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        rest = b""
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                *whole, rest = (rest + data).split(b"\r")
                for frame in whole:
                    self._pass(frame + b"\r", sink)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _pass(self, frame: bytes, sink: socket.socket) -> None:
        fault = self._choose()
        if fault == "drop":
            return
        if fault == "split":
            for octet in frame:
                sink.sendall(bytes([octet]))
            return
        if fault == "delay":
            time.sleep(self.delay_seconds)
        if fault == "flip":
            frame = self._flipped(frame)
        if fault == "close":
            raise OSError
        if fault == "half":
            sink.sendall(frame[: len(frame) // 2])
            raise OSError
        sink.sendall(frame)
        if fault == "duplicate":
            sink.sendall(frame)

    def _flipped(self, frame: bytes) -> bytes:
        with self._lock:
            place, bit = self.dice.randrange(len(frame)), self.dice.randrange(8)
        return frame[:place] + bytes([frame[place] ^ (1 << bit)]) + frame[place + 1 :]


@pytest.fixture
def proxy() -> Iterator[Callable[..., FaultProxy]]:
    """Starts a proxy before a port."""
    made: list[FaultProxy] = []

    def start(port: int, *, rate: float, seed: int, delay_seconds: float = 0.3) -> FaultProxy:
        made.append(FaultProxy(port, rate, random.Random(seed), delay_seconds))  # noqa: S311 - faults, no secrets
        return made[-1]

    yield start
    for one in made:
        one.stop()


TWO_WEEKS = timedelta(days=14)
