"""The register of riders, registrations, cards, operators and terminals, and counts of uses; in one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import BigInteger, bindparam, func, insert, select, type_coerce, update

from mykey_core.api import PluginDatabase
from mykey_taxi.rules.civil import DAY, day_start
from mykey_taxi.rules.ledger import Membership
from mykey_taxi.rules.ledger import membership as span_of
from mykey_taxi.rules.ride import picked
from mykey_taxi.tables import (
    card,
    correction,
    cycle,
    operator,
    registration,
    ride,
    ride_rider,
    rider,
    settlement,
    statement,
    terminal,
    year_use,
)

M: Final[Any] = bindparam("m")


def fetch(database: PluginDatabase, query: Any, **values: object) -> list[Any]:
    """All rows of a query whose parameter `m` is the municipality."""
    return list(database.execute(query, {"m": database.municipality, **values}))


@dataclass(frozen=True, slots=True)
class Operator:
    """A taxi company and its account; `payee` is written as the bank takes it, corporate form included (ZG-6)."""

    operator_id: str
    name: str
    payee: str
    bank: str
    branch: str
    account_type: int
    account: str
    customer_code: str = "0"


@dataclass(frozen=True, slots=True)
class Cab:
    """A terminal (its alias for this plugin), whose operator it belongs to, and in which vehicle it is."""

    terminal: str
    operator_id: str
    vehicle: str


@dataclass(frozen=True, slots=True)
class RegisteredCard:
    """A card with the plugin's slot; `state` is active, suspended or deleted."""

    card: str
    rider_id: str
    state: str
    last_tmc: int | None


class Register:
    """Reads and writes the register of one municipality; nothing is committed here."""

    def __init__(self, database: PluginDatabase) -> None:
        self._database = database
        self._own = {"municipality": database.municipality}

    def _rows(self, query: Any, **values: object) -> list[Any]:
        return fetch(self._database, query, **values)

    # -- riders -------------------------------------------------------------------------------------------------

    def rider_of(self, subject: str) -> str | None:
        """The rider id of a pairwise id, or None."""
        query = select(rider.c.rider_id).where(rider.c.municipality == M, rider.c.subject == bindparam("subject"))
        return next((row.rider_id for row in self._rows(query, subject=subject)), None)

    def enrol(self, subject: str, at: datetime) -> str:
        """The rider id of a person, made when there is none."""
        known = self.rider_of(subject)
        if known is not None:
            return known
        rider_id = f"r-{uuid4().hex[:24]}"
        values = {**self._own, "rider_id": rider_id, "subject": subject, "registered_at": at}
        self._database.execute(insert(rider), values)
        return rider_id

    def add_registration(
        self, rider_id: str, first: date, last: date | None, *, ground: str, pack_hash: str, at: datetime
    ) -> None:
        """A span of days, both included, in which the rider is registered; the same first day again changes nothing."""
        known = select(registration.c.first_day).where(
            registration.c.municipality == M,
            registration.c.rider_id == bindparam("rider_id"),
            registration.c.first_day == bindparam("first"),
        )
        if self._rows(known, rider_id=rider_id, first=first):
            return
        facts = {"ground": ground, "pack_hash": pack_hash, "registered_at": at}
        values = {**self._own, "rider_id": rider_id, "first_day": first, "last_day": last, **facts}
        self._database.execute(insert(registration), values)

    def end_registrations(self, rider_id: str, last: date) -> None:
        """End what is open or longer: `last` is the last day of every registration of the rider."""
        ends = registration.c.last_day
        query = update(registration).where(
            registration.c.municipality == M,
            registration.c.rider_id == bindparam("r"),
            (ends.is_(None)) | (ends > bindparam("until")),
        )
        values = {"m": self._database.municipality, "r": rider_id, "until": last}
        self._database.execute(query.values(last_day=last), values)

    def members(self, riders: Iterable[str] | None = None) -> dict[str, Membership]:
        """The registrations of some riders, or of all."""
        query = select(registration.c.rider_id, registration.c.first_day, registration.c.last_day).where(
            registration.c.municipality == M
        )
        if riders is not None:
            query = query.where(registration.c.rider_id.in_(list(riders)))
        members: dict[str, Membership] = {}
        single: dict[tuple[date, date | None], Membership] = {}  # of riders with the same days, kept once
        for rider_id, first, last in self._rows(query.order_by(registration.c.first_day)):
            known = members.get(rider_id)
            if known is None:
                members[rider_id] = single.get((first, last)) or single.setdefault((first, last), span_of(first, last))
            else:
                members[rider_id] = known.with_span(span_of(first, last).spans[0])
        return members

    # -- cards --------------------------------------------------------------------------------------------------

    def card(self, alias: str) -> RegisteredCard | None:
        """The card with this alias."""
        columns = (card.c.card, card.c.rider_id, card.c.state, card.c.last_tmc)
        query = select(*columns).where(card.c.municipality == M, card.c.card == bindparam("card"))
        return next((RegisteredCard(*row) for row in self._rows(query, card=alias)), None)

    def put_card(self, alias: str, rider_id: str, state: str, at: datetime) -> None:
        """Add a card, or change its state; its transaction counter stays."""
        if self.card(alias) is None:
            values = {**self._own, "card": alias, "rider_id": rider_id, "state": state, "since": at}
            self._database.execute(insert(card), values)
            return
        query = update(card).where(card.c.municipality == M, card.c.card == bindparam("c"))
        own = {"m": self._database.municipality, "c": alias}
        self._database.execute(query.values(rider_id=rider_id, state=state, since=at), own)

    def note_counter(self, alias: str, tmc: int) -> None:
        """Keep the highest transaction counter that was seen of a card."""
        query = update(card).where(
            card.c.municipality == M,
            card.c.card == bindparam("c"),
            (card.c.last_tmc.is_(None)) | (card.c.last_tmc < bindparam("tmc")),
        )
        self._database.execute(query.values(last_tmc=tmc), {"m": self._database.municipality, "c": alias, "tmc": tmc})

    def denied_cards(self) -> list[str]:
        """The aliases of cards that terminals must refuse."""
        query = select(card.c.card).where(card.c.municipality == M, card.c.state != "active").order_by(card.c.card)
        return [row.card for row in self._rows(query)]

    # -- operators ----------------------------------------------------------------------------------------------

    def put_operator(self, entry: Operator) -> None:
        """Add an operator, or change its name and account."""
        values = {name: getattr(entry, name) for name in Operator.__slots__ if name != "operator_id"}
        own = {"m": self._database.municipality, "o": entry.operator_id}
        query = update(operator).where(operator.c.municipality == M, operator.c.operator_id == bindparam("o"))
        if self._database.execute(query.values(**values), own).rowcount == 0:
            self._database.execute(insert(operator), {**self._own, "operator_id": entry.operator_id, **values})

    def operators(self) -> dict[str, Operator]:
        """All operators by id."""
        columns = [getattr(operator.c, name) for name in Operator.__slots__]
        query = select(*columns).where(operator.c.municipality == M).order_by(operator.c.operator_id)
        return {row.operator_id: Operator(*row) for row in self._rows(query)}

    def put_cab(self, cab: Cab) -> None:
        """Say in which vehicle of which operator a terminal is."""
        values = {"operator_id": cab.operator_id, "vehicle": cab.vehicle}
        query = update(terminal).where(terminal.c.municipality == M, terminal.c.terminal == bindparam("t"))
        own = {"m": self._database.municipality, "t": cab.terminal}
        if self._database.execute(query.values(**values), own).rowcount == 0:
            self._database.execute(insert(terminal), {**self._own, "terminal": cab.terminal, **values})

    def cab(self, alias: str) -> Cab | None:
        """The terminal with this alias, or None."""
        columns = (terminal.c.terminal, terminal.c.operator_id, terminal.c.vehicle)
        query = select(*columns).where(terminal.c.municipality == M, terminal.c.terminal == bindparam("t"))
        return next((Cab(*row) for row in self._rows(query, t=alias)), None)


class Uses:
    """How often riders have ridden, from what was decided before (TX-L1, TX-L2); what was taken back is given back.

    `before` leaves out the rides of that month and later ones: the month under settlement counts them itself. What is
    taken back in that month counts already.
    """

    def __init__(self, database: PluginDatabase, *, before: str | None = None) -> None:
        self._database = database
        self._before = before

    def on(self, day: int, riders: Iterable[str] | None = None) -> dict[str, int]:
        """Rider → rides on the day with this ordinal."""
        start = day_start(date.fromordinal(day))
        counts = self._counted(start, start + DAY, riders, rides=True)
        return self._given_back(counts, start, start + DAY, riders, rides=True)

    def within(self, year: int, riders: list[str] | None = None) -> dict[str, int]:
        """Rider → uses in a fiscal year, of closed months."""
        total = func.sum(year_use.c.uses)
        query = select(year_use.c.rider_id, total).where(year_use.c.municipality == M, year_use.c.year == year)
        if self._before is not None:
            query = query.where(year_use.c.cycle < self._before)
        if riders is not None:
            query = query.where(year_use.c.rider_id.in_(riders))
        rows = fetch(self._database, query.group_by(year_use.c.rider_id))
        return {row[0]: int(row[1]) for row in rows}

    def open_within(self, start: date, end: date, riders: list[str]) -> dict[str, int]:
        """Rider → uses of rides boarded from `start` to before `end`, and of corrections, in months not closed."""
        closed = select(cycle.c.cycle).where(cycle.c.municipality == M, cycle.c.state == "closed")
        span = (day_start(start), day_start(end))
        counts = self._counted(*span, riders, ride.c.cycle.not_in(closed))
        return self._given_back(counts, *span, riders, correction.c.cycle.not_in(closed))

    def _counted(
        self, start: int, end: int, riders: Iterable[str] | None, *conditions: Any, rides: bool = False
    ) -> dict[str, int]:
        at = type_coerce(ride_rider.c.board_at if riders is not None else ride.c.board_at, BigInteger)
        query = (
            select(ride.c.riders, settlement.c.counted, settlement.c.units)
            .join(
                settlement,
                (settlement.c.municipality == ride.c.municipality) & (settlement.c.ride_id == ride.c.ride_id),
            )
            .where(ride.c.municipality == M, settlement.c.municipality == M, settlement.c.counted > 0)
            .where(ride.c.cycle.is_not(None))
            .where(at >= start, at < end, *conditions)
        )
        if riders is not None:
            own = list(riders)
            query = query.join(
                ride_rider,
                (ride_rider.c.municipality == ride.c.municipality) & (ride_rider.c.ride_id == ride.c.ride_id),
            ).where(ride_rider.c.municipality == M, ride_rider.c.rider_id.in_(own))
            query = query.distinct().add_columns(ride.c.ride_id)
        if self._before is not None:
            query = query.where(ride.c.cycle < self._before)
        counts: dict[str, int] = {}
        for row in fetch(self._database, query):
            for name, used in used_units(row[0], row[1], None if rides else row[2]):
                counts[name] = counts.get(name, 0) + used
        return counts

    def _given_back(
        self,
        counts: dict[str, int],
        start: int,
        end: int,
        riders: Iterable[str] | None,
        *conditions: Any,
        rides: bool = False,
    ) -> dict[str, int]:
        """`counts` with the uses (or rides) of corrections of rides that were boarded from `start` to before `end`."""
        at = type_coerce(ride.c.board_at, BigInteger)
        query = (
            select(correction.c.uses)
            .join(ride, (ride.c.municipality == correction.c.municipality) & (ride.c.ride_id == correction.c.ride_id))
            .where(correction.c.municipality == M, ride.c.municipality == M, at >= start, at < end, *conditions)
        )
        if self._before is not None:
            query = query.where(correction.c.cycle <= self._before)
        asked = None if riders is None else set(riders)
        for row in fetch(self._database, query):
            for name, uses in json.loads(row.uses).items():
                if asked is None or name in asked:
                    counts[name] = counts.get(name, 0) + (_sign(uses) if rides else uses)
        return counts


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def spans_of_earlier_months(database: PluginDatabase, day: int, *, before: str) -> dict[str, list[tuple[int, int]]]:
    """Rider → (boarding, alighting) of the rides of months before `before` that were not over when a day began.

    A late ride is compared with them (TX-L7); rides of more than a day are not known.
    """
    start = day_start(date.fromordinal(day))
    board, alight = (type_coerce(column, BigInteger) for column in (ride.c.board_at, ride.c.alight_at))
    query = select(ride.c.riders, board.label("board"), alight.label("alight")).where(
        ride.c.municipality == M, ride.c.cycle < before, board >= start - DAY, board < start + DAY, alight > start
    )
    spans: dict[str, list[tuple[int, int]]] = {}
    for row in fetch(database, query):
        for name in row.riders.split(" "):
            spans.setdefault(name, []).append((row.board, row.alight))
    return spans


def used_units(riders: str, counted: int, units: str | None) -> list[tuple[str, int]]:
    """(rider, uses) of a stored verdict: vouchers where there are any, else one ride each."""
    names = picked(tuple(riders.split(" ")), counted)
    each = [int(unit) for unit in units.split(" ")] if units else [1] * len(names)
    return list(zip(names, each, strict=True))


def statement_totals(database: PluginDatabase, rider_id: str) -> Mapping[str, tuple[int, int]]:
    """Month → (rides, yen) of the closed months of a rider."""
    query = (
        select(statement.c.cycle, statement.c.rides, statement.c.subsidy_yen)
        .where(statement.c.municipality == M, statement.c.rider_id == bindparam("r"))
        .order_by(statement.c.cycle)
    )
    return {row[0]: (row[1], row[2]) for row in fetch(database, query, r=rider_id)}
