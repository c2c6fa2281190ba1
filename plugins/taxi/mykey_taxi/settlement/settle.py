"""Judging all rides of a month in the order of TX-L5, in chunks: what is stored of each, and the sums.

Running it again gives the same, so a close that was killed begins it anew. Instants are read as numbers and rows are
written many at a time, because a month may hold a million rides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from sqlalchemy import BigInteger, bindparam, insert, select, type_coerce, update

from mykey_taxi.intake import report_flags, verdict_row, vouchers_text
from mykey_taxi.register import Register, Uses, spans_of_earlier_months
from mykey_taxi.rules.judge import judge
from mykey_taxi.rules.ledger import Counts, Ledger
from mykey_taxi.rules.overlap import OverlapWatch
from mykey_taxi.rules.packs import PackSeries
from mykey_taxi.rules.ride import Flag, Ride, Verdict
from mykey_taxi.settlement.corrections import corrections_of, uses_booked
from mykey_taxi.settlement.cycle import Cycle
from mykey_taxi.settlement.reading import BOARD, WITH_VERDICT, Begin, in_order, pages
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

TOGETHER: Final = 10
"""Pages whose verdicts are one commit: 20,000 rides, which take a fraction of a second."""


_new = tuple.__new__  # half the time of the named tuple's own constructor


@dataclass(slots=True)
class Found:
    """New and changed verdicts, and the ids of earlier rides that a later one overlaps: what is to be stored."""

    new: list[dict[str, Any]] = field(default_factory=list)
    changed: list[dict[str, Any]] = field(default_factory=list)
    earlier: set[str] = field(default_factory=set)


SettledRide = tuple[str, int, str, str, int, str | None, str | None, int, int, int, int, int, str]
"""A ride that is paid, as the breakdown of its operator shows it; plain tuples, because there may be a million.

Operator, boarding (microseconds since 1970), ride id, terminal, sequence, zones of boarding and alighting, yen (meter,
the operator's discount, subsidy, cash), mask of the counted riders, hash of the pack.
"""


class Listener(Protocol):
    """Hears of the month's settled rides, in their order, while they are judged."""

    def hear(self, rides: list[SettledRide]) -> None:
        """Some more of them."""


class _Silent:
    def hear(self, rides: list[SettledRide]) -> None:
        """Nobody listens."""


@dataclass(slots=True)
class Sums:
    """What a month adds up to: by operator (rides, yen); by rider and year in `ledger`.

    `booked_yen` (by rider) and `booked_uses` (by fiscal year and rider) are what corrections add.
    """

    ledger: Ledger
    operators: dict[str, list[int]] = field(default_factory=dict)
    booked_yen: dict[str, int] = field(default_factory=dict)
    booked_uses: dict[tuple[int, str], int] = field(default_factory=dict)
    rides: int = 0

    @property
    def subsidy_yen(self) -> int:
        """The subsidy of all settled rides."""
        return sum(yen for _, yen in self.operators.values())

    def statements(self) -> list[tuple[str, int, int]]:
        """(rider, rides, yen) with corrections, in the order of the riders' ids."""
        own = self.ledger.accounts.values()
        lines = {account.rider: (account.rides, account.yen) for account in own if account.rides}
        for rider, yen in self.booked_yen.items():
            rides, ridden = lines.get(rider, (0, 0))
            lines[rider] = rides, ridden + yen
        return [(rider, *lines[rider]) for rider in sorted(lines)]

    def uses(self) -> Iterator[tuple[int, str, int]]:
        """(fiscal year, rider, uses) with corrections."""
        booked = dict(self.booked_uses)
        for year, rider, uses in self.ledger.taken():
            yield year, rider, uses + booked.pop((year, rider), 0) if booked else uses
        for (year, rider), uses in booked.items():
            yield year, rider, uses


class MonthSettlement:
    """Judges the rides of one month; `progress` hears how many are done, `listener` what is paid."""

    def __init__(
        self,
        begin: Begin,
        packs: PackSeries,
        cycle: Cycle,
        progress: Callable[[int], None],
        listener: Listener | None = None,
    ) -> None:
        self._begin = begin
        self._packs = packs
        self._cycle = cycle
        self._progress = progress
        self._listener: Listener = listener or _Silent()
        self._first_day = cycle.first_day.toordinal()
        self._municipality = ""
        self._watch: OverlapWatch[str] = OverlapWatch()
        self._spans: dict[str, list[tuple[int, int]]] = {}
        self.sums = Sums(Ledger(lambda _: None))

    def run(self) -> Sums:
        """Judge everything, and store what is new or has changed."""
        with self._begin() as database:
            self._municipality = database.municipality
            members = Register(database).members()
        ledger = Ledger(members.get, uses_on=self._uses_on, uses_in=self._uses_in)
        self.sums = Sums(ledger)
        found = Found()
        for number, rows in enumerate(pages(self._begin, _MONTH, str(self._cycle)), start=1):
            self._watch.forget(rows[0].board)
            self._listener.hear(self._judge(rows, ledger, found))
            if number % TOGETHER == 0:
                self._store(found)
                found = Found()
        self._store(found)
        return self.sums

    def _uses_on(self, day: int) -> Counts:
        """What earlier months hold of a day: nothing but for late rides; their times are kept for the overlap too."""
        self._spans = {}
        if day > self._first_day:
            return {}  # a ride of this month is never in an earlier one
        with self._begin() as database:
            self._spans = spans_of_earlier_months(database, day, before=str(self._cycle))
            return {} if day == self._first_day else Uses(database, before=str(self._cycle)).on(day)

    def _uses_in(self, year: int) -> Counts:
        """Uses of closed months; what is taken back in this one is given back already."""
        with self._begin() as database:
            counts = Uses(database, before=str(self._cycle)).within(year)
            entries = corrections_of(database, str(self._cycle))
            for (of_year, rider), uses in uses_booked(database, entries, self._packs).items():
                counts[rider] = counts.get(rider, 0) + (uses if of_year == year else 0)
            return counts

    def _judge(self, rows: list[Any], ledger: Ledger, found: Found) -> list[SettledRide]:
        """Judge some rides: what is to be stored goes to `found`, what is paid is returned."""
        new, changed, earlier = found.new, found.changed, found.earlier
        paid: list[SettledRide] = []
        packs, watch, trips = self._packs, self._watch.add, self._watch.open
        operators, own = self.sums.operators, self._municipality
        for row in rows:
            ride_id, terminal, seq, operator, board, alight, start, end, meter, discount, names, online, *told = row
            riders = tuple(names.split(" ")) if " " in names else (names,) if names else ()
            facts = (board, alight, start, end, meter, discount, riders, online == 1)
            verdict = judge(packs, ledger, _new(Ride, facts))
            reason, subsidy, cash, counted, over, units, pack = verdict
            flags: int = told[3] | report_flags(verdict, told[0], told[1], told[2])
            for rider in riders:
                if rider not in trips:
                    trips[rider] = ((board, alight, ride_id),)
                elif others := watch(rider, board, alight, ride_id):
                    earlier.update(others)
                    flags |= _OVERLAP
            if self._spans:
                flags |= self._overlaps_earlier_month(riders, board, alight)
            if reason is None:
                entry = operators.get(operator)
                if entry is None:
                    entry = operators[operator] = [0, 0]
                entry[0] += 1
                entry[1] += subsidy
                paid.append(
                    (operator, board, ride_id, terminal, seq, start, end, meter, discount, subsidy, cash, counted, pack)
                )
            if row[_SUBSIDY] is not None:
                values = verdict_row(verdict, flags)
                if tuple(values.values()) != row[_STORED:]:
                    changed.append({**values, "r": ride_id})
            else:
                vouchers = None if units is None else vouchers_text(units)
                new.append(
                    {
                        "municipality": own, "ride_id": ride_id, "reason": reason, "subsidy_yen": subsidy,
                        "cash_yen": cash, "counted": counted, "over": over, "units": vouchers, "flags": flags,
                        "pack_hash": pack,
                    }
                )  # fmt: skip
        self.sums.rides += len(rows)
        return paid

    def _overlaps_earlier_month(self, riders: tuple[str, ...], board: int, alight: int) -> int:
        spans = [span for rider in riders for span in self._spans.get(rider, ())]
        return _OVERLAP if any(start < alight and board < end for start, end in spans) else 0

    def _store(self, found: Found) -> None:
        with self._begin() as database:
            own = database.municipality
            database.execute_many(insert(settlement), found.new)
            database.execute_many(_CHANGE, [{**row, "m": own} for row in found.changed])
            database.execute_many(_MARK, [{"m": own, "r": ride_id} for ride_id in sorted(found.earlier)])
        self._progress(self.sums.rides)
