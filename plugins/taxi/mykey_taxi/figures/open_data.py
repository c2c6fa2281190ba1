"""Open data without persons: rides by month, zone and hour, only where enough different riders stand behind a number.

A group with fewer than *k* riders is left out (k-anonymity); all left-out groups together are one line, if they have
enough riders together. There are no other totals, so that nothing can be computed by subtraction.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass, field
from io import StringIO
from typing import Any, Final

from sqlalchemy import BigInteger, bindparam, cast, select

from mykey_core.api import PluginDatabase
from mykey_taxi.errors import InputError
from mykey_taxi.register import M, fetch
from mykey_taxi.rules.ride import picked
from mykey_taxi.settlement.reading import BOARD, WITH_VERDICT
from mykey_taxi.tables import cycle, ride, settlement

LEAST_K: Final = 5
_HOUR: Final = 3_600_000_000
_COLUMNS: Final = ("month", "board_zone", "hour", "rides", "shared_rides", "subsidy_yen", "fare_yen")
_REST: Final = "*"


@dataclass(slots=True)
class _Group:
    rides: int = 0
    shared: int = 0
    subsidy_yen: int = 0
    fare_yen: int = 0
    riders: set[str] = field(default_factory=set)

    def add(self, other: _Group) -> None:
        self.rides += other.rides
        self.shared += other.shared
        self.subsidy_yen += other.subsidy_yen
        self.fare_yen += other.fare_yen
        self.riders |= other.riders


def open_data(database: PluginDatabase, month: str, *, k: int = 10) -> str:
    """The CSV (UTF-8, RFC 4180) of one closed month; `InputError` for a threshold below five."""
    if k < LEAST_K:
        raise InputError("k", f"groups of fewer than {LEAST_K} riders are never published")
    groups = _groups(database, month)
    rest, lines = _Group(), []
    for (zone, hour), group in sorted(groups.items()):
        if len(group.riders) >= k:
            lines.append(_line(month, zone, str(hour), group))
        else:
            rest.add(group)
    if len(rest.riders) >= k:
        lines.append(_line(month, _REST, _REST, rest))
    target = StringIO()
    csv.writer(target).writerows([_COLUMNS, *lines])
    return target.getvalue()


def _line(month: str, zone: str, hour: str, group: _Group) -> tuple[Any, ...]:
    return (month, zone, hour, group.rides, group.shared, group.subsidy_yen, group.fare_yen)


def _groups(database: PluginDatabase, month: str) -> dict[tuple[str, int], _Group]:
    hour = cast((BOARD + 9 * _HOUR) % (24 * _HOUR), BigInteger) // _HOUR
    closed = cycle.c.municipality == ride.c.municipality, cycle.c.cycle == ride.c.cycle
    query = (
        select(ride, settlement.c.subsidy_yen, settlement.c.counted, hour.label("hour"))
        .join(settlement, WITH_VERDICT)
        .join(cycle, closed[0] & closed[1])
        .where(ride.c.municipality == M, settlement.c.municipality == M, cycle.c.municipality == M)
        .where(ride.c.cycle == bindparam("cycle"), cycle.c.state == "closed", settlement.c.reason.is_(None))
    )
    groups: dict[tuple[str, int], _Group] = defaultdict(_Group)
    for row in fetch(database, query, cycle=month):
        riders = picked(tuple(row.riders.split(" ")), row.counted)
        fare = row.meter_yen - row.discount_yen
        groups[row.board_zone or "", int(row.hour)].add(
            _Group(1, int(len(riders) > 1), row.subsidy_yen, fare, set(riders))
        )
    return groups
