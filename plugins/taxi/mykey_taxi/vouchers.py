"""Vouchers for the day when a card cannot be read: one code, one ride, two persons.

The rider or the counter has a code made; the driver reserves it with the fare; the rider or a clerk approves, and only
then is it a ride. The code is kept as SHA-256 only.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any, Final

from mykey_core.api import PluginDatabase
from mykey_taxi.account import account_of
from mykey_taxi.errors import OfferError
from mykey_taxi.intake import Receipt
from mykey_taxi.offers import Offers, Trip
from mykey_taxi.rules.packs import PackSeries

LIFE: Final = timedelta(hours=24)
"""From the issue to the cab."""
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: nothing that is read as something else."""
_LENGTH: Final = 20  # 100 bits


class Vouchers:
    """The vouchers of one municipality, in one transaction."""

    def __init__(self, packs: PackSeries, database: PluginDatabase) -> None:
        self._packs = packs
        self._database = database
        self._offers = Offers(packs, database)

    def issue(self, rider_id: str, at: datetime) -> str:
        """A new code, to be shown once; `OfferError` for whoever is not registered or has no use left."""
        account = account_of(self._packs, self._database, rider_id, at)
        if not account.registered:
            raise OfferError("not_registered")
        if account.left_this_year == 0:
            raise OfferError("yearly_limit")
        code = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
        self._offers.add(_hashed(code), "voucher", "issued", rider_id, made=at, life=LIFE)
        return code

    def reserve(self, code: str, point: str, trip: Trip, at: datetime) -> Any:
        """Step one, by the driver: the row with the fare and what it costs. The same cab and fare again: the same row.

        `OfferError` for a code that is unknown here, expired, or used.
        """
        row = self._offers.get(_hashed(code))
        self._offers.cab(point)
        if row is None or row.kind != "voucher":
            raise OfferError("voucher_unknown")
        if row.state == "reserved" and (row.point, row.meter_yen, row.discount_yen) == (
            point, trip.meter_yen, trip.discount_yen
        ):  # fmt: skip
            return row
        if row.state != "issued":
            raise OfferError("voucher_used")
        if at >= row.expires_at:
            raise OfferError("voucher_expired")
        cost = self._offers.price((row.rider_id,), trip)
        amounts = {"subsidy_yen": cost.subsidy_yen, "cash_yen": cost.cash_yen, "pack_hash": cost.pack_hash}
        if not self._offers.move(row.offer_id, "issued", "reserved", point=point, **trip.columns, **amounts):
            raise OfferError("voucher_used")
        return self._offers.get(row.offer_id)

    def approve(self, offer_id: str, at: datetime, *, rider_id: str | None = None) -> Receipt | None:
        """Step two, by a clerk or by the rider (`rider_id`), who sees their own only; None when it does not wait."""
        row = self._waiting(offer_id, rider_id)
        return None if row is None else self._offers.settle(row, at)

    def refuse(self, offer_id: str, *, rider_id: str | None = None) -> bool:
        """The ride is not subsidised and the code stays used; False when it does not wait."""
        row = self._waiting(offer_id, rider_id)
        return row is not None and self._offers.move(offer_id, "reserved", "refused")

    def waiting(self, rider_id: str | None = None) -> list[Any]:
        """What waits for the second step."""
        return self._offers.reserved(rider_id)

    def _waiting(self, offer_id: str, rider_id: str | None) -> Any:
        row = self._offers.get(offer_id)
        mine = row is not None and row.kind == "voucher" and rider_id in {None, row.rider_id}
        return row if mine and row.state == "reserved" else None


def grouped(code: str) -> str:
    """A code in groups of four, to be read out and typed."""
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))


def _hashed(code: str) -> str:
    plain = code.upper().replace("-", "").replace("O", "0").replace("I", "1").replace("L", "1")
    return hashlib.sha256(b"mykey taxi voucher\0" + plain.encode()).hexdigest()
