"""`mykey taxi`: the group; its commands stand in `commands/`, loaded when they are called."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

_COMMANDS: Final = {
    "quote": "rules",
    "eligibility": "rules",
    "examples": "rules",
    "schema": "rules",
    "close": "settlement",
    "statement": "settlement",
    "verify": "settlement",
    "parse-transfer": "settlement",
    "figures": "figures",
    "open-data": "figures",
    "gofs": "figures",
    "operator": "town",
    "ride": "cab",
    "cab": "cab",
    "meter": "cab",
}


class _Lazy(click.Group):
    """Imports a command's module on use, so that `mykey` starts fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        module = _COMMANDS.get(cmd_name)
        if module is None:
            return None
        command = getattr(import_module(f"mykey_taxi.commands.{module}"), cmd_name.replace("-", "_"))
        return command if isinstance(command, click.Command) else None


@click.group(cls=_Lazy)
def taxi() -> None:
    """The taxi plugin: rules, settlement, figures."""
