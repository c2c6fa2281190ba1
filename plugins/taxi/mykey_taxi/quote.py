"""Judging single rides from JSON values: `mykey taxi quote`, the terminal's preview, and the worked examples.

The members of the input are those of the kinds `ride` and `rides` in the format `mykey-cases/1`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from pydantic import ValidationError

from mykey_core.api import tokyo_date
from mykey_taxi.errors import InputError
from mykey_taxi.rules.civil import fiscal_year, instant, microseconds, parse_instant
from mykey_taxi.rules.judge import judge
from mykey_taxi.rules.ledger import ALWAYS, Ledger, Membership, membership
from mykey_taxi.rules.overlap import overlapping
from mykey_taxi.rules.pack import Pack
from mykey_taxi.rules.packs import PackSeries
from mykey_taxi.rules.ride import Ride, Verdict, picked

_PLACES: Final = {
    "rate": ("subsidy", "solo", "rate"),
    "solo_cap": ("subsidy", "solo", "cap"),
    "per_rider": ("subsidy", "shared", "per_rider"),
    "rounding_unit": ("subsidy", "rounding", "unit"),
    "rounding_mode": ("subsidy", "rounding", "mode"),
    "per_day": ("limits", "per_day"),
    "per_year": ("limits", "per_year"),
    "prorate": ("limits", "prorate"),
    "hours": ("service", "hours"),
    "end_inclusive": ("service", "end_inclusive"),
    "require": ("area", "require"),
    "base": ("subsidy", "base"),
    "offline_policy": ("overuse", "offline_policy"),
    "age_basis": ("eligibility", "age_basis"),
    "valid_from": ("programme", "valid_from"),
    "valid_to": ("programme", "valid_to"),
}
_RIDE: Final = frozenset(
    {"board", "alight", "board_zone", "alight_zone", "meter_yen", "operator_discount_yen", "riders", "mode"}
)
_TOLD: Final = frozenset({"id", "operator", "ride_id", "terminal_id", "seq", "uploaded"})  # of a ride; decide nothing
INPUT: Final = frozenset({"ride", "rides", "registrations", "prior_uses", "pack"})


def known_members(data: Mapping[str, Any], known: frozenset[str], place: str) -> None:
    """`InputError` for the first member that means nothing here, so that a wrong spelling is not taken for absence."""
    for name in data:
        if name not in known:
            place_of = f"{place}.{name}".lstrip(".")
            raise InputError(place_of, f"it is not known; known are {', '.join(sorted(known))}")


def with_overrides(pack: Pack, overrides: Mapping[str, Any]) -> Pack:
    """A pack with single members replaced by their short names, such as `solo_cap`; `InputError` for unknown ones."""
    data = pack.model_dump(mode="json")
    for name, value in overrides.items():
        if name == "id":
            continue
        if name not in _PLACES:
            raise InputError(f"pack.{name}", f"known are {', '.join(_PLACES)}")
        *path, last = _PLACES[name]
        target = data
        for part in path:
            target = target[part]
        target[last] = value
    try:
        return Pack.model_validate(data)
    except ValidationError as error:
        raise InputError("pack", error.errors()[0]["msg"]) from error


def for_any_day(pack: Pack) -> PackSeries:
    """The pack as if it were always in force, for questions about one pack."""
    return PackSeries([with_overrides(pack, {"valid_from": "1951-04-01", "valid_to": None})])


def read_ride(data: Mapping[str, Any], place: str = "ride") -> Ride:
    """A ride from JSON values; zones default to inside, the mode to online. A fare that is no integer becomes 0."""
    known_members(data, _RIDE | _TOLD, place)
    try:
        board = parse_instant(data["board"])
        alight = parse_instant(data["alight"]) if data.get("alight") else board
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{place}.board", "it is a time such as 2026-04-15T10:00, Japanese time") from error
    riders = data.get("riders", [])
    if not isinstance(riders, list) or not all(isinstance(rider, str) for rider in riders):
        raise InputError(f"{place}.riders", "it is a list of texts")
    return Ride(
        microseconds(board),
        microseconds(alight),
        data.get("board_zone", "inside"),
        data.get("alight_zone", "inside"),
        _yen(data.get("meter_yen")),
        _yen(data.get("operator_discount_yen", 0), wrong=-1),
        tuple(dict.fromkeys(riders)),
        data.get("mode", "online") == "online",
    )


def _yen(value: object, wrong: int = 0) -> int:
    """Whole yen; `wrong`, which no check lets pass, for what is no whole number (TX-C5)."""
    return value if isinstance(value, int) and not isinstance(value, bool) else wrong


def _day(text: str | None, place: str) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise InputError(place, "it is a day such as 2026-04-01") from error


def read_members(data: Mapping[str, Any]) -> dict[str, Membership | None]:
    """Registrations {rider: {from, to?} or null}; a rider without an entry counts as registered."""
    members: dict[str, Membership | None] = {}
    for rider, entry in data.items():
        known_members(entry or {}, frozenset({"from", "to"}), f"registrations.{rider}")
        first = None if entry is None else _day(entry.get("from"), f"registrations.{rider}.from") or date(1951, 4, 1)
        last = None if entry is None else _day(entry.get("to"), f"registrations.{rider}.to")
        members[rider] = None if first is None else membership(first, last)
    return members


class PriorUses:
    """Uses before the ride: {rider: {day, year}}, {rider: number in the year} or {rider: [days]}."""

    def __init__(self, data: Any, board: datetime, start: tuple[int, int]) -> None:
        self._days: Counter[tuple[int, str]] = Counter()
        self._years: Counter[tuple[int, str]] = Counter()
        self._day, self._start = tokyo_date(board), start
        self._year = fiscal_year(self._day, start)
        for rider, entry in data.items():
            self._add(rider, entry)

    def on(self, day: int) -> dict[str, int]:
        """Rider → uses on the day with this ordinal."""
        return {rider: count for (when, rider), count in self._days.items() if when == day}

    def within(self, year: int) -> dict[str, int]:
        """Rider → uses in a fiscal year."""
        return {rider: count for (when, rider), count in self._years.items() if when == year}

    def _add(self, rider: str, entry: Any) -> None:
        if isinstance(entry, Mapping):
            known_members(entry, frozenset({"day", "year"}), f"prior_uses.{rider}")
            today = entry.get("day", 0)
            self._days[self._day.toordinal(), rider] += today
            self._years[self._year, rider] += max(entry.get("year", 0), today)
        elif isinstance(entry, int):
            self._years[self._year, rider] += entry
        else:
            for text in entry:
                day = date.fromisoformat(text[:10])
                self._days[day.toordinal(), rider] += 1
                self._years[fiscal_year(day, self._start), rider] += 1


def ledger_for(packs: PackSeries, data: Mapping[str, Any], ride: Ride) -> Ledger:
    """The ledger that an input describes; `ride` is the first one to be judged."""
    members = read_members(data.get("registrations", {}))
    board = instant(ride.board)
    start = packs.on(tokyo_date(board)).programme.year_start
    try:
        prior = PriorUses(data.get("prior_uses", {}), board, start)
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError("prior_uses", "it is {rider: {day, year}}, {rider: number} or {rider: [days]}") from error
    return Ledger(lambda rider: members.get(rider, ALWAYS), uses_on=prior.on, uses_in=prior.within)


def as_json(ride: Ride, verdict: Verdict, *, overlap: bool = False) -> dict[str, Any]:
    """A verdict as JSON values; `over_limit` names the riders that the flag is about."""
    over = picked(ride.riders, verdict.over)
    answer: dict[str, Any] = {
        "status": "settled" if verdict.settled else "rejected",
        "reason": verdict.reason,
        "subsidy_yen": verdict.subsidy_yen,
        "cash_yen": verdict.cash_yen,
        "counted": picked(ride.riders, verdict.counted),
        "flags": [name for name, set_ in (("over_limit", over), ("overlap", overlap)) if set_],
        "shares": verdict.shares(ride.riders),
        "over_limit": over,
    }
    if verdict.units is not None:
        answer["vouchers"] = list(verdict.units)
    return answer


def quote(packs: PackSeries, data: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to one input: `ride` judged by the pack of its boarding day, with that pack's hash."""
    known_members(data, INPUT, "")
    if not isinstance(data.get("ride"), Mapping):
        raise InputError("ride", "it is missing")
    ride = read_ride(data["ride"])
    verdict = judge(packs, ledger_for(packs, data, ride), ride)
    pack = packs.on(tokyo_date(instant(ride.board)))
    return {**as_json(ride, verdict), "pack": pack.programme.id, "rule_pack_hash": pack.hash}


def quote_all(packs: PackSeries, data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The verdicts on `rides`, given in the order of TX-L5; overlapping rides of one rider are flagged (TX-L7)."""
    known_members(data, INPUT, "")
    rides = [read_ride(entry, f"rides.{number}") for number, entry in enumerate(data["rides"])]
    if not rides:
        return []
    ledger = ledger_for(packs, data, rides[0])
    verdicts = [judge(packs, ledger, ride) for ride in rides]
    spans = [(number, rider, ride.board, ride.alight) for number, ride in enumerate(rides) for rider in ride.riders]
    both = set(overlapping(spans))
    return [
        as_json(ride, verdict, overlap=number in both)
        for number, (ride, verdict) in enumerate(zip(rides, verdicts, strict=True))
    ]
