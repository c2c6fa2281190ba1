"""The hooks of the library plugin; each only hands on to the module that does it."""

from __future__ import annotations

from mykey_core.api import PluginContext, PluginDatabase, TapRequest, TapResult, hookimpl
from mykey_library.desk import Desk
from mykey_library.policy import Policy

SERVICES = frozenset({"library-desk", "library-self-check"})


@hookimpl
def mykey_setup(context: PluginContext) -> None:
    """Refuse to start with settings that make no sense."""
    Policy.from_settings(context.settings)


@hookimpl
def mykey_tap(context: PluginContext, request: TapRequest, database: PluginDatabase) -> TapResult | None:
    """Act on a tap or an action at the library desk or at a self-check machine."""
    return Desk(context, request, database).act() if request.service in SERVICES else None
