"""The hooks of the library plugin. What they do stands in `desk.py`."""

from __future__ import annotations

from mykey_core.api import PluginContext, PluginDatabase, TapRequest, TapResult, hookimpl
from mykey_library.desk import Desk
from mykey_library.policy import LoanPolicy


@hookimpl
def mykey_setup(context: PluginContext) -> None:
    """Refuse to start with settings that make no sense."""
    LoanPolicy.from_settings(context.settings)


@hookimpl
def mykey_tap(context: PluginContext, request: TapRequest, database: PluginDatabase) -> TapResult | None:
    """Act on a tap or an action at the library desk."""
    if request.service != "library-desk":
        return None
    desk = Desk(context, request, database)
    actions = {"open": desk.open, "link": desk.link, "lend": desk.lend, "return": desk.take_back}
    return actions[request.action]()
