"""`mykey plugins`: what is installed, what the municipality enables and grants, and why a plugin is not active."""

from __future__ import annotations

import json
from pathlib import Path

import click

from mykey_core.errors import MykeyError
from mykey_core.plugins.config import read_plugins_file
from mykey_core.plugins.grants import difference, granted, write
from mykey_core.plugins.loader import installed_plugins, manifest_of
from mykey_core.plugins.manifest import Manifest
from mykey_core.plugins.runtime import PluginRuntime
from mykey_core.plugins.status import PluginStatus
from mykey_core.settings import HubSettings, load_settings
from mykey_core.storage.engine import open_engine

_config = click.option(
    "--config", type=click.Path(path_type=Path), default=Path("hub.toml"), help="The hub's settings."
)


@click.group(invoke_without_command=True)
@_config
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def plugins(ctx: click.Context, config: Path, *, as_json: bool) -> None:
    """Show each plugin, its state, and the reason for it."""
    if ctx.invoked_subcommand is not None:
        return
    try:
        found = _status(load_settings(config))
    except MykeyError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps([line.as_json() for line in found], ensure_ascii=False))
        return
    for line in found:
        click.echo(f"{line.name:20} {line.state.value:14} {line.reason}")


def _status(settings: HubSettings) -> list[PluginStatus]:
    file = read_plugins_file(settings.plugins_file, settings.municipality)
    engine = open_engine(settings.database_url, settings.municipality)
    try:
        return PluginRuntime.load(file, municipality=settings.municipality, engine=engine).status()
    finally:
        engine.dispose()


@plugins.command()
@click.argument("name")
@_config
@click.option("--yes", is_flag=True, help="Do not ask.")
def grant(name: str, config: Path, *, yes: bool) -> None:
    """Enable the plugin NAME and grant what it asks for; shows the change of plugins.toml before it is written."""
    try:
        settings = load_settings(config)
        file = read_plugins_file(settings.plugins_file, settings.municipality)  # a broken file is not made worse
        manifest = manifest_of(name, installed_plugins().get(name), file.plugins.get(name))
    except MykeyError as error:
        raise click.ClickException(str(error)) from error
    before = settings.plugins_file.read_text(encoding="utf-8")
    after = granted(before, manifest, settings.municipality)
    if after == before:
        click.echo(f"'{name}' is enabled and has all that it asks for")
        return
    _describe(manifest)
    click.echo(difference(before, after, settings.plugins_file.name))
    if not yes:
        click.confirm("Write this?", abort=True)
    write(settings.plugins_file, after)
    click.echo("written: run `mykey db upgrade` and restart the hub")


def _describe(manifest: Manifest) -> None:
    click.echo(f"{manifest.name} {manifest.version}: {manifest.title.get('ja') or manifest.title.get('en', '')}")
    click.echo(f"legal basis: {manifest.legal_basis.get('ja', '')}")
    click.echo(f"retention: {manifest.retention.get('ja', '')}")
