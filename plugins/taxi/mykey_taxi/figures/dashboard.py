"""Figures of a fiscal year: rides and spending by month, operator, zone and hour, shared against solo, and a forecast.

Pure queries over what was decided; open months count with their verdicts so far.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeVar

from sqlalchemy import BigInteger, Integer, bindparam, case, cast, func, select

from mykey_core.api import PluginDatabase
from mykey_taxi.register import M, fetch
from mykey_taxi.rules.civil import day_start
from mykey_taxi.settlement.reading import BOARD, WITH_VERDICT
from mykey_taxi.tables import ride, settlement

_HOUR: Final = 3_600_000_000
_TOKYO: Final = 9 * _HOUR
_MONTHS: Final = 12
_RECENT: Final = 3


Key = TypeVar("Key", str, int)


@dataclass(frozen=True, slots=True)
class Cell:
    """Settled rides of one month (of settlement), operator, boarding zone, hour of boarding and kind."""

    month: str
    operator_id: str
    zone: str
    hour: int
    shared: bool
    rides: int
    subsidy_yen: int
    fare_yen: int


@dataclass(frozen=True, slots=True)
class Sum:
    """Rides, subsidy and fares of one group."""

    rides: int = 0
    subsidy_yen: int = 0
    fare_yen: int = 0


@dataclass(frozen=True, slots=True)
class Forecast:
    """Spending until the end of the fiscal year: what is spent, and the mean of the last full months for the rest.

    `months` is how many full months that mean rests on; `yen` is None while there is none. `budget_left_yen` is
    negative when the forecast is above the budget, None without a budget.
    """

    spent_yen: int
    months: int
    monthly_yen: int
    yen: int | None
    budget_yen: int | None
    budget_left_yen: int | None


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of a fiscal year; groups are in the order of their names."""

    year: int
    total: Sum
    by_month: dict[str, Sum]
    by_operator: dict[str, Sum]
    by_zone: dict[str, Sum]
    by_hour: dict[int, Sum]
    shared: Sum
    solo: Sum
    rejected: dict[str, int]
    forecast: Forecast


def cells(database: PluginDatabase, start: date, end: date) -> list[Cell]:
    """All groups of settled rides boarded from `start` to before `end`."""
    hour = cast((BOARD + _TOKYO) % (24 * _HOUR), BigInteger) // _HOUR
    shared = case((settlement.c.counted.op("&")(settlement.c.counted - 1) > 0, 1), else_=0)
    keys = (
        ride.c.cycle.label("month"),
        ride.c.operator_id,
        func.coalesce(ride.c.board_zone, "").label("zone"),
        cast(hour, Integer).label("hour"),
        shared.label("shared"),
    )
    fare = func.sum(ride.c.meter_yen - ride.c.discount_yen)
    grouped = (
        select(*keys, func.count().label("rides"), func.sum(settlement.c.subsidy_yen).label("yen"), fare.label("fare"))
        .join(settlement, WITH_VERDICT)
        .where(ride.c.municipality == M, settlement.c.municipality == M, settlement.c.reason.is_(None))
        .where(bindparam("start") <= BOARD, bindparam("end") > BOARD, ride.c.cycle.is_not(None))
        .group_by(*(key.name for key in keys))
    )
    rows = fetch(database, grouped, start=day_start(start), end=day_start(end))
    return [
        Cell(r.month, r.operator_id, r.zone, r.hour, bool(r.shared), r.rides, int(r.yen), int(r.fare)) for r in rows
    ]


def figures(database: PluginDatabase, year: int, today: date, *, start: tuple[int, int], budget: int | None) -> Figures:
    """The figures of fiscal year `year`, which begins on `start` (month, day), as known on `today`."""
    first, end = date(year, *start), date(year + 1, *start)
    found = cells(database, first, end)
    by_month = _grouped(found, lambda cell: cell.month)
    return Figures(
        year,
        _sum(found),
        by_month,
        _grouped(found, lambda cell: cell.operator_id),
        _grouped(found, lambda cell: cell.zone),
        _grouped(found, lambda cell: cell.hour),
        _sum(cell for cell in found if cell.shared),
        _sum(cell for cell in found if not cell.shared),
        rejected(database, first, end),
        forecast(by_month, first, today, budget),
    )


def rejected(database: PluginDatabase, start: date, end: date) -> dict[str, int]:
    """How many rides were rejected, by reason."""
    query = (
        select(settlement.c.reason, func.count().label("rides"))
        .join(ride, WITH_VERDICT)
        .where(ride.c.municipality == M, settlement.c.municipality == M, settlement.c.reason.is_not(None))
        .where(bindparam("start") <= BOARD, bindparam("end") > BOARD)
        .group_by(settlement.c.reason)
        .order_by(settlement.c.reason)
    )
    return {row.reason: row.rides for row in fetch(database, query, start=day_start(start), end=day_start(end))}


def forecast(by_month: dict[str, Sum], first: date, today: date, budget: int | None) -> Forecast:
    """What a fiscal year that began on `first` will cost, by the mean of its last full months (at most three)."""
    spent = sum(group.subsidy_yen for group in by_month.values())
    passed = min((today.year - first.year) * _MONTHS + today.month - first.month, _MONTHS)
    full = [_month(first, number) for number in range(max(passed, 0))]
    recent = [by_month.get(month, Sum()).subsidy_yen for month in full[-_RECENT:]]
    if not recent:
        return Forecast(spent, 0, 0, None, budget, None)
    monthly = sum(recent) // len(recent)
    before = sum(by_month.get(month, Sum()).subsidy_yen for month in full)
    total = max(before + monthly * (_MONTHS - len(full)), spent)
    return Forecast(spent, len(recent), monthly, total, budget, None if budget is None else budget - total)


def _month(first: date, number: int) -> str:
    years, month = divmod(first.month - 1 + number, _MONTHS)
    return f"{first.year + years:04d}-{month + 1:02d}"


def _sum(found: Iterable[Cell]) -> Sum:
    entries = list(found)
    return Sum(
        sum(cell.rides for cell in entries),
        sum(cell.subsidy_yen for cell in entries),
        sum(cell.fare_yen for cell in entries),
    )


def _grouped(found: list[Cell], key: Callable[[Cell], Key]) -> dict[Key, Sum]:
    groups: dict[Key, list[Cell]] = {}
    for cell in found:
        groups.setdefault(key(cell), []).append(cell)
    return {name: _sum(groups[name]) for name in sorted(groups)}
