"""`mykey plugin purge`: remove what a plugin holds, after it was written to a file."""

from __future__ import annotations

from pathlib import Path

import click

from mykey_core.errors import MykeyError
from mykey_core.plugins.purge import Purge
from mykey_core.settings import load_settings


@click.command()
@click.argument("name")
@click.option("--export", "export", type=click.Path(path_type=Path), required=True, help="A new file for all its data.")
@click.option("--config", type=click.Path(path_type=Path), default=Path("hub.toml"), help="The hub's settings.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def purge(name: str, export: Path, config: Path, *, yes: bool) -> None:
    """Write all data of the disabled plugin NAME to a file, shred them, and drop its tables."""
    if not yes:
        click.confirm(f"Everything that '{name}' holds will be deleted. Go on?", abort=True)
    try:
        done = Purge(load_settings(config), name).run(export)
    except MykeyError as error:
        raise click.ClickException(str(error)) from error
    kept = "" if done.dropped else "; its tables stay, because another town uses them or there are none"
    click.echo(f"{done.rows} rows written to {export} and shredded; {len(done.dropped)} tables dropped{kept}")
