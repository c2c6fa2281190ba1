"""Rides that wait for a person: why, and what the clerk decides. A decision is audited and final.

A ride waits when a card's proof is wrong, a counter was seen before, the card was reported lost, or the clock of the
terminal cannot be right. Nobody is paid for it until it is accepted; the first month still open then has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, bindparam, select, type_coerce, update

from mykey_core.api import PluginDatabase
from mykey_taxi.intake import open_cycle
from mykey_taxi.register import M, fetch
from mykey_taxi.rules.civil import instant
from mykey_taxi.rules.ride import Flag, Ride
from mykey_taxi.settlement.reading import BOARD, WITH_VERDICT
from mykey_taxi.tables import ride, settlement

REFUSED: Final = "rejected_by_staff"
"""The reason of a ride that the clerk did not accept: it never gets a month."""
_ROWS: Final = (
    select(
        ride,
        BOARD.label("board"),
        type_coerce(ride.c.alight_at, BigInteger).label("alight"),
        settlement.c.reason,
        settlement.c.subsidy_yen,
        settlement.c.flags.label("all_flags"),
    )
    .join(settlement, WITH_VERDICT)
    .where(ride.c.municipality == M, settlement.c.municipality == M)
)


@dataclass(frozen=True, slots=True)
class HeldRide:
    """One ride for the clerk. `reason` is why it would be rejected anyway, None where it would be paid."""

    ride_id: str
    operator_id: str
    board_at: datetime
    fare_yen: int
    subsidy_yen: int
    riders: int
    flags: tuple[str, ...]
    reason: str | None


def held(database: PluginDatabase) -> list[HeldRide]:
    """Rides that wait, oldest first."""
    open_ones = (settlement.c.reason.is_(None)) | (settlement.c.reason != REFUSED)
    query = _ROWS.where(ride.c.cycle.is_(None), open_ones).order_by(ride.c.board_at, ride.c.ride_id)
    return [_shown(row) for row in fetch(database, query)]


def flagged(database: PluginDatabase, limit: int = 200) -> list[HeldRide]:
    """Rides with a month that a clerk should see, newest first."""
    query = _ROWS.where(ride.c.cycle.is_not(None), settlement.c.flags != 0)
    return [_shown(row) for row in fetch(database, query.order_by(ride.c.board_at.desc()).limit(limit))]


def accept(database: PluginDatabase, ride_id: str, at: datetime) -> str | None:
    """Give a held ride its month; None when it does not wait."""
    row = _waiting(database, ride_id)
    if row is None:
        return None
    facts = Ride(
        row.board, row.alight, row.board_zone, row.alight_zone, row.meter_yen, row.discount_yen,
        tuple(row.riders.split(" ")), bool(row.online),
    )  # fmt: skip
    month, _ = open_cycle(database, facts, at)
    mine = (ride.c.municipality == M, ride.c.ride_id == bindparam("r"), ride.c.cycle.is_(None))
    own = {"m": database.municipality, "r": ride_id}
    database.execute(update(ride).where(*mine).values(cycle=month), own)
    return month


def refuse(database: PluginDatabase, ride_id: str) -> bool:
    """Leave a held ride unpaid for ever; False when it does not wait."""
    row = _waiting(database, ride_id)
    if row is None:
        return False
    mine = (settlement.c.municipality == M, settlement.c.ride_id == bindparam("r"))
    values = {
        "reason": REFUSED,
        "subsidy_yen": 0,
        "cash_yen": row.meter_yen - row.discount_yen,
        "counted": 0,
        "over": 0,
    }
    database.execute(update(settlement).where(*mine).values(**values), {"m": database.municipality, "r": ride_id})
    return True


def _waiting(database: PluginDatabase, ride_id: str) -> Any:
    query = _ROWS.where(ride.c.ride_id == bindparam("r"), ride.c.cycle.is_(None))
    found = fetch(database, query, r=ride_id)
    return None if not found or found[0].reason == REFUSED else found[0]


def _shown(row: Any) -> HeldRide:
    fare = row.meter_yen - row.discount_yen
    riders = len(row.riders.split(" ")) if row.riders else 0
    names = Flag(row.all_flags).names
    return HeldRide(row.ride_id, row.operator_id, instant(row.board), fare, row.subsidy_yen, riders, names, row.reason)
