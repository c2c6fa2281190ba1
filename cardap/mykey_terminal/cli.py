"""`mykey terminal`: enrol a terminal, do one tap, run the loopback agent, look at the state.

Every error is one line that says what to do; `--json` gives the same with codes.
"""

from __future__ import annotations

import getpass
import json
import platform
import signal
import sys
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from mykey_cardap.cli.wording import Words, language_of_environment
from mykey_cardap.errors import CardError
from mykey_terminal.agent.app import AgentApp
from mykey_terminal.agent.desk import CardDesk, report_json
from mykey_terminal.agent.gate import Gate, own_hosts
from mykey_terminal.agent.pairing import PairingDesk
from mykey_terminal.agent.server import Announcement, loopback_sockets, make_server
from mykey_terminal.agent.writings import WritingDesk
from mykey_terminal.card_commands import add_card_commands
from mykey_terminal.clock import system_clock
from mykey_terminal.enrol_words import enrol_words
from mykey_terminal.enrolment import StateDirectory, enrol
from mykey_terminal.errors import TerminalError
from mykey_terminal.heartbeat import Heartbeat, state_of_reader
from mykey_terminal.hub import Hub
from mykey_terminal.hub_address import hub_origin
from mykey_terminal.hub_door import HubDoor
from mykey_terminal.open_writings import OpenWritings
from mykey_terminal.pending import PendingTaps
from mykey_terminal.problems import problem_of
from mykey_terminal.queue_commands import add_queue_commands
from mykey_terminal.readers.pcsc import PcscReader
from mykey_terminal.readers.virtual import VirtualReader
from mykey_terminal.run_command import add_run_commands
from mykey_terminal.status import terminal_status
from mykey_terminal.tap import TapRequest, TapRunner
from mykey_terminal.token_key import TokenPlace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mykey_terminal.readers import CardReader

_AGENT_PATIENCE = timedelta(seconds=30)
"""How long a page waits for a lost answer; the page itself gives up after sixty seconds."""
_PIN_LENGTH = 64

_state_option = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of the terminal (private, mode 0700).",
)
_a_file = click.Path(path_type=Path, dir_okay=False, exists=True, resolve_path=True)
_language_option = click.option("--language", help="Language of the hub's answers: ja, en or ja-Hira.")


@click.group()
def terminal() -> None:
    """Act for one service point: enrol, tap, and serve the page in the browser."""


@terminal.command("enrol")
@click.option("--hub", "address", required=True, help="Address of the hub: https://host[:port].")
@click.option("--code", help="One-time code; other users of this computer can see arguments, so rather be asked.")
@click.option("--code-stdin", is_flag=True, help="Read the one-time code from standard input.")
@click.option("--name", default=platform.node, help="Name of this terminal for the administration.")
@_state_option
@_language_option
@click.option("--pkcs11", type=click.Path(path_type=Path), help="Make the device key in a token: the vendor's module.")
@click.option("--token", help="Label of the token.")
@click.option("--token-pin-file", type=click.Path(path_type=Path), help="File (mode 0600) with the token's PIN.")
@click.option("--door", help="Reach the hub here instead: https://host[:port] of a proxy for terminals.")
@click.option("--certificate", type=_a_file, help="Client certificate (PEM) for the hub's proxy; kept by its path.")
@click.option("--key", type=_a_file, help="Its private key (PEM, mode 0600).")
@click.option("--ca", type=_a_file, help="The CAs (PEM) that may have signed the hub's TLS certificate.")
def enrol_command(
    *,
    address: str,
    code: str | None,
    code_stdin: bool,
    name: str,
    state: Path,
    language: str | None,
    pkcs11: Path | None,
    token: str | None,
    token_pin_file: Path | None,
    door: str | None,
    **files: Path | None,
) -> None:
    """Become a terminal of a hub with a one-time code."""
    language = language or language_of_environment()
    words = enrol_words(language)
    if code_stdin:
        code = sys.stdin.readline().strip()
        if not code:
            raise click.UsageError("standard input holds no one-time code")
    elif not code:
        code = click.prompt(words["ask"], hide_input=True).strip()
    if (files["certificate"] is None) != (files["key"] is None):
        raise click.UsageError("--certificate and --key belong together")
    place = None
    if pkcs11 is not None:
        if token is None or token_pin_file is None:
            raise click.UsageError("--pkcs11 needs --token and --token-pin-file")
        place = TokenPlace(pkcs11, token, token_pin_file.absolute(), label=f"mykey-terminal/{state.absolute().name}")
    with _errors_for_people(words):
        way = HubDoor(
            address=hub_origin(door) if door else None, **{name: path for name, path in files.items() if path}
        )
        enrolment = enrol(
            address, code, StateDirectory(state), name=name, clock=system_clock, language=language, token=place,
            door=way,
        )  # fmt: skip
    click.echo(words["done"].format(terminal=enrolment.terminal_id, hub=enrolment.hub_origin))


@terminal.command("tap")
@_state_option
@click.option("--service", required=True, help="Service to tap for, as the hub names it.")
@click.option("--action", default="open", show_default=True, help="Action of the service.")
@click.option("--input", "inputs", multiple=True, metavar="NAME=VALUE", help="Input of the action; repeatable.")
@click.option("--virtual", metavar="PERSONA", help="Use this emulated card instead of a reader.")
@click.option("--reader", help="Name of the card reader, or a part of it.")
@click.option("--pin-stdin", is_flag=True, help="Read the PIN from standard input instead of asking.")
@click.option("--allow-last-attempt", is_flag=True, help="Use the PIN even when only one try is left.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as JSON.")
@_language_option
def tap_command(
    *,
    state: Path,
    service: str,
    action: str,
    inputs: tuple[str, ...],
    virtual: str | None,
    reader: str | None,
    pin_stdin: bool,
    allow_last_attempt: bool,
    as_json: bool,
    language: str | None,
) -> None:
    """Do one tap. The exit status is 0 when the hub acted, 1 when it or the card refused."""
    request = TapRequest(service, action, _values(inputs), language, allow_last_attempt)
    with _errors_for_people():
        directory = StateDirectory(state)
        chosen = _reader(directory, virtual=virtual, wanted=reader)
        with _hub(directory) as hub:
            runner = TapRunner(hub, chosen, PendingTaps(directory.pending), time.sleep)
            report = runner.run(request, _read_pin(from_stdin=pin_stdin))
    answer = report_json(report)
    click.echo(json.dumps(answer, ensure_ascii=False, indent=2) if as_json else _one_line(answer, report.error))
    if answer["state"] != "done" or (answer["result"] or {}).get("outcome") == "refused":
        sys.exit(1)


@terminal.command("agent")
@_state_option
@click.option("--port", default=0, show_default=True, type=click.IntRange(0, 65535), help="0: any free port.")
@click.option("--allow-origin", "origins", multiple=True, help="Origin of a page; the hub's own by default.")
@click.option("--virtual", is_flag=True, help="Use the tray of emulated cards instead of a reader.")
@click.option("--cards", type=click.Path(path_type=Path, file_okay=False), help="Folder of the tray, to share it.")
@click.option("--reader", help="Name of the card reader, or a part of it.")
@click.option("--ready-file", type=click.Path(path_type=Path, dir_okay=False), help="Announce in this file.")
def agent_command(
    *,
    state: Path,
    port: int,
    origins: tuple[str, ...],
    virtual: bool,
    cards: Path | None,
    reader: str | None,
    ready_file: Path | None,
) -> None:
    """Serve the page of the service point in the browser of this computer, until interrupted."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with _errors_for_people():
        directory = StateDirectory(state)
        chosen = VirtualReader(cards or directory.cards) if virtual else PcscReader(reader)
        with _hub(directory) as hub:
            allowed = {hub_origin(origin) for origin in origins} or {hub.enrolment.hub_origin}
            sockets = loopback_sockets(port)
            number: int = sockets[0].getsockname()[1]
            announce = Announcement(number, lambda line: click.echo(line, nl=False), ready_file)
            pairing = PairingDesk(monotonic=time.monotonic, announce=announce)
            runner = TapRunner(
                hub,
                chosen,
                PendingTaps(directory.pending),
                time.sleep,
                longest_wait=_AGENT_PATIENCE,
            )
            desk = CardDesk(runner)
            writings = WritingDesk(hub, chosen, OpenWritings(directory.writings), desk.hold)
            threading.Thread(target=writings.settle, name="open-writings", daemon=True).start()
            heartbeat = Heartbeat(hub, partial(state_of_reader, chosen))
            ended = threading.Event()
            threading.Thread(target=heartbeat.run, args=(ended,), name="heartbeat", daemon=True).start()
            app = AgentApp(Gate(own_hosts(number), allowed, pairing), desk, writings)
            try:
                make_server(app, sockets).run()
            finally:
                ended.set()


@terminal.command("status")
@_state_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_language_option
def status_command(*, state: Path, as_json: bool, language: str | None) -> None:
    """Say who this terminal is, whether the hub accepts it, and what became of taps left open."""
    with _errors_for_people():
        directory = StateDirectory(state)
        with _hub(directory) as hub:
            writings = OpenWritings(directory.writings)
            status = terminal_status(hub, PendingTaps(directory.pending), writings, language=language)
    if as_json:
        click.echo(json.dumps(status, ensure_ascii=False, indent=2))
    else:
        for name, value in status.items():
            click.echo(f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")
    if status["hub"] != "reachable":
        sys.exit(1)


@contextmanager
def _errors_for_people(words: Mapping[str, str] = MappingProxyType({})) -> Iterator[None]:
    """One line for each error: `words` by code go before the hub's, which are for the visitors of a service."""
    try:
        yield
    except (TerminalError, CardError) as error:
        problem = problem_of(error)
        told = words.get(problem.code) or _told(problem.to_json()) or _own_words(error)
        raise click.ClickException(f"{told} [{problem.code}]") from error


@contextmanager
def _hub(directory: StateDirectory) -> Iterator[Hub]:
    enrolment, key = directory.load()
    with Hub(enrolment, key) as hub:
        yield hub


def _reader(directory: StateDirectory, *, virtual: str | None, wanted: str | None) -> CardReader:
    if virtual is None:
        return PcscReader(wanted)
    reader = VirtualReader(directory.cards)
    reader.insert(virtual)
    return reader


def _values(inputs: tuple[str, ...]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for pair in inputs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise click.BadParameter("is written NAME=VALUE", param_hint="--input")
        values[name] = value
    return values


def _read_pin(*, from_stdin: bool) -> bytearray:
    if from_stdin:
        return bytearray(sys.stdin.buffer.readline(_PIN_LENGTH).rstrip(b"\r\n"))
    return bytearray(getpass.getpass("PIN: ").encode())


def _told(problem: dict[str, Any]) -> str:
    """The hub's words about a problem; nothing for one of our own, whose title is its code."""
    words = [problem.get("title"), problem.get("detail"), problem.get("what_to_do")]
    return " ".join(str(word) for word in words if word and word != problem["code"])


def _own_words(error: TerminalError | CardError | None) -> str:
    """What the terminal itself says: of the card in the words of `mykey card`, of the hub in its own."""
    if isinstance(error, CardError):
        return Words(language_of_environment()).of_error(error)
    return "" if error is None else str(error)


def _one_line(answer: dict[str, Any], error: TerminalError | CardError | None) -> str:
    if answer["state"] != "done":
        problem = answer["problem"]
        return f"not done: {_told(problem) or _own_words(error)} [{problem['code']}]"
    result = answer["result"] or {}
    message = result.get("message") or {}
    return f"{result.get('outcome', 'done')}: {message.get('title', '')} [{result.get('code', '')}]"


add_run_commands(terminal, errors=_errors_for_people, hub_of=_hub)
add_queue_commands(terminal, errors=_errors_for_people)
add_card_commands(terminal, errors=_errors_for_people, hub_of=_hub, reader_of=_reader)
