"""`mykey terminal write-card`, `card-tap`, `approve-writing` and `release-card`: card writing without a browser.

What is written comes as JSON from a file or standard input, never as an argument that others on the computer see.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TextIO

import click

from mykey_terminal.enrolment import StateDirectory
from mykey_terminal.hub import Hub
from mykey_terminal.open_writings import OpenWriting, OpenWritings
from mykey_terminal.readers import CardReader
from mykey_terminal.relay import TAPS, WRITINGS, CardRelay, WritingOutcome

OPERATIONS = ("write", "suspend", "resume", "delete", "move-out", "check", "rotate", "raise-floor")
KINDS = ("ride", "debit", "credit", "refund", "grant")
EVIDENCE = ("card-examined", "terminal-fault", "key-restored", "card-restored")
_BARE = frozenset({"done", "approval"})
_state = click.option(
    "--state", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of the terminal."
)
_virtual = click.option("--virtual", metavar="PERSONA", help="Use this emulated card instead of a reader.")
_reader = click.option("--reader", help="Name of the card reader, or a part of it.")
_language = click.option("--language", help="Language of the hub's answers: ja, en or ja-Hira.")
_plugin = click.option("--plugin", default="", help="The plugin whose service it is.")


def add_card_commands(
    group: click.Group,
    *,
    errors: Callable[[], AbstractContextManager[None]],
    hub_of: Callable[[StateDirectory], AbstractContextManager[Hub]],
    reader_of: Callable[..., CardReader],
) -> None:
    """Add the commands to `mykey terminal`, with its own ways to report errors and to find hub and reader."""

    def carry(
        state: Path, path: str, order: dict[str, Any], reader: dict[str, Any], language: str | None
    ) -> WritingOutcome:
        with errors():
            directory = StateDirectory(state)
            chosen = reader_of(directory, **reader)
            with hub_of(directory) as hub:
                notes = OpenWritings(directory.writings)
                notes.settle(hub)
                return _carried(hub.card_relay(language=language), chosen, notes, path, order)

    @group.command("write-card")
    @_state
    @click.option("--operation", type=click.Choice(OPERATIONS), default="write", show_default=True)
    @_plugin
    @click.option(
        "--data", type=click.File(encoding="utf-8"), help="JSON: values, value, rides, period; - for standard input."
    )
    @click.option("--with-value", is_flag=True, help="Also delete a service that holds money: it has been refunded.")
    @click.option("--dry-run", is_flag=True, help="Read the card and say what would be done.")
    @click.option(
        "--shared-with", multiple=True, metavar="CODE", help="A town whose cards may be written, too; repeatable."
    )
    @click.option("--go-on", metavar="ID", help="Go on with a writing of this terminal that has been approved.")
    @click.option("--visit", "visit_id", help="A running visit: the plugin hands over the data for this person.")
    @_virtual
    @_reader
    @_language
    def write_card(
        *,
        state: Path,
        operation: str,
        plugin: str,
        data: TextIO | None,
        with_value: bool,
        dry_run: bool,
        shared_with: tuple[str, ...],
        go_on: str | None,
        visit_id: str | None,
        virtual: str | None,
        reader: str | None,
        language: str | None,
    ) -> None:
        """Write a service onto a card, or change it; prints JSON. Exit status 0 when it was done."""
        order = {**_content(data), "operation": operation, "plugin": plugin, "with_value": with_value}
        order |= {"dry_run": dry_run, "shared_with": list(shared_with)}
        if visit_id is not None:
            order["visit_id"] = visit_id
        if go_on is not None:
            order["go_on"] = go_on
        _tell(carry(state, WRITINGS, order, {"virtual": virtual, "wanted": reader}, language))

    @group.command("card-tap")
    @_state
    @click.option("--plugin", required=True, help="The plugin whose service it is.")
    @click.option("--kind", type=click.Choice(KINDS), default="ride", show_default=True)
    @click.option("--total", type=click.IntRange(0), default=0, help="Fare or price in yen; rides for a grant.")
    @click.option("--amount", type=click.IntRange(0), default=0, help="Yen that leave (or enter) the card.")
    @click.option("--period", type=click.IntRange(0, 0xFFFF), help="The card's own when left out.")
    @_virtual
    @_reader
    @_language
    def card_tap(
        *,
        state: Path,
        plugin: str,
        kind: str,
        total: int,
        amount: int,
        period: int | None,
        virtual: str | None,
        reader: str | None,
        language: str | None,
    ) -> None:
        """One transaction with a service on the card, without PIN; prints JSON. Exit status 0 when the card did it."""
        order: dict[str, Any] = {"plugin": plugin, "kind": kind, "total": total, "amount": amount}
        if period is not None:
            order["period"] = period
        _tell(carry(state, TAPS, order, {"virtual": virtual, "wanted": reader}, language))

    @group.command("approve-writing")
    @_state
    @click.argument("writing_id")
    @_language
    def approve_writing(*, state: Path, writing_id: str, language: str | None) -> None:
        """Approve, as the second person, a writing that another terminal has begun."""
        with errors(), hub_of(StateDirectory(state)) as hub:
            _tell(hub.card_relay(language=language).approve(writing_id))

    @group.command("release-card")
    @_state
    @click.argument("writing_id")
    @click.option("--evidence", type=click.Choice(EVIDENCE), required=True, help="What was found out about the card.")
    @_language
    def release_card(*, state: Path, writing_id: str, evidence: str, language: str | None) -> None:
        """Let the card of a writing leave quarantine; where two people are needed, the second one runs this, too."""
        with errors(), hub_of(StateDirectory(state)) as hub:
            found = hub.card_relay(language=language).release(writing_id, evidence)
        click.echo(json.dumps({"writing_id": writing_id, "state": found}))


def _carried(
    relay: CardRelay, reader: CardReader, notes: OpenWritings, path: str, order: dict[str, Any]
) -> WritingOutcome:
    with reader.open() as transport:
        approved = order.pop("go_on", None)
        begun = relay.find(approved) if approved else relay.begin(order, path=path)
        if begun.state == "approval":
            return begun
        operation = str(order.get("operation", "tap"))
        with notes.noted(OpenWriting(writing_id=begun.writing_id, operation=operation, plugin=order["plugin"])):
            return relay.resume(transport, begun.writing_id)


def _content(data: TextIO | None) -> dict[str, Any]:
    if data is None:
        return {}
    try:
        content = json.load(data)
    except (ValueError, RecursionError):
        raise click.BadParameter("is no JSON", param_hint="--data") from None
    if not isinstance(content, dict) or content.keys() - {"values", "value", "rides", "period"}:
        raise click.BadParameter("is an object with values, value, rides, period", param_hint="--data")
    return content


def _tell(outcome: WritingOutcome) -> None:
    click.echo(json.dumps(outcome.as_json(), ensure_ascii=False, indent=2))
    if outcome.state not in _BARE | {"open"}:
        sys.exit(1)
