"""The hooks of the taxi plugin; each only hands on to the module that does it."""

from __future__ import annotations

import click

from mykey_core.api import (
    OfflineRecord,
    PluginContext,
    PluginDatabase,
    RecordVerdict,
    Shredder,
    TapRequest,
    TapResult,
    hookimpl,
)
from mykey_taxi.account import show_account
from mykey_taxi.offline import settle_record
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
def mykey_tap(context: PluginContext, request: TapRequest, database: PluginDatabase) -> TapResult | None:
    """Show a rider's registration and remaining uses."""
    if request.service != SERVICE:
        return None
    return show_account(context, packs_of(context.settings), request, database)


@hookimpl
def mykey_offline_record(
    context: PluginContext, record: OfflineRecord, database: PluginDatabase
) -> RecordVerdict | None:
    """Take in a ride that a cab recorded without a network."""
    if record.service != SERVICE:
        return None
    return settle_record(packs_of(context.settings), record, database)


@hookimpl
def mykey_shredder(context: PluginContext) -> Shredder:
    """Exports and deletes what is held of a person."""
    del context
    return TaxiShredder()
