"""`mykey plugin`: one plugin from its author's desk to its end. Its commands are loaded when they are used."""

from __future__ import annotations

from importlib import import_module

import click

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


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports the one that is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command; None when there is none of that name."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(cls=LazyGroup)
def plugin() -> None:
    """Write, try, judge and remove a plugin."""
