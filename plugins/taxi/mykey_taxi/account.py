"""A rider's account: is the person registered today, and how many uses are left today and in the fiscal year."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from mykey_core.api import (
    Facts,
    Message,
    Outcome,
    PluginContext,
    PluginDatabase,
    TapRequest,
    TapResult,
    tokyo_date,
)
from mykey_taxi.register import Register, Uses
from mykey_taxi.rules.compiled import NO_LIMIT
from mykey_taxi.rules.packs import PackSeries


@dataclass(frozen=True, slots=True)
class Account:
    """`left_today` and `left_this_year` are None where the pack has no limit, `until` where there is no last day."""

    rider_id: str
    registered: bool
    left_today: int | None
    left_this_year: int | None
    until: date | None


def account_of(packs: PackSeries, database: PluginDatabase, rider_id: str, at: datetime) -> Account:
    """The account of a rider at an instant, with rides of open months as they were judged so far."""
    day = tokyo_date(at)
    rules = packs.rules(day.toordinal())
    member = Register(database).members([rider_id]).get(rider_id)
    if member is None or not member.covers(day.toordinal()):
        return Account(rider_id, registered=False, left_today=0, left_this_year=0, until=None)
    uses = Uses(database)
    year = rules.fiscal_year(day.toordinal())
    month, first = rules.pack.programme.year_start
    span = (date(year, month, first), date(year + 1, month, first))
    this_year = uses.within(year, [rider_id]).get(rider_id, 0) + uses.open_within(*span, [rider_id]).get(rider_id, 0)
    today = uses.on(day.toordinal(), [rider_id]).get(rider_id, 0)
    last = next(last for begin, last in member.spans if begin <= day.toordinal() <= last)
    return Account(
        rider_id,
        registered=True,
        left_today=_left(rules.per_day, today),
        left_this_year=_left(rules.yearly_limit(member.since, year), this_year),
        until=None if last == date.max.toordinal() else date.fromordinal(last),
    )


def _left(limit: int, used: int) -> int | None:
    return None if limit >= NO_LIMIT else max(limit - used, 0)


def show_account(
    context: PluginContext,
    packs: PackSeries,
    request: TapRequest,
    database: PluginDatabase,
    *,
    visit: bool = False,
) -> TapResult:
    """What a tap shows: the account, or that the person is not registered. In a cab it opens a visit for the fare."""
    rider_id = None if request.subject is None else Register(database).rider_of(request.subject)
    account = None if rider_id is None else account_of(packs, database, rider_id, request.at)
    code = "registered" if account is not None and account.registered else "not_registered"
    message = Message(*(context.text(f"{code}.{part}") for part in ("title", "text", "what_to_do")))
    if account is None or not account.registered:
        return TapResult(Outcome.REFUSED, "taxi.not_registered", message)
    rows = (("left_today", account.left_today), ("left_this_year", account.left_this_year))
    facts = tuple((context.text(f"label.{name}"), left) for name, left in rows if left is not None)
    return TapResult(
        Outcome.DONE, "taxi.account", message, (Facts(facts),), ("fare", "aboard") if visit else (), opens_visit=visit
    )
