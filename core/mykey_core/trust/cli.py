"""The command group `mykey trust`; each command lives in a module of its own that is imported when it is used.

No command is defined here. A new one is one line in `_COMMANDS`.
"""

from __future__ import annotations

from typing import Final

import click

from mykey_cardap.lazy_commands import LazyCommands

# Name on the command line -> "module:click command".
_COMMANDS: Final = {
    "pkits": "mykey_core.trust.cli_paths:pkits",
    "status": "mykey_core.trust.revocation.cli:status",
    "update": "mykey_core.trust.revocation.cli:update",
    "validate": "mykey_core.trust.cli_paths:validate",
    "verify-signature": "mykey_core.trust.signatures.cli:verify_signature",
}


@click.group(cls=LazyCommands, targets=_COMMANDS)
def trust() -> None:
    """Validate certificate paths, and see and renew what is known about revoked certificates."""
