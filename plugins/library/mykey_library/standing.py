"""What other parts of the hub ask of the library: may this person use it, is it well, and what follows a change."""

from __future__ import annotations

from mykey_core.api import (
    Eligibility,
    EligibilityRequest,
    Health,
    HealthState,
    IdentityChange,
    IdentityReason,
    PluginContext,
    PluginDatabase,
)
from mykey_library.circulation import Place
from mykey_library.embedded.collection import Collection
from mykey_library.links import Links
from mykey_library.rows import Rows
from mykey_library.system import open_circulation
from mykey_library.tables import loan


def eligibility(context: PluginContext, request: EligibilityRequest, database: PluginDatabase) -> Eligibility:
    """Whether the person may borrow now, with the reason why not."""
    number = Links(Rows(database)).number_of(request.subject)
    if number is None:
        return Eligibility(allowed=False, code="library.not_linked", text=context.text("not_linked.title"))
    state = open_circulation(context, database, request.at, Place("eligibility")).patron_status(number)
    if not state.reasons:
        return Eligibility(allowed=True, code="library.may_borrow")
    reason = state.reasons[0].value
    return Eligibility(allowed=False, code=f"library.{reason}", text=context.text(f"reason.{reason}"))


def health(context: PluginContext, database: PluginDatabase) -> Health:
    """How the library's store is: without branches or items nothing can be lent."""
    rows = Rows(database)
    collection = Collection(rows)
    facts = {"branches": len(collection.branches()), "items": collection.size(), "loans": rows.count(loan)}
    if not facts["items"]:
        return Health(HealthState.DEGRADED, context.text("health.no_items"), facts)
    return Health(HealthState.OK, None, facts)


def identity_ended(change: IdentityChange, database: PluginDatabase) -> None:
    """Whoever withdraws or has died has no library card any more; whoever has moved keeps loans to bring back."""
    if change.reason in {IdentityReason.WITHDRAWN, IdentityReason.DECEASED}:
        links = Links(Rows(database))
        number = links.number_of(change.subject)
        if number is not None:
            links.end(number)
