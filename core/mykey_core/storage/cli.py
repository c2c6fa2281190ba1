"""`mykey db`: the state of the database and its upgrade."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TextIO

import click

from mykey_core.audit.checkpoint import open_checkpoint
from mykey_core.audit.keeper import signer_of
from mykey_core.audit.verify import Verification, verify_log
from mykey_core.errors import MykeyError
from mykey_core.hub import upgrade_database
from mykey_core.outbox.waiting import what_waits
from mykey_core.settings import HubSettings, load_settings
from mykey_core.storage import migrate
from mykey_core.storage.backup import make_backup, restore_backup
from mykey_core.storage.database import open_database
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
@click.option("--checkpoint", "kept", type=click.File(encoding="utf-8"), help="A checkpoint that was kept elsewhere.")
def restore(config: Path, file: Path, kept: TextIO | None, *, replace: bool) -> None:
    """Bring the database to the state of FILE, and its tables to this version. The hub must not run.

    The audit log of what was restored is verified; exit status 1 when it is not intact.
    """
    settings = _settings(config)
    try:
        restore_backup(settings.database_owner_url or settings.database_url, file, replace=replace)
        upgrade_database(settings)
    except MykeyError as error:
        raise click.ClickException(str(error)) from error
    try:
        found = _verified(settings, kept)
    except MykeyError as error:
        raise click.ClickException(f"restored, but the audit log could not be verified: {error}") from error
    for finding in found.findings:
        click.echo(str(finding), err=True)
    if not found.ok:
        raise click.ClickException(f"restored, but its audit log is NOT intact: {len(found.findings)} findings")
    more = "" if kept else "; check it with `mykey audit verify` and a checkpoint kept elsewhere as well"
    click.echo(f"restored; its audit log is intact: {found.size} sealed records, {found.pending} pending{more}")


def _verified(settings: HubSettings, kept: TextIO | None) -> Verification:
    keys = [signer_of(settings).verifier]
    checkpoint = open_checkpoint(kept.read(), keys) if kept else None
    database = open_database(settings.database_url, settings.municipality)
    try:
        return verify_log(database, settings.municipality, keys, checkpoint)
    finally:
        database.dispose()


@db.command()
@_config
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def outbox(config: Path, *, as_json: bool) -> None:
    """Show which events wait for their subscribers, since when, and what was given up."""
    settings = _settings(config)
    database = open_database(settings.database_url, settings.municipality)
    try:
        with database.reading() as session:
            lines = what_waits(session, settings.municipality)
    except MykeyError as error:
        raise click.ClickException(str(error)) from error
    finally:
        database.dispose()
    if as_json:
        click.echo(json.dumps([line.as_json() for line in lines]))
        return
    for line in lines:
        due = "given up" if line.next_try is None else f"next try {line.next_try.isoformat(timespec='seconds')}"
        counts = f"{line.waiting} waiting, {line.given_up} given up"
        click.echo(f"{line.subscriber:20} {line.kind:30} {counts}, since {line.oldest:%Y-%m-%d %H:%M} UTC, {due}")
    if not lines:
        click.echo("nothing waits")
