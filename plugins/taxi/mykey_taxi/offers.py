"""Rides at a terminal with a network: a fare is reckoned and shown first (an offer), and settled by a second act.

Online rides and vouchers share the row of an offer; what a terminal asks stands in `online`, vouchers in `vouchers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import bindparam, func, insert, select, update

from mykey_core.api import PluginDatabase
from mykey_taxi.errors import OfferError
from mykey_taxi.intake import Arrival, Receipt, ledger_at, take
from mykey_taxi.offline import POINT
from mykey_taxi.register import Cab, M, Register, fetch
from mykey_taxi.rules.civil import microseconds
from mykey_taxi.rules.judge import judge
from mykey_taxi.rules.packs import PackSeries
from mykey_taxi.rules.ride import Ride, Verdict
from mykey_taxi.tables import offer, ride, rider, terminal
from mykey_taxi.upload.record import read_record

OFFER_LIFE: Final = timedelta(minutes=10)
"""How long an offer may be confirmed: longer than paying takes, shorter than the next ride."""


@dataclass(frozen=True, slots=True)
class Trip:
    """What the driver typed: yen, zones of the pack, and when the rider boarded and alighted (UTC)."""

    meter_yen: int
    discount_yen: int
    board_zone: str
    alight_zone: str
    board_at: datetime
    alight_at: datetime

    @classmethod
    def typed(cls, values: Mapping[str, str], at: datetime) -> Trip:
        """From the fields of an action; the ride ends now and began `minutes` ago."""
        board = at - timedelta(minutes=int(values.get("minutes") or 0))
        zones = (values.get("board_zone") or "inside", values.get("alight_zone") or "inside")
        return cls(int(values["meter_yen"]), int(values.get("discount_yen") or 0), *zones, board, at)

    def ride(self, riders: tuple[str, ...]) -> Ride:
        """The facts that are judged; riders in the order of their taps."""
        times = (microseconds(self.board_at), microseconds(self.alight_at))
        zones = (self.board_zone, self.alight_zone)
        return Ride(*times, *zones, self.meter_yen, self.discount_yen, riders, online=True)

    @property
    def columns(self) -> dict[str, Any]:
        """As columns of an offer."""
        return {name: getattr(self, name) for name in self.__slots__}


def riders_of(row: Any) -> tuple[str, ...]:
    """Who rides on an offer, in tap order."""
    return tuple(row.riders.split(" ")) if row.riders else (row.rider_id,)


class Offers:
    """The offers of one municipality, in one transaction."""

    def __init__(self, packs: PackSeries, database: PluginDatabase) -> None:
        self._packs = packs
        self._database = database
        self._own = {"m": database.municipality}

    def cab(self, point: str) -> Cab:
        """The cab that a service point stands for; `OfferError` when it is none."""
        found = Register(self._database).cab(POINT + point)
        if found is None:
            raise OfferError("cab_unknown")
        return found

    def price(self, riders: tuple[str, ...], trip: Trip) -> Verdict:
        """What the ride would cost now; `OfferError` with the reason when it would not be subsidised."""
        facts = trip.ride(riders)
        verdict = judge(self._packs, ledger_at(self._database, self._packs, facts), facts)
        if verdict.reason is not None:
            raise OfferError(verdict.reason)
        return verdict

    def add(self, offer_id: str, kind: str, state: str, rider_id: str, *, made: datetime, life: timedelta) -> None:
        """Keep a new offer."""
        own = {"municipality": self._database.municipality, "offer_id": offer_id, "kind": kind, "state": state}
        values = {**own, "rider_id": rider_id, "made_at": made, "expires_at": made + life}
        self._database.execute(insert(offer), values)

    def move(self, offer_id: str, before: str, after: str, **columns: Any) -> bool:
        """Change the state if it still is `before`: of two at the same time, one is True."""
        mine = (offer.c.municipality == M, offer.c.offer_id == bindparam("o"), offer.c.state == bindparam("was"))
        query = update(offer).where(*mine).values(state=after, **columns)
        return bool(self._database.execute(query, {**self._own, "o": offer_id, "was": before}).rowcount)

    def get(self, offer_id: str) -> Any:
        """The row of an offer, or None."""
        query = select(offer).where(offer.c.municipality == M, offer.c.offer_id == bindparam("o"))
        return next(iter(fetch(self._database, query, o=offer_id)), None)

    def newest(self, rider_id: str, point: str) -> Any:
        """The offer that a rider was shown last at a service point, or None."""
        query = select(offer).where(
            offer.c.municipality == M,
            offer.c.kind == "online",
            offer.c.rider_id == bindparam("r"),
            offer.c.point == bindparam("p"),
        )
        rows = fetch(self._database, query.order_by(offer.c.made_at.desc()).limit(1), r=rider_id, p=point)
        return rows[0] if rows else None

    def board(self, rider_id: str, point: str, at: datetime) -> int:
        """Somebody will ride together with whoever confirms at this point; how many do, the same person once."""
        together = self.aboard(point, at)
        if rider_id not in together:
            offer_id = uuid4().hex
            self.add(offer_id, "aboard", "reserved", rider_id, made=at, life=OFFER_LIFE)
            self.move(offer_id, "reserved", "issued", point=point)
            together += (rider_id,)
        return len(together)

    def aboard(self, point: str, at: datetime) -> tuple[str, ...]:
        """Who has joined a ride at this point within the last minutes, in the order of their taps."""
        rows = fetch(self._database, select(offer).where(*self._joined()).order_by(offer.c.made_at), p=point)
        return tuple(row.rider_id for row in rows if row.expires_at > at)

    def clear(self, point: str, after: str = "refused") -> None:
        """Nobody rides together at this point any more."""
        self._database.execute(update(offer).where(*self._joined()).values(state=after), {**self._own, "p": point})

    @staticmethod
    def _joined() -> tuple[Any, ...]:
        here = offer.c.point == bindparam("p")
        return offer.c.municipality == M, offer.c.kind == "aboard", offer.c.state == "issued", here

    def reserved(self, rider_id: str | None = None) -> list[Any]:
        """Vouchers that wait for the second step, oldest first; of one rider, or of all."""
        query = select(offer).where(offer.c.municipality == M, offer.c.state == "reserved", offer.c.kind == "voucher")
        if rider_id is not None:
            query = query.where(offer.c.rider_id == rider_id)
        return fetch(self._database, query.order_by(offer.c.made_at))

    def settle(self, row: Any, at: datetime) -> Receipt | None:
        """Make a reserved offer a ride; None when somebody else was first, `OfferError` when it is refused now.

        The riders are locked, so that two rides at once cannot both be the last of the day.
        """
        cab, riders = self.cab(row.point), riders_of(row)
        self._lock(riders, cab)
        if self.get(row.offer_id).state != "reserved":
            return None
        cost = self.price(riders, Trip(*(getattr(row, name) for name in Trip.__slots__)))
        if cost.subsidy_yen != row.subsidy_yen:
            raise OfferError("offer_changed")
        if not self.move(row.offer_id, "reserved", "settled"):
            return None
        self.clear(row.point, "settled")
        name = POINT + row.point
        arrival = Arrival(name, cab.operator_id, at)
        return take(self._database, self._packs, read_record(self._record(row, name)), arrival)

    # -- inside -------------------------------------------------------------------------------------------------

    def _lock(self, riders: tuple[str, ...], cab: Cab) -> None:
        mine = select(rider.c.rider_id).where(rider.c.municipality == M, rider.c.rider_id.in_(riders))
        fetch(self._database, mine.order_by(rider.c.rider_id).with_for_update())
        query = select(terminal.c.terminal).where(terminal.c.municipality == M, terminal.c.terminal == bindparam("t"))
        fetch(self._database, query.with_for_update(), t=cab.terminal)

    def _record(self, row: Any, name: str) -> dict[str, Any]:
        last = select(func.max(ride.c.seq).label("n")).where(
            ride.c.municipality == M, ride.c.terminal == bindparam("t")
        )
        return {
            "terminal_id": name,
            "seq": (fetch(self._database, last, t=name)[0].n or 0) + 1,
            "ride_id": row.offer_id,
            "board_ts": row.board_at.isoformat(),
            "alight_ts": row.alight_at.isoformat(),
            "board_zone": row.board_zone,
            "alight_zone": row.alight_zone,
            "meter_yen": row.meter_yen,
            "operator_discount_yen": row.discount_yen,
            "riders": list(riders_of(row)),
            "mode": "online",
            "rule_pack_hash": row.pack_hash,
            "subsidy_yen": row.subsidy_yen,
            "cash_yen": row.cash_yen,
        }
