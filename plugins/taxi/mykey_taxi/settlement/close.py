"""Closing a month: begin, judge, add up, close. Killed at any moment, it is begun again and ends the same.

The month is marked `closing` before anything else, so that later uploads go to the next one; statements, invoices and
the mark `closed` are one commit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update

from mykey_core.api import PluginDatabase
from mykey_taxi.errors import CycleError
from mykey_taxi.intake import hold_months
from mykey_taxi.register import M, fetch
from mykey_taxi.rules.packs import PackSeries
from mykey_taxi.settlement.corrections import Correction, corrections_of, uses_booked
from mykey_taxi.settlement.cycle import Cycle, parse_cycle
from mykey_taxi.settlement.reading import WITH_VERDICT, Begin, without_cycle_search
from mykey_taxi.settlement.settle import Listener, MonthSettlement, Sums
from mykey_taxi.tables import cycle as months
from mykey_taxi.tables import invoice, ride, settlement, statement, year_use


@dataclass(frozen=True, slots=True)
class Invoice:
    """What a month owes an operator. `due_yen` is transferred; a negative rest is carried to the next month."""

    operator_id: str
    rides: int
    rides_yen: int
    corrections_yen: int
    carried_in_yen: int
    due_yen: int
    carried_out_yen: int


@dataclass(frozen=True, slots=True)
class ClosedMonth:
    """A closed month: its rides (also rejected ones), its settled rides' subsidy, its invoices by operator."""

    cycle: str
    rides: int
    subsidy_yen: int
    invoices: tuple[Invoice, ...]

    @property
    def due_yen(self) -> int:
        """What is transferred in all."""
        return sum(entry.due_yen for entry in self.invoices)


def _nothing(_done: int) -> None:
    return


def _nobody(_database: PluginDatabase, _month: ClosedMonth) -> None:
    return


class MonthClose:
    """Closes one month of one municipality, in pieces: each block of `begin` is short, and a commit of its own.

    `closed` hears of the month within the commit that closes it, and only in that one. Uploads wait for a piece at
    most: they go to the next month as soon as the first piece has marked this one.
    """

    def __init__(
        self,
        begin: Begin,
        packs: PackSeries,
        cycle: Cycle,
        *,
        progress: Callable[[int], None] = _nothing,
        listener: Listener | None = None,
        closed: Callable[[PluginDatabase, ClosedMonth], None] = _nobody,
    ) -> None:
        self._begin = begin
        self._packs = packs
        self._cycle = cycle
        self._progress = progress
        self._listener = listener
        self._closed = closed

    def run(self, now: datetime) -> ClosedMonth:
        """Close the month; one that is closed already is read. `CycleError` when it cannot be closed yet."""
        with without_cycle_search():
            return self._run(now)

    def _run(self, now: datetime) -> ClosedMonth:
        with self._begin() as database:
            hold_months(database, closing=True)
            state = self._state(database)
            if state == "closed":
                return read_month(database, str(self._cycle))
            if state is None:
                self._mark(database, now)
        sums = MonthSettlement(self._begin, self._packs, self._cycle, self._progress, self._listener).run()
        with self._begin() as database:
            self._finish(database, sums, now)
        with self._begin() as database:
            return read_month(database, str(self._cycle))

    def _state(self, database: PluginDatabase) -> str | None:
        query = select(months.c.state).where(months.c.municipality == M, months.c.cycle == bindparam("cycle"))
        own = {"m": database.municipality, "cycle": str(self._cycle)}
        state: str | None = database.execute(query.with_for_update(), own).scalar()
        return state

    def _mark(self, database: PluginDatabase, now: datetime) -> None:
        if now < self._cycle.cut_off:
            message = f"uploads are in time until {self._cycle.cut_off:%Y-%m-%d %H:%M} (Japan); close it after that"
            raise CycleError(str(self._cycle), "taxi.month_not_over", message)
        self._check_earlier(database)
        values = {"municipality": database.municipality, "cycle": str(self._cycle), "state": "closing", "begun_at": now}
        database.execute(insert(months), values)

    def _check_earlier(self, database: PluginDatabase) -> None:
        own = {"m": database.municipality}
        last = database.execute(select(func.max(months.c.cycle)).where(months.c.municipality == M), own).scalar()
        if last is not None and last >= str(self._cycle):
            raise CycleError(str(self._cycle), "taxi.month_passed", f"{last} was closed before; months are in order")
        early = (
            select(ride.c.cycle)
            .where(ride.c.municipality == M, ride.c.cycle > (last or ""), ride.c.cycle < str(self._cycle))
            .limit(1)
        )
        waiting = database.execute(early, own).scalar()
        if waiting is not None:
            raise CycleError(str(self._cycle), "taxi.earlier_month_open", f"{waiting} has rides; close it first")
        if last is not None:
            self._take_strays(database, last)

    def _take_strays(self, database: PluginDatabase, last: str) -> None:
        """Rides whose upload was committed while their month closed without them belong to this one."""
        undecided = (
            select(ride.c.ride_id)
            .join(settlement, WITH_VERDICT, isouter=True)
            .where(ride.c.municipality == M, ride.c.cycle == bindparam("last"), settlement.c.ride_id.is_(None))
        )
        rows = [{"m": database.municipality, "r": row.ride_id} for row in fetch(database, undecided, last=last)]
        query = update(ride).where(ride.c.municipality == M, ride.c.ride_id == bindparam("r"))
        database.execute_many(query.values(cycle=str(self._cycle)), rows)

    # -- the last commit ----------------------------------------------------------------------------------------

    def _finish(self, database: PluginDatabase, sums: Sums, now: datetime) -> None:
        if self._state(database) == "closed":
            return  # another process was faster, with the same result
        entries = corrections_of(database, str(self._cycle))
        _book(database, sums, entries, self._packs)
        invoices, statements = self._invoices(database, sums, entries), sums.statements()
        _check_conservation(str(self._cycle), sum(yen for _, _, yen in statements), invoices)
        own = {"municipality": database.municipality, "cycle": str(self._cycle)}
        lines = [{**own, "rider_id": name, "rides": n, "subsidy_yen": yen} for name, n, yen in statements]
        database.execute_many(insert(statement), lines)
        uses = [{**own, "year": year, "rider_id": name, "uses": uses} for year, name, uses in sorted(sums.uses())]
        database.execute_many(insert(year_use), uses)
        database.execute_many(insert(invoice), [{**own, **_columns(entry)} for entry in invoices])
        query = update(months).where(months.c.municipality == M, months.c.cycle == bindparam("month"))
        totals = {"state": "closed", "closed_at": now, "rides": sums.rides, "subsidy_yen": sums.subsidy_yen}
        database.execute(query.values(**totals), {"m": database.municipality, "month": str(self._cycle)})
        self._closed(database, ClosedMonth(str(self._cycle), sums.rides, sums.subsidy_yen, tuple(invoices)))

    def _invoices(self, database: PluginDatabase, sums: Sums, entries: list[Correction]) -> list[Invoice]:
        carried = _carried(database, str(self._cycle))
        corrected: dict[str, int] = {}
        for entry in entries:
            corrected[entry.operator_id] = corrected.get(entry.operator_id, 0) + entry.subsidy_yen
        invoices = []
        for operator in sorted({*sums.operators, *corrected, *carried}):
            rides, yen = sums.operators.get(operator, [0, 0])
            rest = yen + corrected.get(operator, 0) + carried.get(operator, 0)
            amounts = (corrected.get(operator, 0), carried.get(operator, 0), max(rest, 0), min(rest, 0))
            invoices.append(Invoice(operator, rides, yen, *amounts))
        return invoices


def _columns(entry: Invoice) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in Invoice.__slots__}


def _book(database: PluginDatabase, sums: Sums, entries: list[Correction], packs: PackSeries) -> None:
    """Add the corrections to the riders' sums; a use is given back in the fiscal year of its ride."""
    for entry in entries:
        for rider, yen in entry.shares.items():
            sums.booked_yen[rider] = sums.booked_yen.get(rider, 0) + yen
    sums.booked_uses = uses_booked(database, entries, packs)


def _check_conservation(cycle: str, statements: int, invoices: list[Invoice]) -> None:
    """Statements (their sum), invoices and what is transferred or carried on are the same money."""
    invoiced = sum(entry.rides_yen + entry.corrections_yen for entry in invoices)
    moved = sum(entry.due_yen + entry.carried_out_yen - entry.carried_in_yen for entry in invoices)
    if not statements == invoiced == moved:
        message = f"statements {statements}, invoices {invoiced}, transfer {moved} differ; nothing was closed"
        raise CycleError(cycle, "taxi.sums_differ", message)


def _carried(database: PluginDatabase, month: str) -> dict[str, int]:
    """Operator → what the last closed month carried on."""
    own = {"m": database.municipality}
    before = select(func.max(months.c.cycle)).where(months.c.municipality == M, months.c.cycle < month)
    last = database.execute(before, own).scalar()
    query = select(invoice.c.operator_id, invoice.c.carried_out_yen).where(
        invoice.c.municipality == M, invoice.c.cycle == bindparam("last"), invoice.c.carried_out_yen < 0
    )
    return {row[0]: row[1] for row in fetch(database, query, last=last or "")}


def read_month(database: PluginDatabase, month: str) -> ClosedMonth:
    """A closed month; `CycleError` when it is not closed."""
    own = {"m": database.municipality, "cycle": month}
    query = select(months.c.rides, months.c.subsidy_yen).where(
        months.c.municipality == M, months.c.cycle == bindparam("cycle"), months.c.state == "closed"
    )
    found = database.execute(query, own).first()
    if found is None:
        raise CycleError(month, "taxi.month_open", "it is not closed")
    columns = [invoice.c[name] for name in Invoice.__slots__]
    rows = select(*columns).where(invoice.c.municipality == M, invoice.c.cycle == bindparam("cycle"))
    entries = fetch(database, rows.order_by(invoice.c.operator_id), cycle=month)
    return ClosedMonth(month, found.rides, found.subsidy_yen, tuple(Invoice(*entry) for entry in entries))


def last_closed(database: PluginDatabase) -> Cycle | None:
    """The latest month that is closed."""
    query = select(func.max(months.c.cycle)).where(months.c.municipality == M, months.c.state == "closed")
    month = database.execute(query, {"m": database.municipality}).scalar()
    return None if month is None else parse_cycle(month)
