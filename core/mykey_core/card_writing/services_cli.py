"""`mykey card-services`: services on the card in a reader of this computer, with the keys of a hub's folder; JSON.

For the administrator and for scripts. At a counter, terminals do the same over the hub (`mykey terminal write-card`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from mykey_cardap.emulator import InProcessTransport
from mykey_cardap.emulator.cards import NoFreeAreaError, make_card
from mykey_cardap.emulator.personas import UnknownPersonaError
from mykey_cardap.emulator.state import CardHold, CardStateError
from mykey_cardap.errors import CardError
from mykey_cardap.pcsc import open_card
from mykey_cardap.transport import Transport
from mykey_core.card_writing.counter import CardCounter, WritingOrder
from mykey_core.card_writing.denials import SlotDenials
from mykey_core.card_writing.plan import Operation
from mykey_core.card_writing.profiles import CardData
from mykey_core.errors import MykeyError, Refusal
from mykey_core.settings import load_settings

if TYPE_CHECKING:
    from mykey_core.hub import Hub

_EVIDENCE = ("card-examined", "terminal-fault", "key-restored", "card-restored")
_REASONS = ("lost", "stolen", "broken", "other")
_ALIAS_LENGTH = 64
_MEMBERS = frozenset({"values", "value", "rides", "period"})
_config = click.option("--config", type=click.Path(path_type=Path), default=Path("hub.toml"), show_default=True)


def _card_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--virtual", metavar="PERSONA", help="An emulated card instead of a reader."),
        click.option("--cards", type=click.Path(path_type=Path), help="Folder in which emulated cards are kept."),
        click.option("--reader", help="Name of the card reader, or a part of it."),
        click.option("--shared-with", multiple=True, metavar="CODE", help="Also cards of this town; repeatable."),
        _config,
    ):
        command = option(command)
    return command


@click.group("card-services")
def card_services() -> None:
    """Services on the card in the reader: what is there, and changing it. Prints JSON."""


@card_services.command("list")
@_config
def list_profiles(config: Path) -> None:
    """The services that can be written: the card profiles of the active plugins."""
    with _counter(config) as (_, counter):
        profiles = {name: profile.model_dump(mode="json") for name, profile in sorted(counter.profiles.items())}
    _print(profiles)


def _operation(
    name: str, operation: Operation, words: str, *, plugin: bool, data: bool = False, value: bool = False
) -> None:
    def run(config: Path, shared_with: tuple[str, ...], **options: Any) -> None:
        reader = {key: options.pop(key) for key in ("virtual", "cards", "reader")}
        _run(config, operation, frozenset(shared_with), reader, **options)

    command: Callable[..., None] = _card_options(run)
    if plugin:
        command = click.argument("plugin")(command)
    if data:
        source = click.File(encoding="utf-8")
        command = click.option(
            "--data", type=source, required=True, help="JSON: values, value, rides, period; -: stdin."
        )(command)
    if value:
        command = click.option("--with-value", is_flag=True, help="The money on it has been refunded.")(command)
    if name == "plan":
        command = click.option("--dry-run", is_flag=True, default=True, hidden=True)(command)
    card_services.command(name, help=words)(command)


_operation("plan", Operation.WRITE, "Say what writing PLUGIN's service would do.", plugin=True, data=True)
_operation("write", Operation.WRITE, "Write PLUGIN's service.", plugin=True, data=True)
_operation("suspend", Operation.SUSPEND, "Suspend PLUGIN's service.", plugin=True)
_operation("resume", Operation.RESUME, "Put PLUGIN's service back into use.", plugin=True)
_operation("delete", Operation.DELETE, "Delete PLUGIN's service.", plugin=True, value=True)
_operation("move-out", Operation.MOVE_OUT, "Delete all services of this town.", plugin=False, value=True)
_operation("check", Operation.CHECK, "Say what is on the card.", plugin=False)
_operation("rotate", Operation.ROTATE, "Give the card and this town's services the newest keys.", plugin=False)
_operation("raise-floor", Operation.RAISE_FLOOR, "Let the card refuse keys below the floor.", plugin=False)


@card_services.command()
@_config
@click.argument("writing", type=click.UUID)
@click.option("--evidence", type=click.Choice(_EVIDENCE), required=True, help="What was found out about the card.")
@click.option("--by", required=True, help="Who says so; where two people are needed, each runs this once.")
def release(config: Path, writing: Any, evidence: str, by: str) -> None:
    """Let the card of WRITING leave quarantine."""
    with _counter(config) as (_, counter):
        state = counter.release_by(f"staff:{by}", writing, evidence)
    _print({"writing_id": str(writing), "state": state})


@card_services.command()
@_config
@click.argument("alias")
@click.option("--reason", type=click.Choice(_REASONS), required=True, help="Why.")
@click.option("--by", required=True, help="Who says so.")
def deny(config: Path, alias: str, reason: str, by: str) -> None:
    """Let terminals, also those without a network, refuse the card that a plugin knows by ALIAS: it is lost."""
    with _counter(config) as (hub, _):
        _denials(hub).deny(_checked(alias), reason=reason, actor=f"staff:{by}")
    _print({"alias": alias, "state": "denied"})


@card_services.command()
@_config
@click.argument("alias")
@click.option("--by", required=True, help="Who says so.")
def allow(config: Path, alias: str, by: str) -> None:
    """End the denial of the card that a plugin knows by ALIAS: it was found."""
    with _counter(config) as (hub, _):
        ended = _denials(hub).allow(_checked(alias), actor=f"staff:{by}")
    _print({"alias": alias, "state": "allowed" if ended else "was not denied"})
    if not ended:
        sys.exit(1)


def _denials(hub: Hub) -> SlotDenials:
    return SlotDenials(hub.database, hub.settings.municipality, hub.clock, hub.people.keys)


def _checked(alias: str) -> str:
    if not 0 < len(alias) <= _ALIAS_LENGTH:
        raise click.BadParameter(f"1 to {_ALIAS_LENGTH} characters", param_hint="ALIAS")
    return alias


def _run(config: Path, operation: Operation, shared: frozenset[str], reader: dict[str, Any], **options: Any) -> None:
    plugin = options.get("plugin", "")
    with _counter(config) as (_, counter):
        order = WritingOrder(
            operation,
            plugin,
            _data(counter, plugin, options["data"]) if "data" in options else None,
            with_value=options.get("with_value", False),
            dry_run=options.get("dry_run", False),
            shared_with=shared,
        )
        with _card(**reader) as card:
            view = counter.run_here(order, card)
    answer = {"writing_id": str(view.id), "state": view.state, "code": view.code, "steps_done": view.steps_done}
    _print({**answer, "plan": list(view.plan), "card": view.card})
    if view.state != "done":
        sys.exit(1)


@contextmanager
def _counter(config: Path) -> Iterator[tuple[Hub, CardCounter]]:
    from mykey_core.card_writing.office import open_counter  # noqa: PLC0415 - the hub loads every plugin
    from mykey_core.hub import open_hub  # noqa: PLC0415

    try:
        hub = open_hub(load_settings(config))
        try:
            yield hub, open_counter(hub)
        finally:
            hub.close()
    except Refusal as refusal:
        raise click.ClickException(str(refusal)) from refusal
    except (MykeyError, CardError) as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def _card(virtual: str | None, cards: Path | None, reader: str | None) -> Iterator[Transport]:
    if virtual is None:
        with open_card(reader) as connection, connection.transaction() as transport:
            yield transport
        return
    folder = cards or Path("cards")
    folder.mkdir(parents=True, exist_ok=True)
    state = folder / f"{virtual}.json"
    try:
        with closing(CardHold(state)):
            card = make_card(virtual, state=state, service_application=True)
            with InProcessTransport(card) as transport:
                yield transport
    except (CardStateError, NoFreeAreaError, UnknownPersonaError) as error:
        raise click.ClickException(str(error)) from error


def _data(counter: CardCounter, plugin: str, source: TextIO) -> CardData | None:
    try:
        content = json.load(source)
    except (ValueError, RecursionError):
        raise click.BadParameter("is no JSON", param_hint="--data") from None
    if not isinstance(content, dict) or content.keys() - _MEMBERS or not isinstance(content.get("values", {}), dict):
        raise click.BadParameter("is an object with values, value, rides, period", param_hint="--data")
    profile = counter.profiles.get(plugin)
    if profile is None:
        return None
    numbers = {name: content.get(name, 0) for name in ("value", "rides", "period")}
    if not all(isinstance(number, int) for number in numbers.values()):
        raise click.BadParameter("value, rides and period are whole numbers", param_hint="--data")
    return CardData(profile.values_from_json(content.get("values", {})), **numbers)


def _print(document: object) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))
