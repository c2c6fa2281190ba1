"""The library desk and the self-check machine: what happens at a tap and at the actions that follow it.

It speaks to any library system through `circulation.Circulation`; what it shows is made in `views`.
"""

from __future__ import annotations

from typing import Final

from mykey_core.api import Outcome, PluginContext, PluginDatabase, TapRequest, TapResult, tokyo_date
from mykey_library import family
from mykey_library.circulation import (
    CheckoutRequest,
    Circulation,
    CirculationUnavailable,
    Flag,
    HoldMode,
    HoldRequest,
    LoanOutcome,
    PatronState,
    Place,
    Reason,
)
from mykey_library.circulation import Outcome as Answer
from mykey_library.embedded.collection import Collection
from mykey_library.links import LinkKind, Links
from mykey_library.rows import Rows
from mykey_library.system import open_circulation
from mykey_library.views import Views

_VISIT: Final = ("lend", "return", "renew", "renew-all", "hold", "cancel-hold", "receipt")
_FAMILY: Final = ("family", "lend-for")
_CLOSED_TO: Final = frozenset({Reason.PATRON_STOPPED, Reason.PATRON_EXPIRED, Reason.CARD_LOST, Reason.PATRON_UNKNOWN})


class Desk:
    """One request at the desk or at a self-check machine."""

    def __init__(self, context: PluginContext, request: TapRequest, database: PluginDatabase) -> None:
        self._context = context
        self._request = request
        self._links = Links(Rows(database))
        place = Place(request.service_point, request.service_point)
        self._library: Circulation = open_circulation(context, database, request.at, place)
        branches = Collection(Rows(database)).branches() if request.action == "return" else {}
        self._views = Views(context.text, self._library, tokyo_date(request.at), branches)

    def act(self) -> TapResult:
        """Do what was asked for; a library system that does not answer is a refusal in words."""
        try:
            return getattr(self, _METHODS[self._request.action])()  # type: ignore[no-any-return] # all are TapResult
        except CirculationUnavailable:
            return self._denied(Reason.SYSTEM_UNREACHABLE)

    # -- the card ----------------------------------------------------------------------------------------

    def open(self) -> TapResult:
        """Show the patron's account. A link by MyKey ID silently becomes one by the card as well."""
        number = self._links.number_of(self._subject())
        if number is None:
            return self._refused("not_linked", offers=("link",))
        state = self._library.patron_status(number)
        closed = _closed(state)
        if closed is not None:
            return self._denied(closed)
        self._links.adopt_card(self._subject(), self._request.at)
        return self._account(number, "welcome", opens_visit=True)

    def link(self) -> TapResult:
        """Make the card the patron's library card."""
        number = self._request.input["patron_number"]
        own = self._links.number_of(self._subject())
        if own == number:
            return self._account(number, "linked", opens_visit=True)
        if own is not None:
            return self._refused("linked_to_other_number")
        if not self._library.patron_status(number).known:
            return self._denied(Reason.PATRON_UNKNOWN, offers=("link",))
        if self._links.has_card(number):
            return self._refused("number_taken")
        self._links.add(self._subject(), number, LinkKind.AUTH_CERTIFICATE, self._request.at)
        return self._account(number, "linked", opens_visit=True)

    # -- items -------------------------------------------------------------------------------------------

    def lend(self) -> TapResult:
        """Lend the item with the scanned barcode to the person of the visit."""
        return self._lend_to(self._links.number_of(self._subject()))

    def lend_for(self) -> TapResult:
        """Lend to somebody of the family, for whom the person of the visit may act."""
        wanted = self._request.input["patron_number"]
        if not family.may_act_for(self._context, self._links, wanted, self._request.service):
            return self._refused("no_delegation", offers=self._next())
        return self._lend_to(wanted)

    def _lend_to(self, number: str | None) -> TapResult:
        if number is None:
            return self._refused("not_linked", offers=("link",))
        barcode = self._request.input["barcode"]
        outcome = self._library.checkout(CheckoutRequest(number, barcode, renewal_allowed=False))
        return self._loan_shown(number, outcome, "lent")

    def take_back(self) -> TapResult:
        """Take an item back, whoever brings it."""
        answer = self._library.checkin(self._request.input["barcode"])
        if not answer.done:
            return self._not_done(answer)
        code = "returned" if answer.was_on_loan else "not_on_loan"
        code = "returned_for_hold" if answer.for_hold else code
        message = self._views.message(code, title=answer.title)
        done = Outcome.DONE if answer.was_on_loan or answer.alert else Outcome.REFUSED
        return TapResult(done, f"library.{code}", message, self._views.way(answer.send_to), self._next())

    def renew(self) -> TapResult:
        """Renew one loan of the person of the visit."""
        number = self._links.number_of(self._subject())
        if number is None:
            return self._refused("not_linked", offers=("link",))
        outcome = self._library.renew(CheckoutRequest(number, self._request.input["barcode"]))
        return self._loan_shown(number, outcome, "renewed")

    def renew_all(self) -> TapResult:
        """Renew everything that can be renewed."""
        number = self._links.number_of(self._subject())
        if number is None:
            return self._refused("not_linked", offers=("link",))
        answer = self._library.renew_all(number)
        if not answer.done:
            return self._not_done(answer)
        renewed, unrenewed = len(answer.renewed), len(answer.unrenewed)
        return self._account(number, "renewed_all", renewed=renewed, unrenewed=unrenewed)

    def _loan_shown(self, number: str, outcome: LoanOutcome, code: str) -> TapResult:
        if not outcome.done or outcome.due_at is None:
            return self._not_done(outcome)
        return self._account(number, code, title=outcome.title, due=tokyo_date(outcome.due_at).isoformat())

    # -- holds -------------------------------------------------------------------------------------------

    def hold(self) -> TapResult:
        """Wait for the title of the scanned or typed barcode."""
        return self._hold(HoldMode.ADD, "held")

    def cancel_hold(self) -> TapResult:
        """Stop waiting for it."""
        return self._hold(HoldMode.DELETE, "unheld")

    def _hold(self, mode: HoldMode, code: str) -> TapResult:
        number = self._links.number_of(self._subject())
        if number is None:
            return self._refused("not_linked", offers=("link",))
        wanted = HoldRequest(mode, number, self._request.input["barcode"], pickup=self._request.service_point)
        answer = self._library.hold(wanted)
        if not answer.done:
            return self._not_done(answer)
        return self._account(number, code, title=answer.title, queue=answer.queue or 0)

    # -- what is shown -----------------------------------------------------------------------------------

    def receipt(self) -> TapResult:
        """What the person has now, to be printed."""
        number = self._links.number_of(self._subject())
        if number is None:
            return self._refused("not_linked", offers=("link",))
        return self._account(number, "receipt", day=tokyo_date(self._request.at).isoformat())

    def family(self) -> TapResult:
        """For whom the person of the visit may borrow."""
        numbers = family.numbers(self._context, self._links, self._request.service)
        view = self._views.family(numbers)
        return TapResult(Outcome.DONE, "library.family", self._views.message("family"), view, self._next())

    def _subject(self) -> str:
        if self._request.subject is None:
            raise ValueError("this action is for a person")
        return self._request.subject

    def _next(self) -> tuple[str, ...]:
        """What makes sense next; the family's actions for those who may act for somebody."""
        someone = self._request.subject and family.numbers(self._context, self._links, self._request.service)
        return (*_VISIT, *_FAMILY) if someone else _VISIT

    def _refused(self, code: str, *, offers: tuple[str, ...] = ()) -> TapResult:
        return TapResult(Outcome.REFUSED, f"library.{code}", self._views.message(code), offers=offers)

    def _denied(self, reason: Reason, words: str = "", *, offers: tuple[str, ...] = ()) -> TapResult:
        message, view = self._views.reason(reason), self._views.words(words)
        return TapResult(Outcome.REFUSED, f"library.{reason.value}", message, view, offers)

    def _not_done(self, answer: Answer) -> TapResult:
        return self._denied(answer.reason or Reason.SYSTEM_REFUSED, answer.message, offers=self._next())

    def _account(self, number: str, code: str, *, opens_visit: bool = False, **values: str | int) -> TapResult:
        message = self._views.message(code, **values)
        return TapResult(
            Outcome.DONE, f"library.{code}", message, self._views.account(number), self._next(), opens_visit
        )


_METHODS: Final = {
    "open": "open",
    "link": "link",
    "lend": "lend",
    "lend-for": "lend_for",
    "return": "take_back",
    "renew": "renew",
    "renew-all": "renew_all",
    "hold": "hold",
    "cancel-hold": "cancel_hold",
    "receipt": "receipt",
    "family": "family",
}


def _closed(state: PatronState) -> Reason | None:
    """Why the account is not even opened: what the patron has to settle with the staff first."""
    if not state.known:
        return Reason.PATRON_UNKNOWN
    if Flag.CHARGE_DENIED not in state.flags:
        return None
    return next((reason for reason in state.reasons if reason in _CLOSED_TO), None)
