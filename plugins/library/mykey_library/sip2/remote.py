"""A library system over SIP2 as a `Circulation`: our terminal is its self-check machine.

After a fault the truth is looked up (`truth`); how messages travel stands in `client`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from mykey_library.circulation import (
    Account,
    CheckoutRequest,
    CirculationUnavailable,
    FeeOutcome,
    HoldOutcome,
    HoldRequest,
    ItemRecord,
    ItemUpdate,
    Listing,
    LoanOutcome,
    Outcome,
    PatronState,
    Reason,
    RenewAllOutcome,
    ReturnOutcome,
    Verdict,
)
from mykey_library.sip2 import readings, requests, responses
from mykey_library.sip2.client import Sip2Connection
from mykey_library.sip2.errors import ConnectionFailed, LineBroken
from mykey_library.sip2.table import Message
from mykey_library.sip2.truth import Truth
from mykey_library.sip2.values import NO_DATE, Language, SipDate

_LANGUAGES = {"ja": Language.JAPANESE, "ja-Hira": Language.JAPANESE, "en": Language.ENGLISH}
_LOOK_UPS = 3
_O = TypeVar("_O", bound=Outcome)
_A = TypeVar("_A", bound=Message)


class Sip2Circulation:
    """One library system as its self-check machine. Use it from one thread at a time.

    Every change says DONE, NOT_DONE or UNKNOWN; after a broken line the item and the account are looked up first.
    """

    def __init__(
        self,
        connection: Sip2Connection,
        *,
        now: Callable[[], datetime],
        language: str = "ja",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection = connection
        self._profile = connection.peer.profile
        self._now = now
        self._language = _LANGUAGES.get(language, Language.UNKNOWN).value
        self._sleep = sleep
        self._truth = Truth(self._look_up_item, self._look_up_account, self._profile, sleep)

    # -- what every request carries ----------------------------------------------------------------------

    def _stamp(self) -> SipDate:
        return SipDate.of(self._now())

    def _common(self) -> dict[str, Any]:
        peer = self._connection.peer
        return {"at": self._stamp(), "institution": peer.institution, "terminal_password": peer.terminal_password}

    def _ask(self, request: Message, kind: type[_A]) -> _A:
        """The answer to a question; asked once more over a new connection when the line breaks."""
        for last in (False, True):
            try:
                answer = self._connection.exchange(request)
            except LineBroken:
                if last:
                    raise CirculationUnavailable("the library system does not answer") from None
            except ConnectionFailed as error:
                raise CirculationUnavailable(str(error)) from None
            else:
                if isinstance(answer, kind):
                    return answer
        raise CirculationUnavailable("the library system does not answer")

    def _change(
        self, request: Message, read: Callable[[Any], _O], kind: type[_O], truth: Callable[[], _O] | None = None
    ) -> _O:
        """Do something, and when no answer comes find out whether it happened."""
        if request.message_id in self._profile.unsupported:
            return kind(Verdict.NOT_DONE, Reason.UNSUPPORTED)
        try:
            return read(self._connection.exchange(request))
        except LineBroken:
            return self._found(kind, truth)
        except ConnectionFailed:
            return kind(Verdict.NOT_DONE, Reason.SYSTEM_UNREACHABLE)

    def _found(self, kind: type[_O], truth: Callable[[], _O] | None) -> _O:
        """What the look-up says; UNKNOWN when the system does not come back within some looks."""
        for _ in range(_LOOK_UPS):
            if truth is None:
                break
            try:
                return truth()
            except CirculationUnavailable:
                self._sleep(self._profile.settle_seconds)
        return kind(Verdict.UNKNOWN, Reason.NO_ANSWER)

    # -- questions ---------------------------------------------------------------------------------------

    def patron_status(self, patron: str, *, pin: str | None = None) -> PatronState:
        """How the patron stands (23)."""
        request = requests.PatronStatus(
            language=self._language, patron=patron, patron_password=pin or "", **self._common()
        )
        return readings.person(self._ask(request, responses.PatronStatusResponse), self._profile)

    def patron_information(
        self, patron: str, *, pin: str | None = None, listing: Listing | None = None, start: int = 1, end: int = 0
    ) -> Account:
        """The account with one list (63)."""
        summary = "".join("Y" if entry is listing else " " for entry in Listing).ljust(10)
        request = requests.PatronInformation(
            language=self._language,
            summary=summary,
            patron=patron,
            patron_password=pin or "",
            start_item=str(start) if listing and (start > 1 or end) else None,
            end_item=str(end) if listing and end else None,
            **self._common(),
        )
        return readings.account(self._ask(request, responses.PatronInformationResponse), listing, self._profile)

    def item_information(self, item: str) -> ItemRecord:
        """Where the item is (17)."""
        request = requests.ItemInformation(item=item, **self._common())
        return readings.item(self._ask(request, responses.ItemInformationResponse), self._profile)

    def _look_up_item(self, item: str) -> ItemRecord:
        return self.item_information(item)

    def _look_up_account(self, patron: str, pin: str | None, listing: Listing) -> Account:
        return self.patron_information(patron, pin=pin, listing=listing)

    # -- changes -----------------------------------------------------------------------------------------

    def checkout(self, request: CheckoutRequest) -> LoanOutcome:
        """Lend an item (11); after a broken line the account and the item say whether the loan is there."""
        message = requests.Checkout(
            renewal_policy=request.renewal_allowed,
            no_block=request.offline,
            nb_due=_date(request.due_at) if request.offline else NO_DATE,
            patron=request.patron,
            item=request.item,
            patron_password=request.pin or "",
            fee_acknowledged="Y" if request.fee_acknowledged else "N",
            cancel="Y" if request.cancel else "N",
            **self._dated(request),
        )
        return self._change(
            message,
            lambda answer: readings.loan(answer, self._profile),
            LoanOutcome,
            lambda: self._truth.of_cancelled_checkout(request) if request.cancel else self._truth.of_checkout(request),
        )

    def _dated(self, request: CheckoutRequest) -> dict[str, Any]:
        stamp = {"at": _date(request.at)} if request.offline and request.at else {}
        return self._common() | stamp

    def checkin(
        self, item: str, *, returned_at: datetime | None = None, offline: bool = False, cancel: bool = False
    ) -> ReturnOutcome:
        """Take an item back (09); an item that was not on loan is DONE with `was_on_loan` False."""
        stamp = self._common()
        message = requests.Checkin(
            no_block=offline,
            returned_at=_date(returned_at) if returned_at else stamp["at"],
            location=self._connection.peer.location,
            item=item,
            cancel="Y" if cancel else None,
            **stamp,
        )
        outcome = self._change(
            message, readings.returned, ReturnOutcome, None if cancel else lambda: self._truth.of_checkin(item)
        )
        if outcome.reason is Reason.SYSTEM_REFUSED and not cancel:
            return self._found(ReturnOutcome, lambda: self._truth.of_refused_checkin(outcome))
        return outcome

    def renew(self, request: CheckoutRequest) -> LoanOutcome:
        """Renew a loan (29). The due date is looked up first, so that it tells the truth after a broken line."""
        try:
            before = self.item_information(request.item)
        except CirculationUnavailable:
            return LoanOutcome(Verdict.NOT_DONE, Reason.SYSTEM_UNREACHABLE, item=request.item)
        message = requests.Renew(
            no_block=request.offline,
            nb_due=_date(request.due_at) if request.offline else NO_DATE,
            patron=request.patron,
            patron_password=request.pin or "",
            item=request.item,
            fee_acknowledged="Y" if request.fee_acknowledged else "N",
            **self._dated(request),
        )
        return self._change(
            message,
            lambda answer: readings.loan(answer, self._profile),
            LoanOutcome,
            lambda: self._truth.of_renewal(request.item, before),
        )

    def renew_all(self, patron: str, *, pin: str | None = None) -> RenewAllOutcome:
        """Renew all loans (65). After a broken line it is UNKNOWN: look at the due dates of the account."""
        message = requests.RenewAll(patron=patron, patron_password=pin or "", **self._common())
        return self._change(message, readings.renewed_all, RenewAllOutcome)

    def hold(self, request: HoldRequest) -> HoldOutcome:
        """Place, change or cancel a hold (15)."""
        message = requests.Hold(
            mode=request.mode.value,
            expires=_date(request.expires_at).characters if request.expires_at else None,
            pickup_location=request.pickup or None,
            hold_type=request.scope.value,
            patron=request.patron,
            patron_password=request.pin or "",
            item=request.item or None,
            title=request.title or None,
            **self._common(),
        )
        return self._change(
            message,
            lambda answer: readings.held(answer, self._profile),
            HoldOutcome,
            lambda: self._truth.of_hold(request),
        )

    def fee_paid(
        self, patron: str, amount_yen: int, *, transaction: str = "", fee: str = "", pin: str | None = None
    ) -> FeeOutcome:
        """Record a payment (37); sent again after a broken line only to a system that counts `transaction` once."""
        message = requests.FeePaid(
            currency=self._profile.currency,
            amount=str(amount_yen),
            patron=patron,
            patron_password=pin or "",
            fee=fee or None,
            transaction=transaction or None,
            **self._common(),
        )
        again = self._profile.pays_once and bool(transaction)
        return self._change(message, _fee, FeeOutcome, (lambda: self._again(message)) if again else None)

    def _again(self, message: requests.FeePaid) -> FeeOutcome:
        return _fee(self._ask(message, responses.FeePaidResponse))

    def item_status_update(self, item: str, properties: str) -> ItemUpdate:
        """Keep a note about the item (19); sent again after a broken line, for it says the same."""
        message = requests.ItemStatusUpdate(item=item, item_properties=properties, **self._common())
        return self._change(
            message, _update, ItemUpdate, lambda: _update(self._ask(message, responses.ItemStatusUpdateResponse))
        )

    def block_patron(self, patron: str, *, card_retained: bool, message: str = "") -> PatronState:
        """Stop lending to this patron (01); sent again after a broken line, for it says the same."""
        block = requests.BlockPatron(
            card_retained=card_retained, blocked_message=message, patron=patron, **self._common()
        )
        self._refuse_unsupported(block)
        return readings.person(self._ask(block, responses.PatronStatusResponse), self._profile)

    def enable_patron(self, patron: str, *, pin: str | None = None) -> PatronState:
        """Take a block back (25)."""
        enable = requests.PatronEnable(patron=patron, patron_password=pin or "", **self._common())
        self._refuse_unsupported(enable)
        return readings.person(self._ask(enable, responses.PatronEnableResponse), self._profile)

    def _refuse_unsupported(self, request: Message) -> None:
        if request.message_id in self._profile.unsupported:
            raise CirculationUnavailable(f"{self._profile.title} does not know this: ask the staff")

    def end_session(self, patron: str) -> bool:
        """The patron has left (35)."""
        request = requests.EndPatronSession(patron=patron, patron_password="", **self._common())
        try:
            return self._ask(request, responses.EndSessionResponse).ended
        except CirculationUnavailable:
            return False


def _date(instant: datetime | None) -> SipDate:
    return SipDate.of(instant) if instant else NO_DATE


def _fee(answer: responses.FeePaidResponse) -> FeeOutcome:
    verdict = Verdict.DONE if answer.accepted else Verdict.NOT_DONE
    reason = None if answer.accepted else Reason.SYSTEM_REFUSED
    return FeeOutcome(verdict, reason, readings.message_of(answer), transaction=answer.transaction or "")


def _update(answer: responses.ItemStatusUpdateResponse) -> ItemUpdate:
    verdict = Verdict.DONE if answer.ok else Verdict.NOT_DONE
    reason = None if answer.ok else Reason.SYSTEM_REFUSED
    return ItemUpdate(
        verdict,
        reason,
        readings.message_of(answer),
        title=answer.title or "",
        properties=answer.item_properties or "",
    )
