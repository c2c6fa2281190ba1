"""The circle bus of the demo town: a plugin with a place on the card, as an outsider would write it.

The demo installs a copy as the package `mykey_bus`; it uses the public façade only.
"""

from __future__ import annotations

import hashlib
from datetime import date

from mykey_core.api import (
    CardData,
    CardProfileRequest,
    CardWritten,
    Message,
    Outcome,
    PluginContext,
    PluginDatabase,
    TapRequest,
    TapResult,
    hookimpl,
)

_RIDES = 10
_MONEY = 3_000
_MARCH = 3


@hookimpl
def mykey_tap(context: PluginContext, request: TapRequest, database: PluginDatabase) -> TapResult | None:
    """Somebody shows the card with the PIN: from now on the counter may write the pass onto it."""
    del database
    if request.service != "bus-pass":
        return None
    return TapResult(Outcome.DONE, "bus.known", Message(context.text("known.title")), opens_visit=True)


@hookimpl
def mykey_card_profile(
    context: PluginContext, request: CardProfileRequest, database: PluginDatabase
) -> CardData | None:
    """What belongs onto this person's card: a number of the pass, and the end of the fiscal year."""
    del database
    number = hashlib.sha256(request.subject.encode()).hexdigest()[:8].upper()
    year = request.at.year + (request.at.month > _MARCH)
    values: dict[str, str | int | date] = {"number": f"B-{number}", "valid_until": date(year, _MARCH, 31)}
    return context.card.data(values, value=_MONEY, rides=_RIDES, period=1)


@hookimpl
def mykey_card_written(context: PluginContext, written: CardWritten, database: PluginDatabase) -> None:
    """The card has confirmed a change of the pass: the person finds it in the record of what happened."""
    context.audit.record(f"bus.pass-{written.operation}", database, written.subject, {"slot": written.slot})
