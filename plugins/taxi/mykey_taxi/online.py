"""What a cab's terminal with a network asks: the account, a fare, its confirmation, and a voucher instead of a card."""

from __future__ import annotations

from typing import Any, Final
from uuid import uuid4

from mykey_core.api import Facts, Message, Outcome, PluginContext, PluginDatabase, TapRequest, TapResult
from mykey_taxi.account import account_of, show_account
from mykey_taxi.errors import OfferError
from mykey_taxi.offers import OFFER_LIFE, Offers, Trip, riders_of
from mykey_taxi.offline import POINT
from mykey_taxi.register import Register
from mykey_taxi.rules.packs import PackSeries
from mykey_taxi.rules.ride import picked
from mykey_taxi.vouchers import Vouchers

_REASONS: Final = frozenset({"fare_invalid", "outside_area", "outside_hours", "daily_limit", "yearly_limit"})
"""Refusals of the rules; their titles are those of the statement."""


class OnlineRide:
    """One request at a cab's terminal."""

    def __init__(
        self, context: PluginContext, packs: PackSeries, request: TapRequest, database: PluginDatabase
    ) -> None:
        self._context = context
        self._packs = packs
        self._request = request
        self._database = database
        self._offers = Offers(packs, database)

    def act(self) -> TapResult:
        """Do what was asked for; a refusal says what to do."""
        acts = {
            "fare": self._fare,
            "confirm": self._confirm,
            "aboard": self._aboard,
            "alone": self._alone,
            "voucher": self._voucher,
        }
        try:
            return acts.get(self._request.action, self._open)()
        except OfferError as error:
            return TapResult(Outcome.REFUSED, f"taxi.{error.reason}", self._refusal(error.reason))

    def _open(self) -> TapResult:
        """The account; in a cab the ride goes on without another PIN."""
        cab = Register(self._database).cab(POINT + self._request.service_point)
        return show_account(self._context, self._packs, self._request, self._database, visit=cab is not None)

    def _aboard(self) -> TapResult:
        """Somebody rides together with whoever will confirm; nothing counts yet, and it ends with the next ride."""
        point, at, rider_id = self._request.service_point, self._request.at, self._rider()
        self._offers.cab(point)
        account = account_of(self._packs, self._database, rider_id, at)
        if not account.registered:
            raise OfferError("not_registered")
        together = self._offers.board(rider_id, point, at)
        view = (Facts(((self._context.text("label.riders"), together),)),)
        return TapResult(Outcome.DONE, "taxi.aboard", self._message("aboard"), view=view)

    def _alone(self) -> TapResult:
        """Whoever has joined a ride here rides without subsidy, or begins anew."""
        self._offers.clear(self._request.service_point)
        return TapResult(Outcome.DONE, "taxi.alone", self._message("alone"), offers=("fare",))

    def _fare(self) -> TapResult:
        """What the ride costs; nothing counts yet."""
        point, at, rider_id = self._request.service_point, self._request.at, self._rider()
        self._offers.cab(point)
        trip = Trip.typed(self._request.input, at)
        riders = tuple(dict.fromkeys((*self._offers.aboard(point, at), rider_id)))
        cost = self._offers.price(riders, trip)
        offer_id = uuid4().hex
        self._offers.add(offer_id, "online", "issued", rider_id, made=at, life=OFFER_LIFE)
        amounts = {"subsidy_yen": cost.subsidy_yen, "cash_yen": cost.cash_yen, "pack_hash": cost.pack_hash}
        amounts["riders"] = " ".join(picked(riders, cost.counted))
        self._offers.move(offer_id, "issued", "reserved", point=point, **trip.columns, **amounts)
        return self._shown("fare_shown", self._offers.get(offer_id), ("confirm", "fare", "alone"))

    def _confirm(self) -> TapResult:
        """Count the ride that was shown last; again, it answers as before."""
        row = self._offers.newest(self._rider(), self._request.service_point)
        if row is None:
            raise OfferError("offer_none")
        if row.state == "reserved":
            if self._request.at >= row.expires_at:
                raise OfferError("offer_expired")
            if self._offers.settle(row, self._request.at) is not None:
                subject = self._request.subject
                self._context.audit.record("taxi.ride-online", self._database, subject, {"cash_yen": row.cash_yen})
        return self._shown("ride_settled", row)

    def _voucher(self) -> TapResult:
        """Step one of a voucher: reserved with the fare, until the rider or a clerk approves."""
        values, at = self._request.input, self._request.at
        book = Vouchers(self._packs, self._database)
        row = book.reserve(values["code"], self._request.service_point, Trip.typed(values, at), at)
        self._context.audit.record("taxi.voucher-reserved", self._database)
        return self._shown("voucher_reserved", row, uses=False)

    # -- inside -------------------------------------------------------------------------------------------------

    def _rider(self) -> str:
        subject = self._request.subject
        rider_id = None if subject is None else Register(self._database).rider_of(subject)
        if rider_id is None:
            raise OfferError("not_registered")
        return rider_id

    def _shown(self, code: str, row: Any, offers: tuple[str, ...] = (), *, uses: bool = True) -> TapResult:
        text = self._context.text
        rows = [("fare", row.meter_yen - row.discount_yen), ("subsidy", row.subsidy_yen), ("cash", row.cash_yen)]
        if len(riders_of(row)) > 1:
            rows.append(("riders", len(riders_of(row))))
        if uses:  # the driver who holds a voucher learns nothing of the rider
            account = account_of(self._packs, self._database, row.rider_id, self._request.at)
            left = (("left_today", account.left_today), ("left_this_year", account.left_this_year))
            rows += [(name, number) for name, number in left if number is not None]
        facts = Facts(tuple((text(f"label.{name}"), number) for name, number in rows))
        return TapResult(Outcome.DONE, f"taxi.{code}", self._message(code), view=(facts,), offers=offers)

    def _refusal(self, code: str) -> Message:
        if code not in _REASONS:
            return self._message(code)
        text = self._context.text
        return Message(text(f"reason.{code}"), text("no_subsidy.text"), text("no_subsidy.what_to_do"))

    def _message(self, code: str) -> Message:
        return Message(*(self._context.text(f"{code}.{part}") for part in ("title", "text", "what_to_do")))
