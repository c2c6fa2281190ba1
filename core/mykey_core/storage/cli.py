"""`mykey db`: the state of the database and its upgrade."""

from __future__ import annotations

import json
from pathlib import Path

import click

from mykey_core.errors import MykeyError
from mykey_core.hub import upgrade_database
from mykey_core.settings import HubSettings, load_settings
from mykey_core.storage import migrate
from mykey_core.storage.engine import open_engine

_config = click.option(
    "--config", type=click.Path(path_type=Path), default=Path("hub.toml"), help="The hub's settings."
)


def _settings(config: Path) -> HubSettings:
    try:
        return load_settings(config)
    except MykeyError as error:
        raise click.ClickException(str(error)) from error


@click.group()
def db() -> None:
    """The hub's database."""


@db.command()
@_config
def upgrade(config: Path) -> None:
    """Bring the tables of the core and of all installed plugins up to date."""
    try:
        failed = upgrade_database(_settings(config))
    except MykeyError as error:
        raise click.ClickException(str(error)) from error
    click.echo("the database is up to date")
    for name in failed:
        click.echo(f"plugin '{name}' could not be upgraded: see `mykey plugins`", err=True)


@db.command()
@_config
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(config: Path, *, as_json: bool) -> None:
    """Show the revision of the database and that of this version; exit status 1 when they differ."""
    try:
        current, newest = migrate.status(open_engine(_settings(config).database_url))
    except MykeyError as error:
        raise click.ClickException(str(error)) from error
    answer = {"database": current, "version": newest, "up_to_date": current == newest}
    click.echo(json.dumps(answer) if as_json else f"database {current}, this version {newest}")
    if current != newest:
        raise SystemExit(1)
