"""Taking in one uploaded ride: stored once, judged at once, assigned to a month. The verdict is final at the close.

The hub has checked signature, chain, sequence and clock before (`mykey_core.uploads`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, insert, select

from mykey_core.api import PluginDatabase
from mykey_taxi.errors import UploadError
from mykey_taxi.register import M, Register, Uses
from mykey_taxi.rules.civil import day_of, instant
from mykey_taxi.rules.judge import judge
from mykey_taxi.rules.ledger import Ledger
from mykey_taxi.rules.packs import PackSeries
from mykey_taxi.rules.ride import Flag, Ride, Verdict
from mykey_taxi.settlement.cycle import cycle_of
from mykey_taxi.tables import cycle, operator, ride, ride_rider, settlement
from mykey_taxi.upload.record import RideRecord

_OVER_LIMIT, _AMOUNT_DIFFERS, _PACK_DIFFERS = map(int, (Flag.OVER_LIMIT, Flag.AMOUNT_DIFFERS, Flag.PACK_DIFFERS))


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a record came in: by which terminal of which operator, when, and what was found on the way.

    `skew` is what the terminal's clock was ahead; it is subtracted from the record's times. `held` keeps the ride out
    of every month until a person has decided.
    """

    terminal: str
    operator_id: str
    received_at: datetime
    skew: timedelta = timedelta(0)
    flags: Flag = Flag.NONE
    held: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the terminal gets: the month, and the server's amounts. `new` is False for a ride that was known."""

    ride_id: str
    cycle: str | None
    adjustment: bool
    status: str
    reason: str | None
    subsidy_yen: int
    cash_yen: int
    flags: tuple[str, ...]
    new: bool

    def as_json(self) -> dict[str, Any]:
        """As JSON values, the same for every repetition."""
        values = {name: getattr(self, name) for name in self.__slots__ if name != "new"}
        return {**values, "flags": list(self.flags)}


def take(database: PluginDatabase, packs: PackSeries, record: RideRecord, arrival: Arrival) -> Receipt:
    """Store a ride and judge it; a ride id that is known answers as before, `UploadError` if its content is another."""
    facts = record.ride(arrival.skew)
    known = _known(database, record)
    if known is not None:
        return _again(record, arrival, facts, known)
    _check_sequence(database, record, arrival)
    month, late = (None, False) if arrival.held else open_cycle(database, facts, arrival.received_at)
    verdict = judge(packs, ledger_at(database, packs, facts), facts)
    told = (record.rule_pack_hash, record.subsidy_yen, record.cash_yen)
    flags = arrival.flags | Flag(report_flags(verdict, *told))
    database.execute(insert(ride), _ride_row(database, record, arrival, facts, month))
    riders = [{"rider_id": name, "position": position} for position, name in enumerate(facts.riders)]
    own = {"municipality": database.municipality, "ride_id": record.ride_id, "board_at": instant(facts.board)}
    database.execute_many(insert(ride_rider), [{**own, **row} for row in riders])
    stored = {"municipality": database.municipality, "ride_id": record.ride_id}
    database.execute(insert(settlement), {**stored, **verdict_row(verdict, flags)})
    return _receipt(record.ride_id, month, verdict, flags, late=late, new=True)


def _check_sequence(database: PluginDatabase, record: RideRecord, arrival: Arrival) -> None:
    """`UploadError` where another ride of the terminal has this number, as after a copy of its disk (TX-U2)."""
    query = select(ride.c.ride_id).where(
        ride.c.municipality == M, ride.c.terminal == bindparam("t"), ride.c.seq == bindparam("s")
    )
    if database.execute(query, {"m": database.municipality, "t": arrival.terminal, "s": record.seq}).first():
        message = "another ride of this terminal has this number; the first one stays"
        raise UploadError(arrival.terminal, record.seq, "taxi.sequence_reused", message)


def open_cycle(database: PluginDatabase, facts: Ride, received: datetime) -> tuple[str, bool]:
    """The month that a ride belongs to (TX-M1); never one whose close has begun."""
    hold_months(database, closing=False)
    month, late = cycle_of(instant(facts.board), received)
    query = select(cycle.c.state).where(cycle.c.municipality == M, cycle.c.cycle == bindparam("cycle"))
    while database.execute(query, {"m": database.municipality, "cycle": str(month)}).first() is not None:
        month, late = month.following, True
    return str(month), late


def hold_months(database: PluginDatabase, *, closing: bool) -> None:
    """Until the commit, no close begins (of an upload) or no ride gets a month (of a close, which waits for uploads).

    The row of the first operator stands for the months, since the row of a month that is not closing does not exist.
    Without this, a ride that is committed while its month closes would be in that month and paid by none.
    """
    query = select(operator.c.operator_id).where(operator.c.municipality == M).order_by(operator.c.operator_id).limit(1)
    database.execute(query.with_for_update(read=not closing), {"m": database.municipality}).first()


def ledger_at(database: PluginDatabase, packs: PackSeries, facts: Ride) -> Ledger:
    """What is known of the riders of a ride at its boarding, for a verdict before the close."""
    riders = list(facts.riders)
    members = Register(database).members(riders)
    uses = Uses(database)
    month, day = packs.rules(day_of(facts.board)).pack.programme.year_start

    def uses_in(year: int) -> Mapping[str, int]:
        counts = uses.within(year, riders)
        for name, count in uses.open_within(date(year, month, day), date(year + 1, month, day), riders).items():
            counts[name] = counts.get(name, 0) + count
        return counts

    return Ledger(members.get, uses_on=lambda on: uses.on(on, riders), uses_in=uses_in)


def report_flags(verdict: Verdict, pack_hash: str, subsidy: int, cash: int) -> int:
    """Where the terminal's computation differs from the server's, whose value is settled (TX-P2); bits of `Flag`."""
    flags = _OVER_LIMIT if verdict.over else 0
    if subsidy != verdict.subsidy_yen or cash != verdict.cash_yen:
        flags |= _AMOUNT_DIFFERS
    if pack_hash and pack_hash != verdict.pack_hash:
        flags |= _PACK_DIFFERS
    return flags


def vouchers_text(units: tuple[int, ...]) -> str:
    """The vouchers of each counted rider as they are stored."""
    return " ".join(map(str, units))


def verdict_row(verdict: Verdict, flags: int) -> dict[str, Any]:
    """The columns of a verdict."""
    reason, subsidy, cash, counted, over, units, pack_hash = verdict
    return {
        "reason": reason,
        "subsidy_yen": subsidy,
        "cash_yen": cash,
        "counted": counted,
        "over": over,
        "units": None if units is None else vouchers_text(units),
        "flags": int(flags),
        "pack_hash": pack_hash,
    }


def _ride_row(
    database: PluginDatabase, record: RideRecord, arrival: Arrival, facts: Ride, month: str | None
) -> dict[str, Any]:
    return {
        "municipality": database.municipality,
        "ride_id": record.ride_id,
        "terminal": arrival.terminal,
        "seq": record.seq,
        "operator_id": arrival.operator_id,
        "board_at": instant(facts.board),
        "alight_at": instant(facts.alight),
        "board_zone": facts.board_zone,
        "alight_zone": facts.alight_zone,
        "meter_yen": facts.meter_yen,
        "discount_yen": facts.discount_yen,
        "riders": " ".join(facts.riders),
        "online": int(facts.online),
        "reported_pack": record.rule_pack_hash,
        "reported_subsidy": record.subsidy_yen,
        "reported_cash": record.cash_yen,
        "flags": int(arrival.flags),
        "received_at": arrival.received_at,
        "cycle": month,
    }


def _known(database: PluginDatabase, record: RideRecord) -> Any:
    query = (
        select(ride, settlement)
        .join(settlement, (settlement.c.municipality == ride.c.municipality) & (settlement.c.ride_id == ride.c.ride_id))
        .where(ride.c.municipality == M, settlement.c.municipality == M, ride.c.ride_id == bindparam("ride_id"))
    )
    found = database.execute(query, {"m": database.municipality, "ride_id": record.ride_id}).first()
    return None if found is None else found._mapping  # noqa: SLF001 - SQLAlchemy's public name for it


def _again(record: RideRecord, arrival: Arrival, facts: Ride, known: Any) -> Receipt:
    told = (arrival.terminal, record.seq, facts.meter_yen, facts.discount_yen, " ".join(facts.riders))
    stored = tuple(known[column] for column in (ride.c.terminal, ride.c.seq, ride.c.meter_yen, ride.c.discount_yen))
    if told != (*stored, known[ride.c.riders]):
        message = "this ride id is known with other content (TX-U1); the first one stays"
        raise UploadError(arrival.terminal, record.seq, "taxi.ride_contradicts", message)
    names = (settlement.c.reason, settlement.c.subsidy_yen, settlement.c.cash_yen)
    verdict = Verdict(*(known[column] for column in names))
    month = known[ride.c.cycle]
    own = cycle_of(known[ride.c.board_at], known[ride.c.board_at])[0]
    late = month is not None and month != str(own)
    return _receipt(record.ride_id, month, verdict, Flag(known[settlement.c.flags]), late=late, new=False)


def _receipt(ride_id: str, month: str | None, verdict: Verdict, flags: Flag, *, late: bool, new: bool) -> Receipt:
    status = "held" if month is None else "settled" if verdict.settled else "rejected"
    amounts = (verdict.subsidy_yen, verdict.cash_yen)
    return Receipt(ride_id, month, late, status, verdict.reason, *amounts, flags.names, new)
