"""`ride`, `cab`, `meter`: a ride from the command line, the driver's page, and a simulated meter."""

from __future__ import annotations

import json
import secrets
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from mykey_taxi.cab.draft import DraftFile
from mykey_taxi.cab.link import CabError, SocketLink
from mykey_taxi.cab.meter import fare_from, simulated
from mykey_taxi.cab.ride import CabRide
from mykey_taxi.commands.rules import packs_option, plain_errors, series, show

_SOCKET: Final = click.option(
    "--socket", "path", required=True, type=click.Path(path_type=Path), help="terminal.sock of the cab's terminal."
)
_STATE: Final = click.option(
    "--state", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the ride under way."
)
_TRIES: Final = 3


@contextmanager
def _cab(path: Path, state: Path, packs: Path | None, programme: str) -> Iterator[tuple[CabRide, SocketLink]]:
    link = SocketLink(path)
    try:
        file = DraftFile(state / "ride.json")
        yield CabRide(link, series(packs, programme), file, lambda: datetime.now(UTC)), link
    finally:
        link.close()


@click.command()
@_SOCKET
@_STATE
@click.option("--meter", type=int, help="What the meter shows, in yen.")
@click.option("--meter-line", type=click.File("rb"), help="Read the fare from a meter's lines (see docs).")
@click.option("--discount", default=0, show_default=True, help="The operator's own discount, in yen.")
@click.option("--from", "board", default="inside", show_default=True, help="Zone of boarding.")
@click.option("--to", "alight", default="inside", show_default=True, help="Zone of alighting.")
@click.option("--card", "cards", multiple=True, metavar="PERSONA", help="Emulated card, once for each rider.")
@click.option("--riders", default=1, show_default=True, help="How many riders tap, with real cards.")
@packs_option
@plain_errors
def ride(
    path: Path,
    state: Path,
    meter: int | None,
    meter_line: Any,
    discount: int,
    board: str,
    alight: str,
    cards: tuple[str, ...],
    riders: int,
    packs: Path | None,
    programme: str,
) -> None:
    """One ride, from the taps to the record in the queue; called again after it was killed, it goes on."""
    with _cab(path, state, packs, programme) as (cab, link):
        place = _tray(link) if cards else _reader
        names = cards or tuple(f"{number}" for number in range(1, riders + 1))
        if cab.draft is None:
            cab.begin(board)
        if not (cab.draft and cab.draft.proofs):
            for name in names:
                place(name)
                _again(cab.tap)
            fare, off = _fare(meter, meter_line, discount)
            cab.set_fare(fare, off, zone=alight)
        _show_price(cab)
        for name in names if cab.waiting() else ():
            place(name)
            _again(cab.commit)
        show(cab.finish())


def _fare(meter: int | None, meter_line: Any, discount: int) -> tuple[int, int]:
    if meter_line is not None:
        reading = fare_from(meter_line)
        return reading.fare_yen, reading.discount_yen
    return (meter if meter is not None else click.prompt("meter (yen)", type=int)), discount


def _tray(link: SocketLink) -> Callable[[str], None]:
    """Cards of the emulated tray are put into the reader by name."""

    def place(name: str) -> None:
        link.ask("insert", card=name)

    return place


def _reader(name: str) -> None:
    click.pause(f"rider {name}: put the card on the reader and press a key")


def _again(act: Callable[[], Any]) -> Any:
    """A card that was pulled is tapped again."""
    for last in range(_TRIES, 0, -1):
        try:
            return act()
        except CabError as error:
            if last == 1 or error.code not in {"tap_unknown", "card_removed", "no_card"} or not sys.stdin.isatty():
                raise
            click.pause("the card was pulled: put the same card on the reader and press a key")
    return None


def _show_price(cab: CabRide) -> None:
    cost = cab.price()
    click.echo(f"fare {cost.fare_yen:,} yen, subsidy {cost.subsidy_yen:,}, cash {cost.cash_yen:,}", err=True)
    if cost.reason:
        click.echo(f"no subsidy: {cost.reason}", err=True)


@click.command()
@click.argument("fare", type=int)
@click.option("--discount", default=0, show_default=True)
def meter(fare: int, discount: int) -> None:
    """Simulate a meter: the lines of one trip on standard output, for `ride --meter-line -`."""
    for line in simulated(fare, discount_yen=discount):
        sys.stdout.buffer.write(line)


@click.command(name="cab")
@_SOCKET
@_STATE
@click.option("--port", default=0, show_default=True, type=click.IntRange(0, 65535), help="0: any free port.")
@click.option("--tray", is_flag=True, help="Choose emulated cards on the page.")
@click.option("--language", type=click.Choice(["ja", "en", "ja-Hira"]), default="ja", show_default=True)
@packs_option
@plain_errors
def cab(path: Path, state: Path, port: int, language: str, packs: Path | None, programme: str, *, tray: bool) -> None:
    """Serve the driver's page on this computer; its address is printed as JSON, for the browser of the tablet."""
    from waitress import create_server  # noqa: PLC0415 - other commands need no server

    from mykey_taxi.cab.tablet import Tablet, tablet_app  # noqa: PLC0415 - as above

    secret = secrets.token_urlsafe(16)
    place = socket.create_server(("127.0.0.1", port))
    with _cab(path, state, packs, programme) as (ride_, link), closing(place):
        number = place.getsockname()[1]
        hosts = (f"127.0.0.1:{number}", f"localhost:{number}")
        tablet = Tablet(ride_, link, series(packs, programme), language, tray)
        click.echo(json.dumps({"address": f"http://127.0.0.1:{number}/{secret}/"}))
        sys.stdout.flush()
        create_server(tablet_app(tablet, secret=secret, hosts=hosts), sockets=[place], threads=1).run()
