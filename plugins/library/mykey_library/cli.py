"""`mykey library`: filling the embedded circulation store."""

from __future__ import annotations

import csv
from pathlib import Path

import click

from mykey_core.api import MykeyError, plugin_session
from mykey_library.store import CirculationStore

_PATRON_DIGITS = 8
_MAX_BARCODE = 14


@click.group()
def library() -> None:
    """The library plugin."""


def _read(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = [column for column in columns if column not in (reader.fieldnames or ())]
        if missing:
            raise click.ClickException(f"{path.name}: the column {', '.join(missing)} is missing")
        return list(reader)


def _patron_numbers(path: Path) -> list[str]:
    numbers = [row["number"].strip() for row in _read(path, ("number",))]
    for line, number in enumerate(numbers, start=2):
        if not (number.isascii() and number.isdigit() and len(number) == _PATRON_DIGITS):
            raise click.ClickException(f"{path.name}, line {line}: a patron number has {_PATRON_DIGITS} digits")
    return numbers


def _items(path: Path) -> list[tuple[str, str, str]]:
    rows = _read(path, ("barcode", "title", "author"))
    for line, row in enumerate(rows, start=2):
        if not row["barcode"].strip() or len(row["barcode"]) > _MAX_BARCODE or not row["title"].strip():
            needed = "a barcode (up to 14 characters) and a title are needed"
            raise click.ClickException(f"{path.name}, line {line}: {needed}")
    return [(row["barcode"].strip(), row["title"].strip(), (row["author"] or "").strip()) for row in rows]


@library.command(name="import")
@click.option("--config", type=click.Path(path_type=Path), default=Path("hub.toml"), help="The hub's settings.")
@click.option("--patrons", type=click.Path(exists=True, path_type=Path), help="CSV with the column number.")
@click.option("--items", type=click.Path(exists=True, path_type=Path), help="CSV with barcode, title and author.")
def import_files(config: Path, patrons: Path | None, items: Path | None) -> None:
    """Add patrons and items from CSV files; what is there already stays. All of it, or nothing on a bad line."""
    numbers = _patron_numbers(patrons) if patrons else []
    rows = _items(items) if items else []
    try:
        with plugin_session(config, "library") as (_, database):
            store = CirculationStore(database)
            new_patrons, new_items = store.add_patrons(numbers), store.add_items(rows)
    except MykeyError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{new_patrons} new patrons, {new_items} new items")
