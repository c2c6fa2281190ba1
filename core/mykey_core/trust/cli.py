"""The command group `mykey trust`; each command lives in a module of its own that is imported when it is used.

No command is defined here. A new one is one line in `_COMMANDS`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

# Name on the command line -> "module:click command".
_COMMANDS: Final = {
    "pkits": "mykey_core.trust.cli_paths:pkits",
    "status": "mykey_core.trust.revocation.cli:status",
    "update": "mykey_core.trust.revocation.cli:update",
    "validate": "mykey_core.trust.cli_paths:validate",
    "verify-signature": "mykey_core.trust.signatures.cli:verify_signature",
}


class LazyCommands(click.Group):
    """A click group that imports a command when it is asked for, so that the program starts fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names of all commands, sorted."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command `cmd_name`; None when there is none of that name."""
        target = _COMMANDS.get(cmd_name)
        if target is None:
            return None
        module, _, attribute = target.partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise click.ClickException(f"'{cmd_name}' is no command: reinstall mykey")
        return command


@click.group(cls=LazyCommands)
def trust() -> None:
    """Validate certificate paths, and see and renew what is known about revoked certificates."""
