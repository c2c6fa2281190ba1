"""`mykey plugin`: one plugin from its author's desk to its end. Its commands are loaded when they are used."""

from __future__ import annotations

import click

from mykey_cardap.lazy_commands import LazyCommands

COMMANDS = {
    "new": "mykey_core.plugin_kit.cli:new",
    "dev": "mykey_web.plugin_dev:dev",
    "check": "mykey_core.plugin_kit.cli:check",
    "reference": "mykey_core.plugin_kit.cli:reference",
    "api": "mykey_core.plugins.api_document:api",
    "purge": "mykey_core.plugins.purge_cli:purge",
    "retry": "mykey_core.plugins.safe_mode_cli:retry",
}
"""Name of the command, and where it stands."""


@click.group(cls=LazyCommands, targets=COMMANDS)
def plugin() -> None:
    """Write, try, judge and remove a plugin."""
