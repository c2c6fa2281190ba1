"""`mykey card simulate`: an emulated card in the virtual reader of PC/SC, until it is interrupted."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import click

from mykey_cardap.apdu import SW
from mykey_cardap.emulator import trace
from mykey_cardap.emulator.application import Options
from mykey_cardap.emulator.card import DEFAULT_ATR, Behaviour
from mykey_cardap.emulator.cards import NoFreeAreaError, make_card
from mykey_cardap.emulator.personas import UnknownPersonaError
from mykey_cardap.emulator.state import CardHold, CardStateError
from mykey_cardap.emulator.vpcd import DEFAULT_HOST, DEFAULT_PORT, VpcdSlot, serve_forever

_MS: Final = 1000
_MIN_ATR: Final = 2
_MAX_ATR: Final = 33
_MESSAGES: Final = {
    "connected": "the card '{name}' is in the virtual reader at {address} (Ctrl-C takes it out)",
    "waiting": "no virtual reader at {address}; waiting for pcscd with vsmartcard-vpcd",
    "removed": "the card '{name}' was pulled",
}


class Address(click.ParamType[tuple[str, int]]):
    """HOST:PORT, HOST or :PORT of the virtual reader driver."""

    name = "HOST:PORT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """(host, port); a usage error when the port is no number of 1 to 65535."""
        if isinstance(value, tuple):
            return value
        host, _, port = str(value).rpartition(":") if ":" in str(value) else (str(value), "", "")
        number = int(port) if port.isascii() and port.isdigit() else DEFAULT_PORT if not port else 0
        if not 1 <= number <= 0xFFFF:  # noqa: PLR2004 - TCP ports
            self.fail("a port is a number from 1 to 65535", param, ctx)
        return host or DEFAULT_HOST, number


class Atr(click.ParamType[bytes]):
    """An ATR in hexadecimal, with or without colons and spaces."""

    name = "HEX"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        """2 to 33 bytes beginning with 3B or 3F; a usage error otherwise."""
        if isinstance(value, bytes):
            return value
        try:
            atr = bytes.fromhex(str(value).replace(":", ""))
        except ValueError:
            atr = b""
        if not _MIN_ATR <= len(atr) <= _MAX_ATR or atr[0] not in {0x3B, 0x3F}:
            self.fail("an ATR has 2 to 33 bytes in hexadecimal and begins with 3B or 3F", param, ctx)
        return atr


@click.command("simulate")
@click.argument("persona")
@click.option("--vpcd", "address", type=Address(), default=f"{DEFAULT_HOST}:{DEFAULT_PORT}", show_default=True)
@click.option("--delay", type=click.IntRange(0, 60_000), default=0, metavar="MS", help="Delay of every command.")
@click.option("--sign-delay", type=click.IntRange(0, 60_000), default=0, metavar="MS", help="More for SIGN.")
@click.option("--state", type=click.Path(dir_okay=False, path_type=Path), help="Keeps PINs and counters.")
@click.option("--trace", "tracing", is_flag=True, help="Show APDUs on standard error, PINs masked.")
@click.option("--pull-at", type=click.IntRange(1), metavar="N", help="Pull the card at its N-th command.")
@click.option("--benchmark", type=click.IntRange(1), metavar="N", help="Measure N short APDUs through PC/SC.")
@click.option("--atr", type=Atr(), default=DEFAULT_ATR.hex(), show_default=True)
@click.option("--first-6f00", is_flag=True, help="Answer 6F00 to the first command after power-up.")
@click.option("--service-application", is_flag=True, help="Put our own application into the card's free area.")
@click.option("--blocked-6983", is_flag=True, help="Answer 6983 instead of 6984 for a blocked PIN.")
def simulate(
    persona: str,
    *,
    address: tuple[str, int],
    delay: int,
    sign_delay: int,
    state: Path | None,
    tracing: bool,
    pull_at: int | None,
    benchmark: int | None,
    atr: bytes,
    first_6f00: bool,
    blocked_6983: bool,
    service_application: bool,
) -> None:
    """Put the emulated card PERSONA into the virtual reader and stay until interrupted.

    WARNING: the reader driver (vsmartcard-vpcd) listens on ALL network interfaces, and whoever reaches its
    port may insert a card. For development only, behind a firewall or in a private network namespace.
    """
    lock = _lock(state)
    behaviour = Behaviour(atr, delay / _MS, sign_delay / _MS, first_6f00)
    options = Options(blocked_sw=SW.BLOCKED_ISO if blocked_6983 else SW.BLOCKED)
    try:
        card = make_card(
            persona, state=state, behaviour=behaviour, options=options, service_application=service_application
        )
    except (UnknownPersonaError, CardStateError, NoFreeAreaError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"cannot use the state file {state}: {error.strerror}") from error
    slot = VpcdSlot(card, *address, observe=_show if tracing else _count, pull_at=pull_at)
    with lock:
        _run(slot, persona, address, benchmark)


def _lock(state: Path | None) -> ExitStack:
    """Hold the state file for one program: two cards on one file would give each other tries back."""
    held = ExitStack()
    if state is None:
        return held
    try:
        held.callback(CardHold(state).close)
    except CardStateError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"cannot use the state file {state}: {error.strerror}") from error
    return held


def _run(slot: VpcdSlot, persona: str, address: tuple[str, int], benchmark: int | None) -> None:
    signal.signal(signal.SIGTERM, _interrupt)
    place = f"{address[0]}:{address[1]}"
    measurement: list[subprocess.Popen[bytes]] = []

    def notify(event: str) -> None:
        click.echo(_MESSAGES[event].format(name=persona, address=place), err=True)
        if benchmark and event == "connected" and not measurement:
            measurement.append(_start_measurement(slot.card.behaviour.atr, benchmark))

    try:
        serve_forever(slot, notify=notify)
    except KeyboardInterrupt:
        click.echo(f"the card '{persona}' was taken out after {slot.commands} commands", err=True)
    finally:
        for process in measurement:
            process.terminate()
            process.wait()


def _start_measurement(atr: bytes, count: int) -> subprocess.Popen[bytes]:
    """The other side in a process of its own; it prints the figure to standard error."""
    return subprocess.Popen([sys.executable, "-m", "mykey_cardap.cli.rate", atr.hex(), str(count)])  # noqa: S603 - ourselves


def _interrupt(number: int, frame: object) -> None:  # noqa: ARG001 - the signature of signal handlers
    raise KeyboardInterrupt


def _show(command: bytes, response: bytes) -> None:
    sys.stderr.write(trace.line(command, response) + "\n")


def _count(command: bytes, response: bytes) -> None:
    """Without --trace nothing is shown; the slot counts by itself."""
