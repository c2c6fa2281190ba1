"""`figures`, `open-data`, `gofs`: what the town sees and publishes."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from mykey_core.api import tokyo_date
from mykey_taxi.commands.rules import packs_option, plain_errors, series, show
from mykey_taxi.commands.settlement import CONFIG, MONTH, transactions
from mykey_taxi.figures import dashboard
from mykey_taxi.figures import open_data as published
from mykey_taxi.figures.gofs import gofs_files
from mykey_taxi.rules.civil import fiscal_year


@click.command()
@click.option("--year", type=int, help="Fiscal year; without it the one under way.")
@CONFIG
@packs_option
@plain_errors
def figures(year: int | None, config: Path, packs: Path | None, programme: str) -> None:
    """The figures of a fiscal year, as JSON."""
    today = tokyo_date(datetime.now(UTC))
    facts = series(packs, programme).on(today).programme
    chosen = fiscal_year(today, facts.year_start) if year is None else year
    with transactions(config) as begin, begin() as database:
        found = dashboard.figures(database, chosen, today, start=facts.year_start, budget=facts.budget_yen)
    show(asdict(found))


@click.command(name="open-data")
@MONTH
@click.option("--k", default=10, show_default=True, help="Least number of riders behind a published number.")
@CONFIG
@plain_errors
def open_data(month: str, k: int, config: Path) -> None:
    """Rides of a closed month by zone and hour as CSV, without persons."""
    with transactions(config) as begin, begin() as database:
        click.echo(published.open_data(database, month, k=k), nl=False)


@click.command()
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the files.")
@click.option("--url", required=True, help="Where the files will stand.")
@click.option("--language", type=click.Choice(["ja", "en"]), default="ja", show_default=True)
@packs_option
@plain_errors
def gofs(out: Path, url: str, language: str, packs: Path | None, programme: str) -> None:
    """Zones and operating rules in the General On-Demand Feed Specification."""
    now = datetime.now(UTC)
    files = gofs_files(
        series(packs, programme).on(tokyo_date(now)), updated=int(now.timestamp()), url=url, language=language
    )
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (out / name).write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    click.echo("\n".join(sorted(files)))
