"""The hooks of the taxi plugin; each only hands on to the module that does it."""

from __future__ import annotations

from collections.abc import Sequence

import click

from mykey_core.api import (
    CardData,
    CardProfileRequest,
    CardWritten,
    Eligibility,
    EligibilityRequest,
    Health,
    IdentityChange,
    LongJob,
    NavigationItem,
    OfflineRecord,
    Pages,
    PluginContext,
    PluginDatabase,
    RecordVerdict,
    Shredder,
    TapRequest,
    TapResult,
    hookimpl,
)
from mykey_taxi import card_slot, desk, standing
from mykey_taxi.closing import JOBS
from mykey_taxi.desk import Desk
from mykey_taxi.offline import settle_record
from mykey_taxi.online import OnlineRide
from mykey_taxi.programme import packs_of
from mykey_taxi.shredder import TaxiShredder

SERVICE = "taxi-ride"


@hookimpl
def mykey_setup(context: PluginContext) -> None:
    """Refuse to start with rule packs that are not valid."""
    packs_of(context.settings)


@hookimpl
def mykey_commands() -> click.Group:
    """`mykey taxi`."""
    from mykey_taxi.cli import taxi  # noqa: PLC0415 - a hub that serves needs no commands

    return taxi


@hookimpl
def mykey_blueprints(context: PluginContext) -> Sequence[Pages]:
    """The pages of riders, of the clerk and of the administration."""
    del context
    from mykey_taxi.pages import pages  # noqa: PLC0415 - a command needs no pages

    return pages()


@hookimpl
def mykey_navigation(context: PluginContext) -> Sequence[NavigationItem]:
    """Links to these pages."""
    del context
    from mykey_taxi.pages import NAVIGATION  # noqa: PLC0415 - as above

    return NAVIGATION


@hookimpl
def mykey_jobs(context: PluginContext) -> Sequence[LongJob]:
    """Closing a month, asked for from the administration."""
    del context
    return JOBS


@hookimpl
def mykey_tap(context: PluginContext, request: TapRequest, database: PluginDatabase) -> TapResult | None:
    """Register at the counter; in a cab show remaining uses, a fare, and settle it online or with a voucher."""
    packs = packs_of(context.settings)
    if request.service == desk.SERVICE:
        return Desk(context, packs, request, database).act()
    return OnlineRide(context, packs, request, database).act() if request.service == SERVICE else None


@hookimpl
def mykey_offline_record(
    context: PluginContext, record: OfflineRecord, database: PluginDatabase
) -> RecordVerdict | None:
    """Take in a ride that a cab recorded without a network."""
    if record.service != SERVICE:
        return None
    return settle_record(context, packs_of(context.settings), record, database)


@hookimpl
def mykey_eligibility(
    context: PluginContext, request: EligibilityRequest, database: PluginDatabase
) -> Eligibility | None:
    """Say whether a person may ride today."""
    if request.service not in {SERVICE, desk.SERVICE}:
        return None
    return standing.eligibility(context, packs_of(context.settings), request, database)


@hookimpl
def mykey_card_profile(
    context: PluginContext, request: CardProfileRequest, database: PluginDatabase
) -> CardData | None:
    """What belongs into the slot of this person's card."""
    return card_slot.profile(context, packs_of(context.settings), request, database)


@hookimpl
def mykey_card_written(context: PluginContext, written: CardWritten, database: PluginDatabase) -> None:
    """Note which card a rider has."""
    card_slot.written(context, written, database)


@hookimpl
def mykey_identity_ended(context: PluginContext, change: IdentityChange, database: PluginDatabase) -> None:
    """End the registration of whoever has moved away, withdraws or has died."""
    standing.identity_ended(context, change, database)


@hookimpl
def mykey_health(context: PluginContext, database: PluginDatabase) -> Health:
    """Say whether rides wait for a person."""
    return standing.health(context, database)


@hookimpl
def mykey_shredder(context: PluginContext) -> Shredder:
    """Exports and deletes what is held of a person."""
    del context
    return TaxiShredder()
