"""A pack made ready for judging many rides: bounds as integers, sets for look-ups, the amount as a function."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Final

from mykey_taxi.rules.amounts import Amount, solo_amount
from mykey_taxi.rules.civil import MINUTES_A_DAY, fiscal_year
from mykey_taxi.rules.pack import WEEKDAYS, Hours, Pack

NO_LIMIT: Final = 1 << 60
_MONTHS: Final = 12
_FARES: Final = 4_096
_MONDAY: Final = 1  # date.toordinal() % 7 of a Monday


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _bounds(service: Hours) -> tuple[int, int]:
    """First and last minute of the day that are inside."""
    if service.hours is None:
        return 0, MINUTES_A_DAY - 1
    return _minutes(service.hours[0]), _minutes(service.hours[1]) - (not service.end_inclusive)


class Rules:
    """What `judge` reads of a pack; made once for each pack."""

    __slots__ = (
        "_closed", "always_open", "as_solo", "base_is_meter", "check_alight", "first_minute", "hash", "inside",
        "inside_either", "last_minute", "max_shared", "max_solo", "pack", "per_day", "per_rider", "per_year",
        "prorated", "reject_offline", "require", "solo", "voucher",
    )  # fmt: skip

    def __init__(self, pack: Pack) -> None:
        subsidy, limits = pack.subsidy, pack.limits
        self.pack = pack
        self.hash = pack.hash
        self.first_minute, self.last_minute = _bounds(pack.service)
        self.check_alight = pack.service.time_basis == "board_and_alight"
        self._closed = frozenset(WEEKDAYS.index(day) for day in WEEKDAYS if day not in pack.service.weekdays)
        self.require = pack.area.require
        self.inside = frozenset(zone.id for zone in pack.area.zones)
        one_end = pack.area.require in {"board_or_alight", "board"}
        self.inside_either = self.inside if one_end else frozenset()  # boarding there is enough
        self.per_day = NO_LIMIT if limits.per_day is None else limits.per_day
        self.per_year = NO_LIMIT if limits.per_year is None else limits.per_year
        self.prorated = limits.prorate == "monthly"
        self.reject_offline = pack.overuse.offline_policy == "reject"
        self.base_is_meter = subsidy.base == "meter"
        self.voucher = subsidy.solo.voucher or 0
        self.max_solo = subsidy.solo.max_vouchers or 0
        self.max_shared = subsidy.shared.max_vouchers or 0
        self.per_rider = subsidy.shared.per_rider or 0
        self.as_solo = subsidy.shared.as_solo
        self.solo: Amount = lru_cache(_FARES)(solo_amount(subsidy))  # fares repeat: a look-up, not a computation
        self.always_open = not self._closed

    def closed_on(self, day: int) -> bool:
        """True on a day of the week without service."""
        return bool(self._closed) and (day - _MONDAY) % 7 in self._closed

    def fiscal_year(self, day: int) -> int:
        """The fiscal year of the day with this ordinal."""
        return fiscal_year(date.fromordinal(day), self.pack.programme.year_start)

    def yearly_limit(self, since: int, year: int) -> int:
        """The limit in fiscal year `year` of a person registered on the day `since` (TX-L6)."""
        if not self.prorated or since <= 1:
            return self.per_year
        registered = date.fromordinal(since)
        start = self.pack.programme.year_start
        if fiscal_year(registered, start) != year:
            return self.per_year
        months = _MONTHS - (registered.month - start[0]) % _MONTHS
        return self.per_year * months // _MONTHS
