"""The counter of the town: registering, showing an account, and a card that was lost; the next step is card writing."""

from __future__ import annotations

from mykey_core.api import Facts, Message, Outcome, PluginContext, PluginDatabase, TapRequest, TapResult
from mykey_taxi.account import account_of, show_account
from mykey_taxi.card_slot import report_lost
from mykey_taxi.errors import OfferError
from mykey_taxi.register import Register
from mykey_taxi.registration import register
from mykey_taxi.rules.packs import PackSeries
from mykey_taxi.vouchers import Vouchers, grouped

SERVICE = "taxi-desk"


class Desk:
    """One request at the counter."""

    def __init__(
        self, context: PluginContext, packs: PackSeries, request: TapRequest, database: PluginDatabase
    ) -> None:
        self._context = context
        self._packs = packs
        self._request = request
        self._database = database

    def act(self) -> TapResult:
        """Do what was asked for."""
        if self._request.action == "register":
            return self._register()
        if self._request.action == "voucher":
            return self._voucher()
        if self._request.action == "lost":
            return self._lost()
        return show_account(self._context, self._packs, self._request, self._database)

    def _register(self) -> TapResult:
        done = register(self._context, self._packs, self._request, self._database)
        if done.rider_id is None:
            code = done.eligibility.reason or "no_ground"
            return TapResult(Outcome.REFUSED, f"taxi.{code}", self._message(code))
        details: dict[str, str | int | bool] = {"renewed": not self._request.new_subject}
        self._context.audit.record("taxi.registered", self._database, self._request.subject, details)
        return self._shown("enrolled", done.rider_id)

    def _lost(self) -> TapResult:
        subject = self._request.subject
        rider_id = None if subject is None else Register(self._database).rider_of(subject)
        if rider_id is None:
            return TapResult(Outcome.REFUSED, "taxi.not_registered", self._message("not_registered"))
        report_lost(self._context, self._database, rider_id, self._request.at)
        return self._shown("card_lost", rider_id)

    def _voucher(self) -> TapResult:
        subject = self._request.subject
        rider_id = None if subject is None else Register(self._database).rider_of(subject)
        try:
            if rider_id is None:
                raise OfferError("not_registered")
            code = Vouchers(self._packs, self._database).issue(rider_id, self._request.at)
        except OfferError as error:
            name = "voucher_no_use" if error.reason == "yearly_limit" else error.reason
            return TapResult(Outcome.REFUSED, error.code, self._message(name))
        self._context.audit.record("taxi.voucher-issued", self._database, subject)
        facts = Facts(((self._context.text("label.voucher"), grouped(code)),))
        return TapResult(Outcome.DONE, "taxi.voucher_issued", self._message("voucher_issued"), view=(facts,))

    def _shown(self, code: str, rider_id: str) -> TapResult:
        """The account as facts; the visit lets the counter write the card for this person."""
        account = account_of(self._packs, self._database, rider_id, self._request.at)
        rows = (("left_today", account.left_today), ("left_this_year", account.left_this_year))
        facts = [(self._context.text(f"label.{name}"), str(left)) for name, left in rows if left is not None]
        if account.until is not None:
            facts.append((self._context.text("label.until"), account.until.isoformat()))
        view = (Facts(tuple(facts)),) if facts else ()
        return TapResult(Outcome.DONE, f"taxi.{code}", self._message(code), view=view, opens_visit=True)

    def _message(self, code: str) -> Message:
        return Message(*(self._context.text(f"{code}.{part}") for part in ("title", "text", "what_to_do")))
