"""`mykey plugins`: what is installed, what the municipality enables, and why a plugin is not active."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from mykey_core.errors import MykeyError
from mykey_core.plugins.config import read_plugins_file
from mykey_core.plugins.runtime import PluginRuntime
from mykey_core.settings import load_settings
from mykey_core.storage.engine import open_engine


@click.command()
@click.option("--config", type=click.Path(path_type=Path), default=Path("hub.toml"), help="The hub's settings.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plugins(config: Path, *, as_json: bool) -> None:
    """Show each plugin, its state, and the reason for it."""
    try:
        settings = load_settings(config)
        file = read_plugins_file(settings.plugins_file, settings.municipality)
        engine = open_engine(settings.database_url)
        reports = PluginRuntime.load(file, municipality=settings.municipality, engine=engine).reports
    except MykeyError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps([asdict(report) for report in reports], ensure_ascii=False))
        return
    for report in reports:
        click.echo(f"{report.name:20} {report.state.value:14} {report.reason}")
