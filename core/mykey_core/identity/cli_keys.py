"""`mykey identity keys`: the epochs of the municipality's keys, and the re-keying job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mykey_core.identity.cli_base import config_option, json_command, opened
from mykey_core.identity.rekey import CORE_SECTORS, Rekeying
from mykey_core.keys.provider import KeyUnavailable, Purpose
from mykey_core.settings import load_settings

Json = dict[str, Any]
_purpose = click.argument("purpose", type=click.Choice([purpose.value for purpose in Purpose]))


@click.group()
def keys() -> None:
    """The municipality's secret keys."""


@keys.command()
@config_option
@json_command
def create(config: Path) -> Json:
    """Make the first key of each purpose in a new hardware token; keys that are there stay."""
    settings = load_settings(config)
    provider = settings.identity.open_keys(settings.keys_file, settings.municipality)
    epochs = {}
    for purpose in Purpose:
        try:
            epochs[purpose.value] = list(provider.epochs(purpose))
        except KeyUnavailable:
            epochs[purpose.value] = [provider.add_epoch(purpose)]
    return {"epochs": epochs}


@keys.command()
@config_option
@json_command
def status(config: Path) -> Json:
    """Show the epochs, and how many rows wait to be moved to the newest."""
    with opened(config) as hub, hub.database.reading() as session:
        job = Rekeying(hub.people, {})
        return {
            purpose.value: {
                "epochs": list(hub.people.keys.epochs(purpose)),
                "rows_of_older_epochs": job.waiting(session, purpose),
            }
            for purpose in Purpose
        }


@keys.command("add-epoch")
@config_option
@_purpose
@json_command
def add_epoch(config: Path, purpose: str) -> Json:
    """Make a new key for PURPOSE. New rows are made under it; `rekey` moves the others."""
    with opened(config) as hub:
        return {"purpose": purpose, "epoch": hub.people.keys.add_epoch(Purpose(purpose))}


@keys.command()
@config_option
@_purpose
@json_command
def rekey(config: Path, purpose: str) -> Json:
    """Move all rows of PURPOSE to the newest key. Can be stopped and started again at any time."""
    with opened(config) as hub:
        columns = {name: plugin.context.manifest.subject_columns for name, plugin in hub.plugins.plugins.items()}
        columns |= CORE_SECTORS
        moved = Rekeying(hub.people, columns).run(hub.database, Purpose(purpose), hub.clock())
        return {"purpose": purpose, "rows": moved}
