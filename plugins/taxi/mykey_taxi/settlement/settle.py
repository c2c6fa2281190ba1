"""Judging all rides of a month in the order of TX-L5, in chunks: what is stored of each, and the sums.

Running it again gives the same, so a close that was killed begins it anew. Instants are read as numbers and rows are
written many at a time, because a month may hold a million rides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import BigInteger, bindparam, insert, select, type_coerce, update

from mykey_taxi.intake import report_flags, verdict_row
from mykey_taxi.register import Register, Uses
from mykey_taxi.rules.judge import judge
from mykey_taxi.rules.ledger import Counts, Ledger
from mykey_taxi.rules.overlap import OverlapWatch
from mykey_taxi.rules.packs import PackSeries
from mykey_taxi.rules.ride import Flag, Ride, Verdict
from mykey_taxi.settlement.cycle import Cycle
from mykey_taxi.settlement.reading import BOARD, WITH_VERDICT, Begin, in_order, pages, without_cycle_search
from mykey_taxi.tables import ride, settlement

_OVERLAP: Final = int(Flag.OVERLAP)  # flags are plain numbers here: a million of them
_COLUMNS: Final = (
    ride.c.ride_id,
    ride.c.terminal,
    ride.c.seq,
    ride.c.operator_id,
    BOARD.label("board"),
    type_coerce(ride.c.alight_at, BigInteger).label("alight"),
    ride.c.board_zone,
    ride.c.alight_zone,
    ride.c.meter_yen,
    ride.c.discount_yen,
    ride.c.riders,
    ride.c.online,
    ride.c.reported_pack,
    ride.c.reported_subsidy,
    ride.c.reported_cash,
    ride.c.flags,
    settlement.c.reason,
    settlement.c.subsidy_yen,
    settlement.c.cash_yen,
    settlement.c.counted,
    settlement.c.over,
    settlement.c.units,
    settlement.c.flags.label("old_flags"),
    settlement.c.pack_hash,
)
_STORED: Final = 16  # where the columns of the stored verdict begin
_SUBSIDY: Final = _STORED + 1
_MONTH: Final = in_order(select(*_COLUMNS).join(settlement, WITH_VERDICT, isouter=True))
_MARK: Final = (
    update(settlement)
    .where(settlement.c.municipality == bindparam("m"), settlement.c.ride_id == bindparam("r"))
    .values(flags=settlement.c.flags.op("|")(_OVERLAP))
)
_CHANGE: Final = (
    update(settlement)
    .where(settlement.c.municipality == bindparam("m"), settlement.c.ride_id == bindparam("r"))
    .values({name: bindparam(name) for name in verdict_row(Verdict(None, 0, 0), 0)})
)


@dataclass(slots=True)
class Sums:
    """What a month adds up to: by operator (rides, yen), by rider (rides, yen), uses by fiscal year and rider."""

    operators: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    riders: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    uses: dict[int, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    rides: int = 0
    settled: int = 0
    subsidy_yen: int = 0

    def add(self, operator: str, riders: tuple[str, ...], verdict: Verdict, year: int) -> None:
        """Count one ride, with what it takes from the limits of fiscal year `year`."""
        self.rides += 1
        reason, subsidy, _, _, _, units, _ = verdict
        if reason is not None:
            return
        self.settled += 1
        self.subsidy_yen += subsidy
        entry = self.operators[operator]
        entry[0] += 1
        entry[1] += subsidy
        if len(riders) == 1:
            self._use(riders[0], subsidy, units[0] if units else 1, year)
            return
        parts = verdict.shares(riders)
        for (rider, share), used in zip(parts.items(), units or (1,) * len(parts), strict=True):
            self._use(rider, share, used, year)

    def _use(self, rider: str, share: int, used: int, year: int) -> None:
        own = self.riders[rider]
        own[0] += 1
        own[1] += share
        self.uses[year][rider] += used


class MonthSettlement:
    """Judges the rides of one month; `progress` hears how many are done."""

    def __init__(self, begin: Begin, packs: PackSeries, cycle: Cycle, progress: Callable[[int], None]) -> None:
        self._begin = begin
        self._packs = packs
        self._cycle = cycle
        self._progress = progress
        self._watch: OverlapWatch[str] = OverlapWatch()
        self._first_day = cycle.first_day.toordinal()
        self._municipality = ""
        self.sums = Sums()

    def run(self) -> Sums:
        """Judge everything, and store what is new or has changed."""
        with self._begin() as database, without_cycle_search():
            self._municipality = database.municipality
            members = Register(database).members()
        ledger = Ledger(members.get, uses_on=self._uses_on, uses_in=self._uses_in)
        with without_cycle_search():
            for rows in pages(self._begin, _MONTH, str(self._cycle)):
                self._store(*self._judge(rows, ledger))
                self._progress(self.sums.rides)
        return self.sums

    def _uses_on(self, day: int) -> Counts:
        if day >= self._first_day:
            return {}  # a ride of this month is never in an earlier one
        with self._begin() as database:
            return Uses(database, before=str(self._cycle)).on(day)

    def _uses_in(self, year: int) -> Counts:
        with self._begin() as database:
            return Uses(database, before=str(self._cycle)).within(year)

    def _judge(self, rows: list[Any], ledger: Ledger) -> tuple[list[dict[str, Any]], list[dict[str, Any]], set[str]]:
        """New verdicts, changed verdicts, and the ids of earlier rides that overlap one of these."""
        new: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        earlier: set[str] = set()
        packs, add, watch = self._packs, self.sums.add, self._watch.add
        own = self._municipality
        for row in rows:
            ride_id, _, _, operator, *told = row[:_STORED]
            facts = _facts(told)
            verdict = judge(packs, ledger, facts)
            flags = told[11] | report_flags(verdict, told[8], told[9], told[10])
            for name in facts.riders:
                others = watch(name, facts.board, facts.alight, ride_id)
                if others:
                    earlier.update(others)
                    flags |= _OVERLAP
            add(operator, facts.riders, verdict, ledger.year_of_day)
            values = verdict_row(verdict, flags)
            if row[_SUBSIDY] is None:
                values["ride_id"], values["municipality"] = ride_id, own
                new.append(values)
            elif tuple(values.values()) != row[_STORED:]:
                changed.append({**values, "r": ride_id})
        return new, changed, earlier

    def _store(self, new: list[dict[str, Any]], changed: list[dict[str, Any]], earlier: set[str]) -> None:
        with self._begin() as database:
            own = database.municipality
            database.execute_many(insert(settlement), new)
            database.execute_many(_CHANGE, [{**row, "m": own} for row in changed])
            database.execute_many(_MARK, [{"m": own, "r": ride_id} for ride_id in sorted(earlier)])


def _facts(told: list[Any]) -> Ride:
    """A ride from the columns `board` to `online`."""
    board, alight, start, end, meter, discount, names, online = told[:8]
    return Ride(board, alight, start, end, meter, discount, tuple(names.split(" ")) if names else (), online == 1)
