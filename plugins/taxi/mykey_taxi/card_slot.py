"""The plugin's slot on the card: what belongs into it, and what happens when the card has confirmed a change.

The slot holds the registration number, a pass, the last day, and the rides that are left; a pass that was reported
lost is on the deny list of every terminal.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Final
from uuid import uuid4

from sqlalchemy import bindparam, insert, select, update

from mykey_core.api import (
    CardData,
    CardOperation,
    CardProfileRequest,
    CardWritten,
    PluginContext,
    PluginDatabase,
    tokyo_date,
)
from mykey_taxi.account import account_of
from mykey_taxi.register import M, Register, fetch
from mykey_taxi.rules.packs import PackSeries
from mykey_taxi.tables import card, card_pass

_MOST_RIDES: Final = 0xFFFF
_STATES: Final = {
    CardOperation.WRITTEN: "active",
    CardOperation.RESUMED: "active",
    CardOperation.SUSPENDED: "suspended",
    CardOperation.DELETED: "deleted",
}


def profile(
    context: PluginContext, packs: PackSeries, request: CardProfileRequest, database: PluginDatabase
) -> CardData | None:
    """What belongs onto this person's card; None for whoever is not registered today."""
    rider_id = Register(database).rider_of(request.subject)
    account = None if rider_id is None else account_of(packs, database, rider_id, request.at)
    if rider_id is None or account is None or not account.registered:
        return None
    day = tokyo_date(request.at)
    until = account.until or date(day.year + 10, 3, 31)
    values: dict[str, str | int | date] = {
        "rider": rider_id,
        "pass": pass_of(database, rider_id, request.at),
        "until": until,
    }
    left = _MOST_RIDES if account.left_this_year is None else account.left_this_year
    period = packs.rules(day.toordinal()).fiscal_year(day.toordinal())
    return context.card.data(values, rides=min(left, _MOST_RIDES), period=period)


def pass_of(database: PluginDatabase, rider_id: str, at: datetime) -> str:
    """The pass of a rider that is not lost, made when there is none."""
    query = select(card_pass.c.pass_id).where(
        card_pass.c.municipality == M, card_pass.c.rider_id == bindparam("r"), card_pass.c.state == "active"
    )
    known = fetch(database, query, r=rider_id)
    if known:
        return str(known[0].pass_id)
    made = f"p-{uuid4().hex[:24]}"
    own = {"municipality": database.municipality, "pass_id": made, "rider_id": rider_id}
    database.execute(insert(card_pass), {**own, "state": "active", "issued_at": at})
    return made


def report_lost(context: PluginContext, database: PluginDatabase, rider_id: str, at: datetime) -> int:
    """Deny every pass and card of a rider on all terminals; the rides that are left go onto the next card.

    Returns how many passes were denied.
    """
    own = {"m": database.municipality, "r": rider_id}
    active = select(card_pass.c.pass_id).where(
        card_pass.c.municipality == M, card_pass.c.rider_id == bindparam("r"), card_pass.c.state == "active"
    )
    passes = [str(row.pass_id) for row in fetch(database, active, r=rider_id)]
    for pass_id in passes:
        context.card.deny(pass_id, "reported-lost", database)
    mine = (card_pass.c.municipality == M, card_pass.c.rider_id == bindparam("r"))
    database.execute(update(card_pass).where(*mine).values(state="lost"), own)
    cards = (card.c.municipality == M, card.c.rider_id == bindparam("r"), card.c.state != "deleted")
    database.execute(update(card).where(*cards).values(state="lost", since=at), own)
    context.audit.record("taxi.card-lost", database, details={"passes": len(passes)})
    return len(passes)


def written(context: PluginContext, change: CardWritten, database: PluginDatabase) -> None:
    """The card has confirmed it: note which card a rider has, and in which state."""
    book = Register(database)
    known = book.card(change.card)
    rider_id = known.rider_id if known else None
    if rider_id is None and change.subject is not None:
        rider_id = book.rider_of(change.subject)
    if rider_id is None:
        context.log.warning("card.written-for-nobody", operation=change.operation)
        return
    book.put_card(change.card, rider_id, _STATES[change.operation], change.at)
    context.audit.record(f"taxi.card-{change.operation}", database, change.subject, {"slot": change.slot})
