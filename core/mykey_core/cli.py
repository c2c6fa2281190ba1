"""The `mykey` program: one group whose commands come from the entry-point group `mykey.commands`.

Commands are imported when they are used, so that the program starts fast and no lower layer imports a higher one.
"""

from __future__ import annotations

import sys
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points

import click


class CommandsFromEntryPoints(click.Group):
    """A click group that finds its commands by entry point and imports them on use."""

    @cached_property
    def _entry_points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group="mykey.commands")}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names of all commands, sorted."""
        return sorted(self._entry_points)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command `cmd_name`; None when there is none of that name."""
        point = self._entry_points.get(cmd_name)
        if point is None:
            return None
        command = point.load()
        if not isinstance(command, click.Command):
            raise click.ClickException(f"the entry point of '{cmd_name}' is no command: reinstall mykey")
        return command


@click.group(cls=CommandsFromEntryPoints)
@click.version_option(package_name="mykey")
def main() -> None:
    """One card for a town's services: cards, terminals, trust and the hub."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # a terminal with another locale must still be able to show Japanese
            reconfigure(encoding="utf-8")
