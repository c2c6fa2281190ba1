"""`mykey agent run`: the card reader of a computer at home, for signing in to one hub's pages and nothing else.

There is no enrolment, no device key and no queue here, and nothing is sent to the hub. Wording is in
`agent_command.toml`. A town's service point has `mykey terminal run` (`run_command`).
"""

from __future__ import annotations

import os
import signal
import sys
import time
import tomllib
import webbrowser
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path

import click

from mykey_cardap.cli.wording import language_of_environment
from mykey_terminal.agent.app import AgentApp
from mykey_terminal.agent.gate import Gate, own_hosts
from mykey_terminal.agent.pairing import PairingDesk
from mykey_terminal.agent.reader_desk import ReaderDesk
from mykey_terminal.agent.server import Announcement, loopback_sockets, make_server
from mykey_terminal.errors import TerminalError
from mykey_terminal.files import make_private_directory, write_private
from mykey_terminal.hub_address import hub_origin_and_path
from mykey_terminal.open_page import open_page
from mykey_terminal.problems import problem_of
from mykey_terminal.readers.pcsc import PcscReader
from mykey_terminal.readers.virtual import VirtualReader
from mykey_terminal.run_command import AGENT_PORT

_SIGN_IN = "/sign-in/"


@click.group()
def agent() -> None:
    """Use the card reader of this computer for signing in to a town's pages."""


@agent.command("run")
@click.option("--hub", "address", required=True, help="Address of the town's hub: https://host[:port].")
@click.option("--reader", help="Name of the card reader, or a part of it.")
@click.option("--port", default=AGENT_PORT, show_default=True, type=click.IntRange(0, 65535), help="0: any free port.")
@click.option("--no-browser", is_flag=True, help="Do not open the sign-in page; say where it is.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Private folder for the page.")
@click.option("--virtual", is_flag=True, help="Emulated cards instead of a reader; only for a hub that is set up so.")
@click.option("--ready-file", type=click.Path(path_type=Path, dir_okay=False), help="Announce in this file (JSON).")
def run_command(
    *,
    address: str,
    reader: str | None,
    port: int,
    no_browser: bool,
    folder: Path | None,
    virtual: bool,
    ready_file: Path | None,
) -> None:
    """Let the pages of one hub, and no others, ask the card of this computer for a sign-in, until interrupted.

    The card signs for this hub only. Nothing of the card is stored, and the PIN stays on this computer.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        place = _Place.of(address, folder or _default_folder())
        chosen = VirtualReader(place.folder / "cards") if virtual else PcscReader(reader)
        sockets = loopback_sockets(port)
        number: int = sockets[0].getsockname()[1]
        told = None if ready_file is None else Announcement(number, click.echo, ready_file)
        pairing = PairingDesk(monotonic=time.monotonic, announce=lambda code: place.announce(number, code, told))
        server = make_server(
            AgentApp(Gate(own_hosts(number), {place.origin}, pairing), ReaderDesk(chosen, place.origin)), sockets
        )
        if not no_browser:
            webbrowser.open(place.page.as_uri())
        server.run()
    except TerminalError as error:
        raise click.ClickException(f"{error} [{problem_of(error).code}]") from error


@dataclass(frozen=True, slots=True)
class _Place:
    """Which hub is served, and the private folder on this computer."""

    origin: str
    path: str
    folder: Path
    said: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, address: str, folder: Path) -> _Place:
        origin, path = hub_origin_and_path(address)
        make_private_directory(folder)
        return cls(origin, path, folder)

    @property
    def page(self) -> Path:
        """Leads the browser to the sign-in page, paired; the code is in no program's arguments."""
        return self.folder / "open.html"

    def announce(self, port: int, code: str, told: Announcement | None) -> None:
        sign_in = f"{self.origin}{self.path}{_SIGN_IN}"
        write_private(self.page, open_page(f"{sign_in}#agent={port}&pair={code}"))
        if told is not None:
            told(code)
            return
        wording = "again" if self.said else "ready"  # the first code has been used: a page is paired
        self.said.append(code)
        words = _words()[language_of_environment()][wording]
        click.echo(words.format(address=sign_in, page=self.page, port=port, code=code))


def _default_folder() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "mykey" / "agent"


@cache
def _words() -> dict[str, dict[str, str]]:
    return tomllib.loads(files("mykey_terminal").joinpath("agent_command.toml").read_text(encoding="utf-8"))
