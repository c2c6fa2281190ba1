"""Corrections of closed months: a reversing entry in a later month, and the amended one beside it (TX-M3)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import BigInteger, bindparam, func, insert, select, type_coerce

from mykey_core.api import PluginDatabase
from mykey_taxi.errors import CycleError, InputError
from mykey_taxi.intake import hold_months
from mykey_taxi.register import M, fetch, used_units
from mykey_taxi.rules.amounts import shares
from mykey_taxi.rules.civil import day_of
from mykey_taxi.rules.packs import PackSeries
from mykey_taxi.rules.ride import shares_of
from mykey_taxi.settlement.cycle import cycle_at, parse_cycle
from mykey_taxi.tables import correction, cycle, ride, settlement


@dataclass(frozen=True, slots=True)
class Correction:
    """One entry: signed yen for the operator, and for each rider; signed uses for each rider."""

    correction_id: str
    cycle: str
    ride_id: str
    kind: str
    operator_id: str
    subsidy_yen: int
    shares: Mapping[str, int]
    uses: Mapping[str, int]
    reason: str


def reverse(
    database: PluginDatabase, ride_id: str, *, reason: str, by: str, at: datetime, amended_yen: int | None = None
) -> list[Correction]:
    """Take a ride of a closed month back, and with `amended_yen` settle it anew with that subsidy.

    `by` is the clerk's id. The entries belong to the earliest month whose close has not begun. `CycleError` when the
    ride's month is not closed (then the ride is corrected itself), `InputError` for an unknown or reversed ride.
    """
    found = _settled(database, ride_id)
    if found.state != "closed":
        raise CycleError(str(found.cycle), "taxi.month_open", "the month is not closed yet, so nothing is reversed")
    names = tuple(found.riders.split(" "))
    units = None if found.units is None else tuple(int(unit) for unit in found.units.split(" "))
    parts = shares_of(names, found.counted, found.subsidy_yen, units)
    uses = dict(used_units(found.riders, found.counted, found.units))
    month = _open_month(database, at)
    entries = [_entry(month, found, "reversal", -found.subsidy_yen, _negated(parts), _negated(uses), reason)]
    if amended_yen is not None:
        if not 0 <= amended_yen <= found.meter_yen - found.discount_yen:
            raise InputError("amended_yen", "it is between zero and the fare")
        amended = dict(zip(parts, shares(amended_yen, len(parts)), strict=True))
        entries.append(_entry(month, found, "amended", amended_yen, amended, uses, reason))
    for entry in entries:
        database.execute(insert(correction), _row(database, entry, by, at))
    return entries


def _settled(database: PluginDatabase, ride_id: str) -> Any:
    joined = (settlement.c.municipality == ride.c.municipality) & (settlement.c.ride_id == ride.c.ride_id)
    months = (cycle.c.municipality == ride.c.municipality) & (cycle.c.cycle == ride.c.cycle)
    query = (
        select(ride, settlement.c.subsidy_yen, settlement.c.counted, settlement.c.units, cycle.c.state)
        .join(settlement, joined)
        .join(cycle, months, isouter=True)
        .where(ride.c.municipality == M, settlement.c.municipality == M, settlement.c.reason.is_(None))
        .where(ride.c.ride_id == bindparam("ride_id"))
    )
    own = {"m": database.municipality, "ride_id": ride_id}
    found = database.execute(query, own).first()
    known = select(correction.c.kind).where(
        correction.c.municipality == M, correction.c.ride_id == bindparam("ride_id")
    )
    if found is None or database.execute(known, own).first() is not None:
        raise InputError("ride_id", "there is no settled ride of this id, or it is reversed already")
    return found


def _open_month(database: PluginDatabase, at: datetime) -> str:
    """The month to book in. Until the commit its close does not begin, which would leave the entry out."""
    hold_months(database, closing=False)
    query = select(func.max(cycle.c.cycle)).where(cycle.c.municipality == M)
    last = database.execute(query, {"m": database.municipality}).scalar()
    return str(cycle_at(at) if last is None else parse_cycle(last).following)


def _negated(values: Mapping[str, int]) -> dict[str, int]:
    return {name: -value for name, value in values.items()}


def _entry(
    month: str, found: Any, kind: str, yen: int, parts: Mapping[str, int], uses: Mapping[str, int], reason: str
) -> Correction:
    return Correction(str(uuid4()), month, found.ride_id, kind, found.operator_id, yen, parts, uses, reason)


def _row(database: PluginDatabase, entry: Correction, by: str, at: datetime) -> dict[str, Any]:
    values = {name: getattr(entry, name) for name in Correction.__slots__}
    texts = {name: json.dumps(dict(values[name]), sort_keys=True) for name in ("shares", "uses")}
    return {"municipality": database.municipality, **values, **texts, "entered_by": by, "entered_at": at}


def corrections_of(database: PluginDatabase, month: str) -> list[Correction]:
    """The entries booked in a month, in the order of their ids."""
    columns = [correction.c[name] for name in Correction.__slots__]
    query = select(*columns).where(correction.c.municipality == M, correction.c.cycle == bindparam("cycle"))
    rows = database.execute(query.order_by(correction.c.correction_id), {"m": database.municipality, "cycle": month})
    return [
        Correction(**{**row._mapping, "shares": json.loads(row.shares), "uses": json.loads(row.uses)})  # noqa: SLF001
        for row in rows
    ]


def boarding_days(database: PluginDatabase, entries: list[Correction]) -> dict[str, int]:
    """Ride id → ordinal of its day of boarding, for the rides that were corrected."""
    board = type_coerce(ride.c.board_at, BigInteger).label("board")
    query = select(ride.c.ride_id, board).where(
        ride.c.municipality == M, ride.c.ride_id.in_(sorted({entry.ride_id for entry in entries}))
    )
    return {row.ride_id: day_of(row.board) for row in fetch(database, query)}


def uses_booked(database: PluginDatabase, entries: list[Correction], packs: PackSeries) -> dict[tuple[int, str], int]:
    """(fiscal year of the ride, rider) → signed uses of corrections."""
    days = boarding_days(database, entries)
    booked: dict[tuple[int, str], int] = {}
    for entry in entries:
        year = packs.rules(days[entry.ride_id]).fiscal_year(days[entry.ride_id])
        for rider, uses in entry.uses.items():
            booked[year, rider] = booked.get((year, rider), 0) + uses
    return booked
