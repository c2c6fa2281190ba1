"""`mykey plugin retry`: let a plugin start again that is in safe mode."""

from __future__ import annotations

from pathlib import Path

import click

from mykey_core.clock import system_clock
from mykey_core.errors import MykeyError
from mykey_core.plugins.safe_mode import Starts
from mykey_core.settings import load_settings
from mykey_core.storage.database import open_database


@click.command()
@click.argument("name")
@click.option("--config", type=click.Path(path_type=Path), default=Path("hub.toml"), help="The hub's settings.")
def retry(name: str, config: Path) -> None:
    """Forget that the plugin NAME has ended the hub at start, so that the next start tries it again."""
    try:
        settings = load_settings(config)
        database = open_database(settings.database_url, settings.municipality)
        forgotten = Starts(database.engine, settings.municipality, system_clock).forget(name)
    except MykeyError as error:
        raise click.ClickException(str(error)) from error
    database.dispose()
    click.echo(f"{forgotten} crashes forgotten: restart the hub")
