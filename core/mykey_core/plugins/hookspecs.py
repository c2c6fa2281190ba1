"""Every hook of the plugin contract, in one file: the argument list is the documentation.

A hook with one answer is routed by service or by name to one plugin; `None` means 'not mine', and an exception is a
fault of that plugin alone. Arguments and answers are frozen types of the modules beside this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pluggy

from mykey_core.card_writing.profiles import CardData
from mykey_core.plugins.answers import Eligibility, Health, RecordVerdict, Shredder
from mykey_core.plugins.arguments import (
    CardProfileRequest,
    CardWritten,
    EligibilityRequest,
    Event,
    IdentityChange,
    OfflineRecord,
    TapRequest,
)
from mykey_core.plugins.jobs import AnyJob
from mykey_core.plugins.pages import NavigationItem, Pages
from mykey_core.plugins.results import TapResult
from mykey_core.translations import Text

if TYPE_CHECKING:
    from mykey_core.plugins.context import PluginContext, PluginDatabase

PROJECT = "mykey"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def mykey_setup(context: PluginContext) -> None:
    """Called once when the plugin is activated; raise to be quarantined with the reason."""


@hookspec(firstresult=True)
def mykey_commands() -> Any:
    """The `click.Group` that becomes `mykey <plugin name>`; called without a hub."""


@hookspec(firstresult=True)
def mykey_blueprints(context: PluginContext) -> Sequence[Pages] | None:
    """Pages for citizens, staff, administrators, the public, and terminals."""


@hookspec(firstresult=True)
def mykey_navigation(context: PluginContext) -> Sequence[NavigationItem] | None:
    """Links in the navigation of the areas in which the plugin has pages."""


@hookspec(firstresult=True)
def mykey_jobs(context: PluginContext) -> Sequence[AnyJob] | None:
    """Jobs that the plugin wants to run, each with its schedule: `Job` in one transaction, `LongJob` in pieces."""


@hookspec
def mykey_event(context: PluginContext, event: Event, database: PluginDatabase) -> None:
    """Hear an event that `requests.events` names; at least once, and `event.id` shows a repetition."""


@hookspec(firstresult=True)
def mykey_tap(context: PluginContext, request: TapRequest, database: PluginDatabase) -> TapResult | None:
    """Act on a tap. All writes through `database` are committed together with the nonce and the audit record."""


@hookspec(firstresult=True)
def mykey_offline_record(
    context: PluginContext, record: OfflineRecord, database: PluginDatabase
) -> RecordVerdict | None:
    """Judge one record of a terminal that was offline; its receipt goes back to the terminal."""


@hookspec(firstresult=True)
def mykey_eligibility(
    context: PluginContext, request: EligibilityRequest, database: PluginDatabase
) -> Eligibility | None:
    """Say whether a person may use a service, without doing anything."""


@hookspec(firstresult=True)
def mykey_card_profile(
    context: PluginContext, request: CardProfileRequest, database: PluginDatabase
) -> CardData | None:
    """Hand over the data for the plugin's slot on this person's card; None when there is nothing to write."""


@hookspec
def mykey_card_written(context: PluginContext, written: CardWritten, database: PluginDatabase) -> None:
    """Hear that the plugin's slot of a card was written, suspended, resumed or deleted."""


@hookspec
def mykey_identity_linked(context: PluginContext, change: IdentityChange, database: PluginDatabase) -> None:
    """Hear that the plugin knows a person from now on."""


@hookspec
def mykey_identity_replaced(context: PluginContext, change: IdentityChange, database: PluginDatabase) -> None:
    """Hear that a person's certificate or pairwise id was replaced; the account stays."""


@hookspec
def mykey_identity_ended(context: PluginContext, change: IdentityChange, database: PluginDatabase) -> None:
    """Hear that a person is not served any more, and why."""


@hookspec(firstresult=True)
def mykey_consent_text(context: PluginContext, purpose: str) -> Text | None:
    """Word what the citizen agrees to for a purpose of the manifest; None leaves it at the manifest's own text."""


@hookspec(firstresult=True)
def mykey_health(context: PluginContext, database: PluginDatabase) -> Health | None:
    """Say how the plugin is, for the administrator."""


@hookspec(firstresult=True)
def mykey_shredder(context: PluginContext) -> Shredder | None:
    """The object that exports and deletes what the plugin holds of a person, or of all."""
