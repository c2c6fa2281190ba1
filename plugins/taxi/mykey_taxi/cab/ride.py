"""One ride in a cab: riders tap, the price is shown, each card commits once, the record goes into the queue.

Every step is on the disk before the next. Whatever is pulled or killed, the same call again goes on: the card itself
says whether it has committed, and the queue whether it has the record.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, Final
from uuid import uuid4

from mykey_core.api import tokyo_date
from mykey_taxi.cab.draft import Draft, DraftFile, Tapped, seconds
from mykey_taxi.cab.link import CabError, Link
from mykey_taxi.cab.pricing import Price, price
from mykey_taxi.rules.packs import PackSeries

SLOT: Final = 0x0301
"""The number of the plugin's slot on the card (`card_profile.service` of the manifest)."""
SERVICE: Final = "taxi-ride"
_FIELDS: Final = {"rider": "C1", "pass": "C2", "until": "C3"}
"""Where the fields of the card profile stand: tags by their place."""


class CabRide:
    """The ride under way in one cab.

    `CabError` carries the terminal's code, or one of the cab's own: `no_ride`, `ride_open`, `pass_denied`,
    `card_expired`, `card_unbound`, `card_not_tapped`, `riders_missing`, `not_priced`.
    """

    def __init__(self, link: Link, packs: PackSeries, file: DraftFile, clock: Callable[[], datetime]) -> None:
        self._link = link
        self._packs = packs
        self._file = file
        self._clock = clock

    @property
    def draft(self) -> Draft | None:
        """The ride under way, or None."""
        return self._file.load()

    def status(self) -> dict[str, Any]:
        """What the terminal says of itself: last contact, how old its news is, what waits in the queue."""
        return self._link.ask("status")

    def begin(self, zone: str, at: datetime | None = None) -> Draft:
        """Somebody boards; a ride that is under way has to end first."""
        if self.draft is not None:
            raise CabError("ride_open")
        draft = Draft(ride=uuid4().hex, board_at=seconds(at or self._clock()), board_zone=zone)
        self._file.save(draft)
        return draft

    def tap(self) -> Tapped:
        """Read the card in the reader and add its rider; nothing changes on it. The same card again changes nothing."""
        draft = self._open()
        said = self._link.ask("slot", slot=SLOT)
        rider = _rider(said, tokyo_date(draft.board_at))
        self._check(rider, draft)
        if draft.rider_of(rider.card) is None:
            draft.riders.append(rider)
            self._file.save(draft)
        return rider

    def set_fare(self, meter_yen: int, discount_yen: int = 0, *, zone: str, at: datetime | None = None) -> Price:
        """The ride is over: what the meter shows. It may be corrected until a card has committed."""
        draft = self._open()
        if not draft.proofs:
            draft.meter_yen, draft.discount_yen, draft.alight_zone = meter_yen, discount_yen, zone
            draft.alight_at = seconds(at or self._clock())
            self._file.save(draft)
        return self.price()

    def price(self) -> Price:
        """What the ride costs now, with the riders who have tapped."""
        draft = self._open()
        if draft.alight_at is None:
            raise CabError("not_priced")
        return price(self._packs, draft, self._clock())

    def commit(self) -> dict[str, Any]:
        """Count the ride on the card in the reader. `tap_unknown`: the card was pulled, tap it again."""
        draft, cost = self._open(), self.price()
        said = self._link.ask("slot", slot=SLOT)
        rider = draft.rider_of(str(said["card"]))
        if rider is None:
            raise CabError("card_not_tapped")
        if rider.rider not in cost.shares:
            return {"state": "companion", "waiting": self.waiting()}
        answer = self._link.ask(
            "commit",
            key=f"{draft.ride}:{rider.rider}",
            slot=SLOT,
            kind="ride",
            card=rider.card,
            total=cost.fare_yen,
            amount=cost.shares[rider.rider],
        )
        proof = answer.get("proof")
        draft.proofs[rider.rider] = None if proof is None else {"rider": rider.rider, **proof}
        self._file.save(draft)
        return {"state": "committed", "rides_left": answer.get("rides_left"), "waiting": self.waiting()}

    def waiting(self) -> list[str]:
        """The riders who count and whose cards have not committed."""
        draft = self._open()
        return [name for name in self.price().shares if name not in draft.proofs]

    def leave_out(self, rider: str) -> Price:
        """A rider does not tap again: a companion without a card; one who has committed stays."""
        draft = self._open()
        if rider not in draft.proofs:
            draft.riders = [known for known in draft.riders if known.rider != rider]
            self._file.save(draft)
        return self.price()

    def finish(self) -> dict[str, Any]:
        """Put the record into the terminal's signed queue and give the receipt; no card is needed."""
        draft, cost = self._open(), self.price()
        if self.waiting():
            raise CabError("riders_missing")
        payload = record_of(draft, cost)
        noted = self._link.ask("record", service=SERVICE, payload=payload, once=True)
        self._file.drop()
        return {"record_id": noted["record_id"], "sequence": noted["seq"], **receipt_of(draft, cost)}

    def cancel(self) -> None:
        """Give a ride up before a card has committed; afterwards it has to be finished."""
        draft = self._open()
        if draft.proofs:
            raise CabError("ride_open")
        self._file.drop()

    # -- inside -------------------------------------------------------------------------------------------------

    def _open(self) -> Draft:
        draft = self.draft
        if draft is None:
            raise CabError("no_ride")
        return draft

    def _check(self, rider: Tapped, draft: Draft) -> None:
        """The signed deny list, and the last day on the card. A terminal that has no list yet has never been online."""
        try:
            denied = self._link.ask("denied", alias=rider.pass_id)["denied"]
        except CabError as error:
            if error.code != "configuration_missing":
                raise
            denied = False
        if denied:
            raise CabError("pass_denied")
        if rider.until < tokyo_date(draft.board_at):
            raise CabError("card_expired")


def _rider(said: dict[str, Any], day: date) -> Tapped:
    values = {name: bytes.fromhex(said["profile"].get(tag, "")).decode() for name, tag in _FIELDS.items()}
    if not all(values.values()):  # written in a batch before it had a rider
        raise CabError("card_unbound")
    rides = [line for line in said["log"] if line["kind"] == "ride"]
    today = sum(tokyo_date(datetime.fromisoformat(line["at"])) == day for line in rides)
    return Tapped(
        card=said["card"],
        rider=values["rider"],
        pass_id=values["pass"],
        until=date.fromisoformat(values["until"]),
        left=said["rides_left"],
        today=today,
        period=said["period"],
    )


def record_of(draft: Draft, cost: Price) -> dict[str, Any]:
    """The record of taxi.md §7 without what the terminal adds: no name, no address, no number of a person."""
    counted = [name for name in cost.shares if name in draft.proofs]
    return {
        "board_ts": draft.board_at.isoformat(),
        "alight_ts": (draft.alight_at or draft.board_at).isoformat(),
        "board_zone": draft.board_zone,
        "alight_zone": draft.alight_zone,
        "meter_yen": draft.meter_yen,
        "operator_discount_yen": draft.discount_yen,
        "riders": counted,
        "mode": "offline",
        "rule_pack_hash": cost.pack_hash,
        "subsidy_yen": cost.subsidy_yen,
        "cash_yen": cost.cash_yen,
        "proofs": [proof for proof in draft.proofs.values() if proof is not None],
    }


def receipt_of(draft: Draft, cost: Price) -> dict[str, Any]:
    """What is printed for the riders: money only, no registration."""
    return {
        "board_at": draft.board_at.isoformat(),
        "fare_yen": cost.fare_yen,
        "subsidy_yen": cost.subsidy_yen,
        "cash_yen": cost.cash_yen,
        "riders": len(cost.shares),
        "reason": cost.reason,
    }
