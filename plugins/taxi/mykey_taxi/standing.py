"""What other parts of the hub ask: may this person ride, is all well, and what follows when somebody has left."""

from __future__ import annotations

from sqlalchemy import func, select

from mykey_core.api import (
    Eligibility,
    EligibilityRequest,
    Health,
    HealthState,
    IdentityChange,
    PluginContext,
    PluginDatabase,
    tokyo_date,
)
from mykey_taxi.account import account_of
from mykey_taxi.card_slot import report_lost
from mykey_taxi.register import M, Register, fetch
from mykey_taxi.rules.packs import PackSeries
from mykey_taxi.tables import registration, ride


def eligibility(
    context: PluginContext, packs: PackSeries, request: EligibilityRequest, database: PluginDatabase
) -> Eligibility:
    """Whether the person is registered today and has a use left."""
    rider_id = Register(database).rider_of(request.subject)
    account = None if rider_id is None else account_of(packs, database, rider_id, request.at)
    if account is None or not account.registered:
        return Eligibility(allowed=False, code="taxi.not_registered", text=context.text("not_registered.title"))
    for name, left in (("daily_limit", account.left_today), ("yearly_limit", account.left_this_year)):
        if left == 0:
            return Eligibility(allowed=False, code=f"taxi.{name}", text=context.text(f"reason.{name}"))
    return Eligibility(allowed=True, code="taxi.may_ride")


def health(context: PluginContext, database: PluginDatabase) -> Health:
    """Degraded while rides wait for a clerk."""
    held = select(func.count().label("n")).where(ride.c.municipality == M, ride.c.cycle.is_(None))
    spans = select(func.count().label("n")).where(registration.c.municipality == M)
    facts = {"held": int(fetch(database, held)[0].n), "registrations": int(fetch(database, spans)[0].n)}
    if facts["held"]:
        return Health(HealthState.DEGRADED, context.text("health.held"), facts)
    return Health(HealthState.OK, None, facts)


def identity_ended(context: PluginContext, change: IdentityChange, database: PluginDatabase) -> None:
    """Whoever is served no more has no registration from tomorrow on, and no card that a cab takes."""
    rider_id = Register(database).rider_of(change.subject)
    if rider_id is not None:
        Register(database).end_registrations(rider_id, tokyo_date(change.at))
        report_lost(context, database, rider_id, change.at)
