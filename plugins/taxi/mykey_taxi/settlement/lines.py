"""The lines of one rider's statement: rides and corrections of a month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import BigInteger, and_, bindparam, select, type_coerce

from mykey_core.api import PluginDatabase
from mykey_taxi.register import M, fetch
from mykey_taxi.rules.civil import day_of, minute_of
from mykey_taxi.rules.ride import shares_of
from mykey_taxi.settlement.corrections import corrections_of
from mykey_taxi.settlement.wording import words
from mykey_taxi.tables import ride, ride_rider, settlement


@dataclass(frozen=True, slots=True)
class StatementLine:
    """A ride (or a correction, then with a signed share) of one rider; `day` and `time` are Japanese."""

    day: date
    time: str
    board_zone: str
    alight_zone: str
    fare_yen: int
    share_yen: int
    note: str


def rides_of(database: PluginDatabase, rider_id: str, cycle: str, language: str = "ja") -> list[StatementLine]:
    """What the month holds of a rider, rides in the order of boarding, corrections after them."""
    query = (
        select(ride, type_coerce(ride.c.board_at, BigInteger).label("board"), settlement)
        .join(settlement, _same(settlement))
        .join(ride_rider, _same(ride_rider))
        .where(ride.c.municipality == M, settlement.c.municipality == M, ride_rider.c.municipality == M)
        .where(ride_rider.c.rider_id == bindparam("r"), ride.c.cycle == bindparam("cycle"))
        .where(settlement.c.reason.is_(None))
        .order_by(ride.c.board_at, ride.c.ride_id)
    )
    lines = []
    for row in fetch(database, query, r=rider_id, cycle=cycle):
        parts = _shares(row)
        if rider_id in parts:
            note = words("note.shared", language, count=len(parts)) if len(parts) > 1 else ""
            lines.append(_line(row, parts[rider_id], note))
    return lines + _corrections(database, rider_id, cycle, language)


def _same(table: Any) -> Any:
    return and_(table.c.municipality == ride.c.municipality, table.c.ride_id == ride.c.ride_id)


def _shares(row: Any) -> dict[str, int]:
    units = None if row.units is None else tuple(int(unit) for unit in row.units.split(" "))
    return shares_of(tuple(row.riders.split(" ")), row.counted, row.subsidy_yen, units)


def _line(row: Any, share: int, note: str) -> StatementLine:
    minute = minute_of(row.board)
    return StatementLine(
        date.fromordinal(day_of(row.board)),
        f"{minute // 60:02d}:{minute % 60:02d}",
        row.board_zone or "",
        row.alight_zone or "",
        row.meter_yen - row.discount_yen,
        share,
        note,
    )


def _corrections(database: PluginDatabase, rider_id: str, cycle: str, language: str) -> list[StatementLine]:
    entries = [entry for entry in corrections_of(database, cycle) if rider_id in entry.shares]
    if not entries:
        return []
    query = select(ride, type_coerce(ride.c.board_at, BigInteger).label("board")).where(
        ride.c.municipality == M, ride.c.ride_id.in_([entry.ride_id for entry in entries])
    )
    rides = {row.ride_id: row for row in fetch(database, query)}
    return [
        _line(rides[entry.ride_id], entry.shares[rider_id], words("note.correction", language, reason=entry.reason))
        for entry in entries
    ]
