"""`mykey terminal run` and `doctor`: everything that one service point's terminal does, in one program."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO
from urllib.parse import quote
from uuid import UUID

import click

from mykey_cardap.pcsc import list_readers
from mykey_terminal.agent.app import AgentApp
from mykey_terminal.agent.desk import CardDesk
from mykey_terminal.agent.gate import Gate, own_hosts
from mykey_terminal.agent.pairing import PairingDesk
from mykey_terminal.agent.server import Announcement, loopback_sockets, make_server
from mykey_terminal.agent.writings import WritingDesk
from mykey_terminal.configuration import ConfigurationStore
from mykey_terminal.doctor import Findings, examine
from mykey_terminal.enrolment import Enrolment, StateDirectory
from mykey_terminal.errors import AgentError, StateError
from mykey_terminal.files import write_private
from mykey_terminal.headless import HeadlessDesk, LocalSocket, serve_lines
from mykey_terminal.heartbeat import state_of_reader
from mykey_terminal.hub import Hub
from mykey_terminal.hub_address import hub_origin
from mykey_terminal.offline_cards import FileDebitKeys, OfflineCardDesk, TapJournal
from mykey_terminal.offline_cards.keys import DebitKeyEntry
from mykey_terminal.open_page import open_page
from mykey_terminal.open_writings import OpenWritings
from mykey_terminal.pending import PendingTaps
from mykey_terminal.queue import OfflineQueue
from mykey_terminal.readers.pcsc import PcscReader
from mykey_terminal.readers.virtual import VirtualReader
from mykey_terminal.running import Condition, Upkeep
from mykey_terminal.tap import TapRunner

if TYPE_CHECKING:
    from mykey_terminal.readers import CardReader

AGENT_PORT = 24125
"""Where `run` listens when nothing else is said: a page that was paired finds the agent again after a restart."""
_AGENT_PATIENCE = timedelta(seconds=30)
HubOf = Callable[[StateDirectory], AbstractContextManager[Hub]]
Errors = Callable[[], AbstractContextManager[None]]


def default_state(point: str) -> Path:
    """The folder of the terminal of a service point, where none is named: in the user's data folder (XDG)."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "mykey" / "terminals" / quote(point, safe="")


def add_run_commands(group: click.Group, *, errors: Errors, hub_of: HubOf) -> None:
    """Add `run` and `doctor` to `mykey terminal`."""
    state = click.option("--state", type=click.Path(path_type=Path, file_okay=False), help="Folder of the terminal.")
    reader = click.option("--reader", help="Name of the card reader, or a part of it.")

    @group.command("run")
    @click.option("--point", required=True, help="The service point for which this terminal is enrolled.")
    @state
    @click.option("--port", default=AGENT_PORT, show_default=True, type=click.IntRange(0, 65535), help="0: any.")
    @click.option("--allow-origin", "origins", multiple=True, help="Origin of a page; the hub's own by default.")
    @click.option("--headless", type=click.Choice(["stdio", "socket"]), help="No page: JSON lines for a gate or a cab.")
    @click.option("--virtual", is_flag=True, help="Use the tray of emulated cards instead of a reader.")
    @click.option("--cards", type=click.Path(path_type=Path, file_okay=False), help="Folder of the tray, to share it.")
    @reader
    def run_command(
        *, point: str, state: Path | None, reader: str | None, virtual: bool, cards: Path | None, **options: Any
    ) -> None:
        """Be the terminal of a service point until interrupted: everything it does by itself, and its agent."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        with errors(), ExitStack() as stack:
            directory = StateDirectory(state or default_state(point))
            hub = stack.enter_context(hub_of(directory))
            _check_point(hub.enrolment, point, directory)
            chosen: CardReader = VirtualReader(cards or directory.cards) if virtual else PcscReader(reader)
            terminal = stack.enter_context(RunningTerminal(directory, hub, chosen))
            terminal.serve(**options)

    @group.command("debit-key")
    @click.option("--state", type=click.Path(path_type=Path, file_okay=False), required=True, help="Its folder.")
    @click.option("--file", "source", type=click.File(encoding="utf-8"), default="-", help="Standard input by default.")
    def debit_key_command(*, state: Path, source: TextIO) -> None:
        """Store a debit key that `mykey keys debit-key` made, for cards without the hub."""
        with errors():
            directory = StateDirectory(state)
            directory.load()
            try:
                entry = DebitKeyEntry.from_json(json.load(source))
            except ValueError:
                raise click.ClickException("this is no debit key: make one with `mykey keys debit-key`") from None
            FileDebitKeys(directory.debit_keys).add(entry)
            click.echo(f"debit key of {entry.issuer:06d}, service {entry.service:04X}, generation {entry.generation}")

    @group.command("doctor")
    @click.option("--point", default="", help="The service point whose terminal is looked at.")
    @state
    @click.option("--port", default=AGENT_PORT, show_default=True, type=click.IntRange(1, 65535), help="The agent's.")
    @click.option("--virtual", is_flag=True, help="The terminal uses the tray of emulated cards: look for no reader.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @click.option("--language", type=click.Choice(["ja", "en"]), help="Language of the report.")
    def doctor_command(
        *, point: str, state: Path | None, port: int, virtual: bool, as_json: bool, language: str | None
    ) -> None:
        """Look at everything that a terminal needs, and say in plain words what is wrong and what to do."""
        with errors():
            readers = None if virtual else list_readers
            findings = examine(StateDirectory(state or default_state(point)), port=port, readers=readers)
        click.echo(json.dumps(findings.as_json(), ensure_ascii=False, indent=2) if as_json else findings.text(language))
        sys.exit(_status_of(findings))


def _status_of(findings: Findings) -> int:
    return 1 if findings.failed else 0


def _check_point(enrolment: Enrolment, point: str, directory: StateDirectory) -> None:
    own = enrolment.service_point.get("name")
    if own != point:
        raise StateError(f"this terminal is enrolled for the service point '{own}'", path=directory.path)


class RunningTerminal:
    """The parts of one terminal, while it runs."""

    def __init__(self, directory: StateDirectory, hub: Hub, reader: CardReader) -> None:
        self._directory = directory
        self._hub = hub
        self._reader = reader
        enrolment, key = directory.load()
        self._queue = OfflineQueue(directory.queue, key, terminal_id=enrolment.terminal_id)
        runner = TapRunner(hub, reader, PendingTaps(directory.pending), time.sleep, longest_wait=_AGENT_PATIENCE)
        self._desk = CardDesk(runner, self._note)
        self._ended = threading.Event()
        self._wake = threading.Event()
        self.upkeep = Upkeep(
            hub,
            ConfigurationStore(directory, enrolment),
            self._queue,
            reader_state=self._reader_state,
            on_change=self._changed,
        )
        self._thread = threading.Thread(target=self.upkeep.run, args=(self._ended, self._wake), name="upkeep")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._wake.set()
        self._thread.join(timeout=15)
        self._queue.close()

    def serve(self, *, headless: str | None, port: int, origins: tuple[str, ...]) -> None:
        """Serve the page, or a program on this computer, until interrupted."""
        if headless is None:
            self._serve_page(port, origins)
            return
        journal = TapJournal(self._directory.card_taps, UUID(self._hub.enrolment.terminal_id).bytes[8:])
        cards = OfflineCardDesk(self._reader, FileDebitKeys(self._directory.debit_keys), journal)
        tray = self._reader if isinstance(self._reader, VirtualReader) else None
        desk = HeadlessDesk(self._queue, self.upkeep, self._desk, self._wake.set, cards, tray)
        if headless == "stdio":
            serve_lines(desk, sys.stdin, _print)
            return
        socket = LocalSocket(self._directory.path / "terminal.sock", desk)
        socket.start()
        _print(json.dumps({"ready": str(self._directory.path / "terminal.sock")}) + "\n")
        try:
            self._ended.wait()
        finally:
            socket.close()

    def _serve_page(self, port: int, origins: tuple[str, ...]) -> None:
        own = self._hub.enrolment
        allowed = {hub_origin(origin) for origin in origins} or {own.hub_origin}
        sockets = loopback_sockets(port)
        number: int = sockets[0].getsockname()[1]
        announce = Announcement(number, _print)

        def announced(code: str) -> None:
            address = f"{own.hub_origin}{own.hub_path}/point#agent={number}&pair={code}"
            write_private(self._directory.open_page, open_page(address))
            announce(code)

        pairing = PairingDesk(monotonic=time.monotonic, announce=announced)
        writings = WritingDesk(self._hub, self._reader, OpenWritings(self._directory.writings), self._desk.hold)
        threading.Thread(target=writings.settle, name="open-writings", daemon=True).start()
        app = AgentApp(Gate(own_hosts(number), allowed, pairing), self._desk, writings)
        make_server(app, sockets).run()

    def _note(self, service: str, payload: dict[str, Any]) -> int:
        """One record of the page for the queue; a terminal that its hub has shut out notes nothing."""
        if self.upkeep.condition.locked:
            raise AgentError("terminal_locked", 403)
        record = self._queue.append(service, payload)
        self._wake.set()
        return record.seq

    def _reader_state(self) -> str:
        return state_of_reader(self._reader)

    def _changed(self, condition: Condition) -> None:
        line = {"event": "condition", "problem": condition.problem, "locked": condition.locked}
        sys.stderr.write(json.dumps(line) + "\n")


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
