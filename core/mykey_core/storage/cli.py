"""`mykey db`: the state of the database and its upgrade."""

from __future__ import annotations

import json
from pathlib import Path

import click

from mykey_core.errors import MykeyError
from mykey_core.hub import upgrade_database
from mykey_core.settings import HubSettings, load_settings
from mykey_core.storage import migrate
from mykey_core.storage.backup import make_backup, restore_backup
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
        settings = _settings(config)
        current, newest = migrate.status(open_engine(settings.database_owner_url or settings.database_url))
    except MykeyError as error:
        raise click.ClickException(str(error)) from error
    answer = {"database": current, "version": newest, "up_to_date": current == newest}
    click.echo(json.dumps(answer) if as_json else f"database {current}, this version {newest}")
    if current != newest:
        raise SystemExit(1)


@db.command()
@_config
@click.argument("file", type=click.Path(path_type=Path))
def backup(config: Path, file: Path) -> None:
    """Write a consistent copy of the database to FILE while the hub runs. The keys file is backed up apart from it."""
    settings = _settings(config)
    try:
        size = make_backup(settings.database_owner_url or settings.database_url, file)
    except MykeyError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"wrote {file}, {size} bytes; keep {settings.keys_file.name} in another place")


@db.command()
@_config
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--replace", is_flag=True, help="Overwrite the database that is there.")
def restore(config: Path, file: Path, *, replace: bool) -> None:
    """Bring the database to the state of FILE, and its tables to this version. The hub must not run."""
    settings = _settings(config)
    try:
        restore_backup(settings.database_owner_url or settings.database_url, file, replace=replace)
        upgrade_database(settings)
    except MykeyError as error:
        raise click.ClickException(str(error)) from error
    click.echo("restored; check it with `mykey audit verify` and a checkpoint kept elsewhere")
