"""The hooks of the library plugin; each only hands on to the module that does it."""

from __future__ import annotations

from collections.abc import Sequence

import click

from mykey_core.api import (
    Eligibility,
    EligibilityRequest,
    Health,
    IdentityChange,
    Job,
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
from mykey_library import offline, standing
from mykey_library.desk import Desk
from mykey_library.jobs import JOBS
from mykey_library.policy import Policy
from mykey_library.shredder import LibraryShredder
from mykey_library.system import check_system, is_embedded

SERVICES = frozenset({"library-desk", "library-self-check"})


@hookimpl
def mykey_setup(context: PluginContext) -> None:
    """Refuse to start with settings that make no sense."""
    Policy.from_settings(context.settings)
    check_system(context.settings)


@hookimpl
def mykey_commands() -> click.Group:
    """`mykey library`."""
    from mykey_library.cli import library  # noqa: PLC0415 - a hub that serves needs no commands

    return library


@hookimpl
def mykey_blueprints(context: PluginContext) -> Sequence[Pages]:
    """The pages of citizens and of the staff; a library with a system of its own has them there."""
    if not is_embedded(context.settings):
        return ()
    from mykey_library.pages import pages  # noqa: PLC0415 - a command needs no pages

    return pages()


@hookimpl
def mykey_navigation(context: PluginContext) -> Sequence[NavigationItem]:
    """Links to these pages."""
    del context
    from mykey_library.pages import NAVIGATION  # noqa: PLC0415 - as above

    return NAVIGATION


@hookimpl
def mykey_jobs(context: PluginContext) -> Sequence[Job]:
    """What is done every night in the embedded store."""
    return JOBS if is_embedded(context.settings) else ()


@hookimpl
def mykey_tap(context: PluginContext, request: TapRequest, database: PluginDatabase) -> TapResult | None:
    """Act on a tap or an action at the library desk or at a self-check machine."""
    return Desk(context, request, database).act() if request.service in SERVICES else None


@hookimpl
def mykey_offline_record(
    context: PluginContext, record: OfflineRecord, database: PluginDatabase
) -> RecordVerdict | None:
    """Record a loan or a return that a terminal made while it was alone."""
    return offline.judge(context, record, database) if record.service in SERVICES else None


@hookimpl
def mykey_eligibility(
    context: PluginContext, request: EligibilityRequest, database: PluginDatabase
) -> Eligibility | None:
    """Say whether a person may borrow."""
    return standing.eligibility(context, request, database) if request.service in SERVICES else None


@hookimpl
def mykey_identity_ended(context: PluginContext, change: IdentityChange, database: PluginDatabase) -> None:
    """End the library card of whoever withdraws or has died."""
    del context
    standing.identity_ended(change, database)


@hookimpl
def mykey_health(context: PluginContext, database: PluginDatabase) -> Health:
    """Say whether there is anything to lend."""
    return standing.health(context, database)


@hookimpl
def mykey_shredder(context: PluginContext) -> Shredder:
    """The object that exports and deletes."""
    del context
    return LibraryShredder()
