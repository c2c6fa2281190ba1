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

    @cached_property
    def _plugins(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group="mykey.plugins")}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names of all commands, sorted; those of plugins among them."""
        return sorted({*self._entry_points, *self._plugins})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command `cmd_name`; None when there is none of that name."""
        point = self._entry_points.get(cmd_name)
        if point is None:
            return self._of_plugin(cmd_name)
        try:
            command = point.load()
        except Exception as error:  # noqa: BLE001 - a plugin's broken command must not take the others with it
            return _broken(point, f"{type(error).__name__}: {error}")
        return command if isinstance(command, click.Command) else _broken(point, f"{point.value} is no command")

    def _of_plugin(self, name: str) -> click.Command | None:
        """What the plugin called `name` answers to the hook `mykey_commands`; None when it has none."""
        point = self._plugins.get(name)
        if point is None:
            return None
        try:
            hook = getattr(point.load(), "mykey_commands", None)
            command = hook() if hook is not None else None
        except Exception as error:  # noqa: BLE001 - the same
            return _broken(point, f"{type(error).__name__}: {error}")
        return command if isinstance(command, click.Command) else None


def _broken(point: EntryPoint, reason: str) -> click.Command:
    """Stands for a command that cannot be loaded: it is listed as such, and says why when it is called."""
    package = point.dist.name if point.dist is not None else point.module

    def refuse(**_: object) -> None:
        raise click.ClickException(f"'{point.name}' cannot be loaded ({reason}): reinstall or remove {package}")

    rest = click.Argument(["rest"], nargs=-1, type=click.UNPROCESSED)
    settings = {"ignore_unknown_options": True}
    return click.Command(
        point.name,
        context_settings=settings,
        callback=refuse,
        params=[rest],
        short_help="(cannot be loaded)",
        add_help_option=False,
    )


@click.group(cls=CommandsFromEntryPoints)
@click.version_option(package_name="mykey")
def main() -> None:
    """One card for a town's services: cards, terminals, trust and the hub."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # a terminal with another locale must still be able to show Japanese
            reconfigure(encoding="utf-8")
