"""What a ride costs whom, by the rules in the cab and what the cards say: the same `judge` as at the settlement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mykey_core.api import tokyo_date
from mykey_taxi.cab.draft import Draft
from mykey_taxi.rules.civil import microseconds
from mykey_taxi.rules.compiled import NO_LIMIT
from mykey_taxi.rules.judge import judge
from mykey_taxi.rules.ledger import Ledger, Membership
from mykey_taxi.rules.packs import PackSeries
from mykey_taxi.rules.ride import Ride, Verdict, picked


@dataclass(frozen=True, slots=True)
class Price:
    """Fare, subsidy and cash in yen; `shares` by rider who counts; `reason` when nobody is subsidised."""

    fare_yen: int
    subsidy_yen: int
    cash_yen: int
    shares: dict[str, int]
    reason: str | None
    dropped: tuple[str, ...]
    pack_hash: str


def price(packs: PackSeries, draft: Draft, now: datetime) -> Price:
    """Judge the ride with the limits that the cards know; riders at a limit ride as companions (TX-C2)."""
    names = tuple(rider.rider for rider in draft.riders)
    alight = draft.alight_at or now
    times = (microseconds(draft.board_at), microseconds(alight))
    places = (draft.board_zone, draft.alight_zone)
    facts = Ride(*times, *places, draft.meter_yen, draft.discount_yen, names, online=True)
    verdict = judge(packs, _ledger(packs, draft), facts)
    return _price(draft, names, verdict)


def _price(draft: Draft, names: tuple[str, ...], verdict: Verdict) -> Price:
    counted = picked(names, verdict.counted)
    dropped = tuple(name for name in names if name not in counted)
    fare = max(draft.meter_yen - draft.discount_yen, 0)
    money = (fare, verdict.subsidy_yen, verdict.cash_yen)
    return Price(*money, verdict.shares(names), verdict.reason, dropped, verdict.pack_hash)


def _ledger(packs: PackSeries, draft: Draft) -> Ledger:
    day = tokyo_date(draft.board_at)
    rules = packs.rules(day.toordinal())
    spans = {rider.rider: Membership(day.toordinal(), ((1, rider.until.toordinal()),)) for rider in draft.riders}
    today = {rider.rider: rider.today for rider in draft.riders}
    limit = rules.yearly_limit(1, rules.fiscal_year(day.toordinal()))
    used = {} if limit >= NO_LIMIT else {rider.rider: max(limit - rider.left, 0) for rider in draft.riders}
    return Ledger(spans.get, uses_on=lambda _: today, uses_in=lambda _: used)
