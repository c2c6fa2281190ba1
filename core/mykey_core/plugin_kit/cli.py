"""`mykey plugin new` and `mykey plugin check`: for authors of plugins. Nothing here needs a hub."""

from __future__ import annotations

import json
from pathlib import Path

import click

from mykey_core.errors import MykeyError
from mykey_core.plugin_kit.check import check_plugin
from mykey_core.plugin_kit.findings import Finding, Level
from mykey_core.plugin_kit.new import PluginNames, render_plugin
from mykey_core.plugin_kit.reference import manifest_markdown, quality_markdown

_MARKS = {Level.ERROR: "✗", Level.WARNING: "!"}


@click.command()
@click.argument("name")
@click.option("--dir", "directory", type=click.Path(path_type=Path), help="A new folder; NAME here by default.")
@click.option("--title", default="", help="What people read, in English.")
@click.option("--title-ja", default="", help="What people read, in Japanese.")
@click.option("--bare", is_flag=True, help="Without the example: a plugin that loads and does nothing yet.")
def new(name: str, directory: Path | None, title: str, title_ja: str, *, bare: bool) -> None:
    """Write a complete, tested plugin called NAME into a new folder."""
    folder = directory or Path(name)
    try:
        written = render_plugin(PluginNames(name), folder, title_en=title, title_ja=title_ja, bare=bare)
    except MykeyError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{len(written)} files in {folder}. Next:")
    for line in (
        f"cd {folder}",
        "python3 -m venv .venv",
        ".venv/bin/pip install -e . mykey-testkit",
        ".venv/bin/pytest",
    ):
        click.echo(f"  {line}")


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False), default=".")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def check(directory: Path, *, as_json: bool) -> None:
    """Judge the plugin in DIRECTORY without importing it; ends with 1 when it has a fault."""
    try:
        findings = check_plugin(directory)
    except MykeyError as error:
        raise click.ClickException(str(error)) from error
    errors = sum(finding.level is Level.ERROR for finding in findings)
    if as_json:
        click.echo(json.dumps({"errors": errors, "findings": [finding.as_json() for finding in findings]}, indent=2))
    else:
        _show(findings, errors)
    raise SystemExit(1 if errors else 0)


@click.command()
@click.argument("page", type=click.Choice(["manifest", "quality"]))
def reference(page: str) -> None:
    """Print a reference page for authors of plugins, as Markdown."""
    click.echo(manifest_markdown() if page == "manifest" else quality_markdown(), nl=False)


def _show(findings: list[Finding], errors: int) -> None:
    for finding in findings:
        click.echo(f"{_MARKS[finding.level]} {finding.rule:14} {finding.where}: {finding.message}")
    click.echo(f"{errors} faults, {len(findings) - errors} hints")
