"""Every hook of the plugin contract, in one file: the argument list is the documentation.

A hook with one answer is routed by service to the one plugin that declared it; `None` means 'not mine', and an
exception is a fault of the plugin. No hook stands here without a shipped plugin that uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import pluggy

from mykey_core.plugins.results import TapResult

if TYPE_CHECKING:
    from mykey_core.plugins.context import PluginContext, PluginDatabase

PROJECT = "mykey"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True, slots=True)
class TapRequest:
    """One tap (or one further action within a visit) as a plugin sees it.

    `subject` is the pairwise id of the person for this plugin (43 characters), or None for an action of the
    staff that concerns no person. `input` holds the fields that the manifest declares for the action, checked.
    `at` is the instant of the tap in UTC. `new_subject` is True when the core has just enrolled the person.
    """

    municipality: str
    service: str
    action: str
    service_point: str
    subject: str | None
    input: Mapping[str, str]
    at: datetime
    new_subject: bool = False


@hookspec
def mykey_setup(context: PluginContext) -> None:
    """Called once when the plugin is activated; raise to be quarantined with the reason."""


@hookspec(firstresult=True)
def mykey_tap(context: PluginContext, request: TapRequest, database: PluginDatabase) -> TapResult | None:
    """Act on a tap. All writes through `database` are committed together with the nonce and the audit record."""
