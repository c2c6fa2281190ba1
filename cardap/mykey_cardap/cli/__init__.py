"""The command group `mykey card`; each command lives in a module of its own that is imported when it is used.

No command is defined here. A new one is one line in `_COMMANDS`.
"""

from __future__ import annotations

from typing import Final

import click

from mykey_cardap.lazy_commands import LazyCommands

# Name on the command line -> "module:click command".
_COMMANDS: Final = {
    "change-pin": "mykey_cardap.cli.change_pin:change_pin",
    "export": "mykey_cardap.cli.export:export",
    "personas": "mykey_cardap.cli.personas:personas",
    "read-text": "mykey_cardap.cli.read_text:read_text",
    "show": "mykey_cardap.cli.show:show",
    "sign": "mykey_cardap.cli.sign:sign",
    "simulate": "mykey_cardap.cli.simulate:simulate",
}


@click.group(cls=LazyCommands, targets=_COMMANDS)
def card() -> None:
    """Read, sign with and emulate My Number Cards."""
