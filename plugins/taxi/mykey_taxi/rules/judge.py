"""Judging one ride by the pack of its boarding day: checks, limits, amount, shares (TX-C, TX-S, TX-A, TX-H, TX-L).

The same function serves the terminal's preview, the upload and the close of a month.
"""

from __future__ import annotations

from mykey_taxi.rules.amounts import shares, vouchers_used
from mykey_taxi.rules.civil import MINUTE, day_and_minute
from mykey_taxi.rules.compiled import Rules
from mykey_taxi.rules.ledger import Account, Ledger
from mykey_taxi.rules.packs import PackSeries
from mykey_taxi.rules.ride import Reason, Ride, Verdict

_new = tuple.__new__  # half the time of the named tuple's own constructor


def judge(packs: PackSeries, ledger: Ledger, ride: Ride) -> Verdict:
    """The verdict on `ride`; its uses are counted in `ledger`. Rides come in the order of TX-L5."""
    if ride.board // MINUTE != ledger.minute:  # they come in order, so that many begin in one minute
        ledger.minute = ride.board // MINUTE
        day, ledger.minute_of_day = day_and_minute(ride.board)
        if day != ledger.day:
            ledger.turn_to(day, packs.rules(day))
    day, rules = ledger.day, ledger.rules
    fare = ride.meter_yen - ride.discount_yen
    reason = refusal(rules, ride, fare, day, ledger.minute_of_day)
    if reason is not None:
        return Verdict(reason, 0, max(fare, 0), 0, 0, None, rules.hash)
    accounts, counted, over, first = _count(rules, ledger, ride, day)
    if not counted:
        return Verdict(first or "no_registered_rider", 0, fare, 0, 0, None, rules.hash)
    if rules.voucher:
        return _by_voucher(rules, accounts, fare, counted, over)
    base = ride.meter_yen if rules.base_is_meter else fare
    number = len(accounts)
    subsidy = min(rules.solo(base) if number == 1 or rules.as_solo else rules.per_rider * number, fare)
    if number == 1:
        accounts[0].consume(subsidy, 1)
    else:
        for account, part in zip(accounts, shares(subsidy, number), strict=True):
            account.consume(part, 1)
    return _new(Verdict, (None, subsidy, fare - subsidy, counted, over, None, rules.hash))


def refusal(rules: Rules, ride: Ride, fare: int, day: int, minute: int) -> Reason | None:
    """The first check of the ride itself that fails (TX-C1)."""
    if fare <= 0 or ride.discount_yen < 0:
        return "fare_invalid"
    if ride.board_zone not in rules.inside_either and not _in_area(rules, ride):
        return "outside_area"
    if not rules.first_minute <= minute <= rules.last_minute or (not rules.always_open and rules.closed_on(day)):
        return "outside_hours"
    if rules.check_alight and not rules.first_minute <= day_and_minute(ride.alight)[1] <= rules.last_minute:
        return "outside_hours"
    return None


def _in_area(rules: Rules, ride: Ride) -> bool:
    board, alight = ride.board_zone in rules.inside, ride.alight_zone in rules.inside
    ends = {"board_or_alight": board or alight, "board": board, "alight": alight, "both": board and alight}
    return ends.get(rules.require, True)


def _count(rules: Rules, ledger: Ledger, ride: Ride, day: int) -> tuple[list[Account], int, int, Reason | None]:
    """The counted riders, masks of them and of those over a limit, and why the first tapped one fell out (TX-C2, TX-L).

    Masks are over the tap positions.
    """
    accounts = ledger.accounts
    strict = ride.online or rules.reject_offline
    kept: list[Account] = []
    counted = over = 0
    first: Reason | None = None
    for position, rider in enumerate(ride.riders):
        account = accounts[rider]
        if account.day != day:
            ledger.bring_up(account)
        reason = _limit(rules, account, day)
        if reason is not None and (strict or reason == "not_registered"):
            first = reason if position == 0 else first
            continue
        kept.append(account)
        counted |= 1 << position
        if reason is not None:
            over |= 1 << position
    return kept, counted, over, first


def _limit(rules: Rules, account: Account, day: int) -> Reason | None:
    """Why a rider does not count on this day, before anything is said of who is paid all the same (TX-L3)."""
    member = account.member
    if member is None or not member.covers(day):
        return "not_registered"
    if account.today >= rules.per_day:
        return "daily_limit"
    if account.used >= (rules.yearly_limit(member.since, account.year) if rules.prorated else rules.per_year):
        return "yearly_limit"
    return None


def _by_voucher(rules: Rules, accounts: list[Account], fare: int, counted: int, over: int) -> Verdict:
    """A ride paid with vouchers: each rider gives those that are left to them, as many as the pack allows.

    A rider over a limit whose ride is paid all the same gives what a rider within it could have given.
    """
    most = rules.max_solo if len(accounts) == 1 else rules.max_shared
    beyond = [bool(over >> position & 1) for position in range(counted.bit_length()) if counted >> position & 1]
    left = [most if free else _left(rules, account) for account, free in zip(accounts, beyond, strict=True)]
    units = vouchers_used(fare, rules.voucher, most, left)
    for account, used in zip(accounts, units, strict=True):
        account.consume(used * rules.voucher, used)
    subsidy = sum(units) * rules.voucher
    return Verdict(None, subsidy, fare - subsidy, counted, over, units, rules.hash)


def _left(rules: Rules, account: Account) -> int:
    since = 1 if account.member is None else account.member.since
    return rules.yearly_limit(since, account.year) - account.used
