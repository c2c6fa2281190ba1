"""A demo town behind `mykey serve` as a process of its own, and terminals that come to it over HTTP with virtual cards.

Everything is the program that a town runs; only card and reader are emulated.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import httpx

from mykey_core.audit.records import AuditRecord, records_since
from mykey_core.hub import open_hub
from mykey_core.settings import load_settings
from mykey_terminal.clock import system_clock
from mykey_terminal.enrolment import StateDirectory, enrol
from mykey_terminal.hub import Hub as TerminalHub
from mykey_terminal.hub_door import HubDoor
from mykey_terminal.pending import PendingTaps
from mykey_terminal.readers.virtual import VirtualReader
from mykey_terminal.tap import TapReport, TapRequest, TapRunner
from mykey_web.demo.processes import Child, free_port
from mykey_web.demo.town import MUNICIPALITY, SERVICE, SERVICE_POINT, Town, make_town

_PATIENCE = 30.0
_METRICS_TOKEN = "a-token-that-only-prometheus-has"


@dataclass
class DeskTerminal:
    """One enrolled terminal with a virtual card of `adult`; for one thread."""

    state: StateDirectory
    longest_wait: timedelta = timedelta(0)
    stack: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        enrolment, key = self.state.load()
        hub = self.stack.enter_context(TerminalHub(enrolment, key))
        reader = VirtualReader(self.state.cards)
        reader.insert("adult")
        pending = PendingTaps(self.state.pending)
        self._runner = TapRunner(hub, reader, pending, time.sleep, longest_wait=self.longest_wait)
        self.hub = hub

    def tap(self, action: str = "open", **values: str) -> TapReport:
        """One tap at the library's desk."""
        return self._runner.run(TapRequest(SERVICE, action, values, "en"), bytearray(b"1234"))


class ServedTown:
    """`serve` starts the hub, `terminal` enrols one; everything ends with the block."""

    def __init__(self, folder: Path, origin: str | None = None) -> None:
        """`origin` is what cards sign for, where something stands in front of the hub."""
        self.folder = folder
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.town: Town = make_town(folder / "town", origin or self.address, datetime.now(UTC))
        self.log = folder / "serve.log"
        self._stack = ExitStack()
        self._terminals = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def set(self, line: str) -> None:
        """Put a line at the top of `hub.toml`."""
        config = self.town.config
        config.write_text(f"{line}\n{config.read_text(encoding='utf-8')}", encoding="utf-8")

    def let_prometheus_in(self) -> dict[str, str]:
        """Give `/metrics` a token; the headers with which it is asked."""
        path = self.town.config.with_name("metrics-token")
        path.write_text(_METRICS_TOKEN)
        path.chmod(0o600)
        self.set('metrics_token_file = "metrics-token"')
        return {"Authorization": f"Bearer {_METRICS_TOKEN}"}

    def serve(self, workers: int = 1) -> Child:
        """`mykey serve`, once it answers."""
        arguments = ["serve", "--config", str(self.town.config), "--port", str(self.port), "--workers", str(workers)]
        child = self._stack.enter_context(Child(arguments, self.log))
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                if httpx.get(f"{self.address}/healthz", timeout=5).is_success:
                    return child
            except httpx.TransportError:
                time.sleep(0.05)
            assert child.running, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()

    def terminal(
        self, address: str | None = None, door: HubDoor | None = None, longest_wait: timedelta = timedelta(0)
    ) -> DeskTerminal:
        """A newly enrolled terminal of the library's desk."""
        self._terminals += 1
        state = StateDirectory(self.folder / f"terminal-{self._terminals}")
        hub = open_hub(load_settings(self.town.config))
        code = hub.terminals.new_code(SERVICE_POINT)
        hub.close()
        enrol(address or self.town.origin, code, state, name="desk", clock=system_clock, door=door)
        made = DeskTerminal(state, longest_wait)
        self._stack.callback(made.stack.close)
        return made

    def audit(self, event: str) -> list[AuditRecord]:
        """The records of one event, oldest first."""
        hub = open_hub(load_settings(self.town.config))
        with hub.database.reading() as session:
            records = records_since(session, MUNICIPALITY, datetime.now(UTC) - timedelta(hours=1))
        hub.close()
        return [record for record in records if record.event == event]
