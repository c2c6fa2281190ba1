"""`mykey library`: filling the embedded circulation store, and asking its rules."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from mykey_core.api import MykeyError, PluginContext, plugin_session
from mykey_library import imports
from mykey_library.embedded.collection import Collection
from mykey_library.embedded.matrix import write_cell
from mykey_library.embedded.register import Register
from mykey_library.links import LinkKind, Links
from mykey_library.rows import Rows
from mykey_library.sip2.commands import COMMANDS as SIP2_COMMANDS

_COLUMNS: dict[str, tuple[str, ...]] = {
    "branches": ("code", "title"),
    "days": ("branch", "day", "open"),
    "policy": ("category", "kind", "loan_days", "max_loans", "max_renewals", "max_holds"),
    "patrons": ("number",),
    "items": ("barcode", "title", "author"),
    "links": ("mykey_id", "number"),
}
_READERS: dict[str, Callable[[imports.Row], Any]] = {
    "branches": imports.read_branch,
    "days": imports.read_day,
    "policy": imports.read_terms,
    "patrons": imports.read_patron,
    "items": imports.read_copy,
    "links": imports.read_link,
}
_file = click.Path(exists=True, dir_okay=False, path_type=Path)
config_option = click.option(
    "--config", type=click.Path(path_type=Path), default=Path("hub.toml"), help="The hub's settings."
)


@click.group()
def library() -> None:
    """The library plugin."""


@library.command(name="import")
@config_option
@click.option("--branches", type=_file, help="CSV: code, title, closed_weekdays (0 = Monday), service_points.")
@click.option("--days", type=_file, help="CSV: branch, day, open (yes or no).")
@click.option("--policy", type=_file, help="CSV: category, kind, loan_days, max_loans, max_renewals, max_holds.")
@click.option("--patrons", type=_file, help="CSV: number, category, name, language, expires_on, pin.")
@click.option("--items", type=_file, help="CSV: barcode, title, author, title_id, kana, isbn, ndc, branch, kind, …")
@click.option("--links", type=_file, help="CSV: mykey_id, number; of people enrolled with `mykey identity enrol`.")
@click.option("--encoding", default="utf-8-sig", help="Of the files: utf-8-sig or cp932.")
@click.option("--skip-bad", is_flag=True, help="Take the good lines although there are bad ones.")
def import_files(config: Path, *, encoding: str, skip_bad: bool, **paths: Path | None) -> None:
    """Add what stands in CSV files; what is there already stays. On a bad line nothing is taken, unless --skip-bad."""
    try:
        parsed = {
            name: imports.parse(path, _COLUMNS[name], _READERS[name], encoding) for name, path in paths.items() if path
        }
        bad = [line for found in parsed.values() for line in found.bad]
        for line in bad:
            click.echo(str(line), err=True)
        if bad and not skip_bad:
            raise click.ClickException(f"{len(bad)} bad lines, nothing was taken; --skip-bad takes the others")
        with plugin_session(config, "library") as (context, database):
            good = {name: found.good for name, found in parsed.items()}
            counts = _store(Rows(database), good)
            strangers = _take_over(context, Links(Rows(database)), good.get("links", []))
    except (MykeyError, LookupError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{counts['patrons']} new patrons, {counts['items']} new items" + (f", {len(bad)} bad" if bad else ""))
    if "links" in parsed:
        click.echo(f"{len(good['links']) - strangers} links taken over, {strangers} of people who are not enrolled")


def _take_over(context: PluginContext, links: Links, found: list[tuple[str, str]]) -> int:
    """Link by MyKey ID; how many MyKey IDs the core does not know. The plugin keeps the pseudonym only."""
    strangers = 0
    for mykey_id, number in found:
        subject = context.people.subject_of_mykey_id(mykey_id) if context.people else None
        if subject is None:
            strangers += 1
        else:
            links.add(subject, number, LinkKind.MYKEY_ID, datetime.now(UTC))
    return strangers


def _store(rows: Rows, good: dict[str, list[Any]]) -> dict[str, int]:
    collection, register = Collection(rows), Register(rows)
    for new in good.get("branches", ()):
        collection.add_branch(new.code, new.title, new.closed_weekdays, new.service_points)
    for branch, day, is_open in good.get("days", ()):
        collection.set_day(branch, day, is_open=is_open)
    for category, kind, terms in good.get("policy", ()):
        write_cell(rows, category, kind, terms)
    patrons = sum(register.add(new) for new in good.get("patrons", ()))
    return {"patrons": patrons, "items": sum(collection.add_copy(new) for new in good.get("items", ()))}


@library.command()
@click.option("--schema", is_flag=True, help="Print the JSON Schema of a question.")
def rules(*, schema: bool) -> None:
    """Ask the rules of lending: a question in JSON on standard input, the decision in JSON on standard output."""
    from mykey_library import questions  # noqa: PLC0415 - only this command needs pydantic

    if schema:
        click.echo(json.dumps(questions.question_schema(), ensure_ascii=False))
        return
    answered = questions.answer(sys.stdin.read())
    click.echo(json.dumps(answered, ensure_ascii=False))
    raise SystemExit(1 if "error" in answered else 0)


for _name, _command in SIP2_COMMANDS.items():
    library.add_command(_command, _name)


@library.command()
@click.option("--agent", type=int, required=True, help="Port of the terminal's agent on this computer.")
@click.option("--origin", required=True, help="Origin of the hub, such as https://hub.example.jp.")
@click.option("--service", default="library-desk", help="The service of the tap.")
@click.option("--keys", is_flag=True, help="Type the number into the window that has the focus.")
@click.option("--websocket", type=int, help="Tell the number to programs that listen on this port of 127.0.0.1.")
@click.option("--listener-origin", multiple=True, help="A web origin that may listen; without it programs only.")
@click.option("--prefix", default="", help="What stands before the number.")
@click.option("--start", default="", help="Start letter of NW-7.")
@click.option("--stop", default="", help="Stop letter of NW-7.")
@click.option("--no-enter", is_flag=True, help="Do not end with Enter.")
@click.option("--check-digit", type=click.Choice(["none", "modulus-10", "7dr", "7dsr"]), default="none")
def wedge(agent: int, origin: str, service: str, **options: Any) -> None:
    """Tap → patron number to any program, for library systems without SIP2. The pairing code is asked for."""
    from mykey_library.wedge.run import run  # noqa: PLC0415 - only this command needs a WebSocket server

    try:
        run(agent, origin, service, options)
    except MykeyError as error:
        raise click.ClickException(str(error)) from error
