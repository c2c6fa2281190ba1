"""`mykey library`: filling the embedded circulation store, and asking its rules."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mykey_core.api import MykeyError, plugin_session
from mykey_library import imports
from mykey_library.embedded.collection import Collection
from mykey_library.embedded.matrix import write_cell
from mykey_library.embedded.register import Register
from mykey_library.rows import Rows
from mykey_library.sip2.commands import COMMANDS as SIP2_COMMANDS

_COLUMNS: dict[str, tuple[str, ...]] = {
    "branches": ("code", "title"),
    "days": ("branch", "day", "open"),
    "policy": ("category", "kind", "loan_days", "max_loans", "max_renewals", "max_holds"),
    "patrons": ("number",),
    "items": ("barcode", "title", "author"),
}
_READERS: dict[str, Callable[[imports.Row], Any]] = {
    "branches": imports.read_branch,
    "days": imports.read_day,
    "policy": imports.read_terms,
    "patrons": imports.read_patron,
    "items": imports.read_copy,
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
        with plugin_session(config, "library") as (_, database):
            counts = _store(Rows(database), {name: found.good for name, found in parsed.items()})
    except (MykeyError, LookupError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{counts['patrons']} new patrons, {counts['items']} new items" + (f", {len(bad)} bad" if bad else ""))


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
