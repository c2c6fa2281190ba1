"""Judging one ride by the pack of its boarding day: checks, limits, amount, shares (TX-C, TX-S, TX-A, TX-H, TX-L).

The same function serves the terminal's preview, the upload and the close of a month.
"""

from __future__ import annotations

from mykey_taxi.rules.amounts import vouchers_used
from mykey_taxi.rules.civil import day_and_minute
from mykey_taxi.rules.compiled import Rules
from mykey_taxi.rules.ledger import Ledger
from mykey_taxi.rules.packs import PackSeries
from mykey_taxi.rules.ride import Reason, Ride, Verdict


def judge(packs: PackSeries, ledger: Ledger, ride: Ride) -> Verdict:
    """The verdict on `ride`; its uses are counted in `ledger`. Rides come in the order of TX-L5."""
    day, minute = day_and_minute(ride.board)
    if day != ledger.day:
        ledger.turn_to(day, packs.rules(day))
    rules = ledger.rules
    fare = ride.meter_yen - ride.discount_yen
    reason = refusal(rules, ride, fare, day, minute)
    if reason is not None:
        return Verdict(reason, 0, max(fare, 0), 0, 0, None, rules.hash)
    counted, over, first = _count(rules, ledger, ride, day)
    if not counted:
        return Verdict(first or "no_registered_rider", 0, fare, 0, 0, None, rules.hash)
    if rules.voucher:
        return _by_voucher(rules, ledger, ride, fare, counted, over)
    base = ride.meter_yen if rules.base_is_meter else fare
    number = counted.bit_count()
    subsidy = rules.solo(base) if number == 1 or rules.as_solo else rules.per_rider * number
    subsidy = min(subsidy, fare)
    _consume(ledger, ride.riders, counted)
    return Verdict(None, subsidy, fare - subsidy, counted, over, None, rules.hash)


def refusal(rules: Rules, ride: Ride, fare: int, day: int, minute: int) -> Reason | None:
    """The first check of the ride itself that fails (TX-C1)."""
    if fare <= 0 or ride.discount_yen < 0:
        return "fare_invalid"
    if ride.board_zone not in rules.inside_either and not _in_area(rules, ride):
        return "outside_area"
    if not rules.first_minute <= minute <= rules.last_minute or rules.closed_on(day):
        return "outside_hours"
    if rules.check_alight and not rules.first_minute <= day_and_minute(ride.alight)[1] <= rules.last_minute:
        return "outside_hours"
    return None


def _in_area(rules: Rules, ride: Ride) -> bool:
    board, alight = ride.board_zone in rules.inside, ride.alight_zone in rules.inside
    ends = {"board_or_alight": board or alight, "board": board, "alight": alight, "both": board and alight}
    return ends.get(rules.require, True)


def _count(rules: Rules, ledger: Ledger, ride: Ride, day: int) -> tuple[int, int, Reason | None]:
    """Masks of the counted riders and of those over a limit, and why the first tapped rider fell out (TX-C2, TX-L)."""
    counts, today, member_of = ledger.counts, ledger.today, ledger.member
    strict = ride.online or rules.reject_offline
    counted = over = 0
    first: Reason | None = None
    for position, rider in enumerate(ride.riders):
        member = member_of(rider)
        reason: Reason | None = None
        if member is None or not member.covers(day):
            reason = "not_registered"
        elif today.get(rider, 0) >= rules.per_day:
            reason = "daily_limit"
        elif counts.get(rider, 0) >= (
            rules.yearly_limit(member.since, ledger.year_of_day) if rules.prorated else rules.per_year
        ):
            reason = "yearly_limit"
        if reason is None:
            counted |= 1 << position
        elif reason != "not_registered" and not strict:
            counted |= 1 << position
            over |= 1 << position
        elif position == 0:
            first = reason
    return counted, over, first


def _consume(ledger: Ledger, riders: tuple[str, ...], counted: int) -> None:
    counts, today = ledger.counts, ledger.today
    for position, rider in enumerate(riders):
        if counted >> position & 1:
            today[rider] = today.get(rider, 0) + 1
            counts[rider] = counts.get(rider, 0) + 1


def _by_voucher(rules: Rules, ledger: Ledger, ride: Ride, fare: int, counted: int, over: int) -> Verdict:
    """A ride paid with vouchers: each rider gives those that are left to them, as many as the pack allows."""
    counts, year = ledger.counts, ledger.year_of_day
    riders = [(position, rider) for position, rider in enumerate(ride.riders) if counted >> position & 1]
    most = rules.max_solo if len(riders) == 1 else rules.max_shared
    left = [
        most if over >> position & 1 else rules.yearly_limit(_since(ledger, rider), year) - counts.get(rider, 0)
        for position, rider in riders
    ]
    units = vouchers_used(fare, rules.voucher, most, left)
    subsidy = sum(units) * rules.voucher
    for (_, rider), used in zip(riders, units, strict=True):
        ledger.today[rider] = ledger.today.get(rider, 0) + 1
        counts[rider] = counts.get(rider, 0) + used
    return Verdict(None, subsidy, fare - subsidy, counted, over, units, rules.hash)


def _since(ledger: Ledger, rider: str) -> int:
    member = ledger.member(rider)
    return 1 if member is None else member.since
