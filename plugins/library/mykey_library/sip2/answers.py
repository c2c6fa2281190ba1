"""From what the library did to the messages that say so: flags, dates, lists, and words for the screen.

What was asked for and done stands in `service`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mykey_library.circulation import (
    Account,
    FeeOutcome,
    Flag,
    HoldOutcome,
    ItemRecord,
    ItemUpdate,
    Listing,
    LoanOutcome,
    Outcome,
    PatronState,
    Reason,
    RenewAllOutcome,
    ReturnOutcome,
)
from mykey_library.sip2 import requests, responses
from mykey_library.sip2.charset import readable
from mykey_library.sip2.settings import Account as MachineAccount
from mykey_library.sip2.settings import ServerSettings
from mykey_library.sip2.values import AlertType, Language, SecurityMarker, SipDate, YesNoUnknown

MAX_TEXT = 255
LANGUAGE_CODES = {"ja": Language.JAPANESE, "ja-Hira": Language.JAPANESE, "en": Language.ENGLISH}
_UNKNOWN_PATRON = frozenset({Flag.CHARGE_DENIED, Flag.RENEWAL_DENIED, Flag.RECALL_DENIED, Flag.HOLD_DENIED})
_LISTS = {
    Listing.HOLDS: "hold_items",
    Listing.OVERDUE: "overdue_items",
    Listing.CHARGED: "charged_items",
    Listing.FINES: "fine_items",
    Listing.RECALLS: "recall_items",
    Listing.UNAVAILABLE_HOLDS: "unavailable_hold_items",
}

Wording = Callable[[Reason, str], str]
"""The words of a reason in a language."""


def patron_flags(state: PatronState) -> str:
    """The fourteen characters of a patron status; an unknown patron has the first four."""
    flags = state.flags if state.known else _UNKNOWN_PATRON
    return "".join("Y" if flag in flags else " " for flag in Flag)


def _letter(value: bool) -> str:  # noqa: FBT001 - a conversion from bool
    return "Y" if value else "N"


def _cut(text: str) -> str:
    return readable(text)[:MAX_TEXT]


@dataclass(frozen=True, slots=True)
class Answers:
    """Makes the answers for one request: at `now`, for the machine of `account`, in `language`."""

    settings: ServerSettings
    account: MachineAccount
    now: datetime
    language: str
    wording: Wording

    @property
    def _stamp(self) -> SipDate:
        return SipDate.of(self.now)

    def _due(self, instant: datetime | None) -> str:
        if instant is None:
            return ""
        if self.account.due_format == "sip":
            return SipDate.of(instant).characters
        return SipDate.of(instant).instant.strftime(self.account.due_format)  # type: ignore[union-attr]

    def _screen(self, *reasons: Reason | None, message: str = "") -> tuple[str, ...]:
        lines = [self.wording(reason, self.language) for reason in reasons if reason is not None]
        return tuple(_cut(line) for line in [*lines, message] if line)

    def _screen_of(self, outcome: Outcome) -> tuple[str, ...]:
        return self._screen(outcome.reason, message=outcome.message)

    def _shown(self, letters: str, text: str) -> str:
        return "" if letters in self.account.hide_fields else _cut(text)

    def _shown_or_none(self, letters: str, text: str) -> str | None:
        return self._shown(letters, text) or None

    def _person(self, state: PatronState) -> dict[str, Any]:
        """The fields that 24, 26 and 64 share."""
        return {
            "patron_status": patron_flags(state),
            "at": self._stamp,
            "institution": self.settings.institution,
            "name": self._shown("AE", state.name),
            "valid_patron": _letter(state.known),
            "valid_password": None if state.password_ok is None else _letter(state.password_ok),
            "screen_message": self._screen(*state.reasons, message=state.message),
        }

    def _fees(self, state: PatronState) -> dict[str, Any]:
        return {"currency": self.settings.currency, "fee_amount": str(state.fee_yen)} if state.fee_yen else {}

    @staticmethod
    def _language_code(state: PatronState) -> str:
        return LANGUAGE_CODES.get(state.language, Language.UNKNOWN).value

    def patron_status(self, patron: str, state: PatronState, language: str | None) -> responses.PatronStatusResponse:
        """24; `language` is that of the request, or None to give the patron's."""
        code = language if language is not None else self._language_code(state)
        return responses.PatronStatusResponse(patron=patron, language=code, **self._person(state), **self._fees(state))

    def patron_enable(self, patron: str, state: PatronState) -> responses.PatronEnableResponse:
        """26."""
        return responses.PatronEnableResponse(patron=patron, language=self._language_code(state), **self._person(state))

    def patron_information(self, patron: str, account: Account) -> responses.PatronInformationResponse:
        """64 with the counts, the limits, and the entries of one list."""
        state, counts = account.state, account.counts
        lists: dict[str, Any] = (
            {_LISTS[account.listing]: tuple(entry.item for entry in account.entries)} if account.listing else {}
        )
        return responses.PatronInformationResponse(
            patron=patron,
            language=self._language_code(state),
            hold_count=counts.holds,
            overdue_count=counts.overdue,
            charged_count=counts.charged,
            fine_count=counts.fines,
            recall_count=counts.recalls,
            unavailable_hold_count=counts.unavailable_holds,
            hold_limit=_limit(account.hold_limit),
            overdue_limit=_limit(account.overdue_limit),
            charged_limit=_limit(account.charged_limit),
            home_address=self._shown_or_none("BD", account.address),
            email=self._shown_or_none("BE", account.email),
            phone=self._shown_or_none("BF", account.phone),
            home_library=account.home_branch or None,
            **lists,
            **self._person(state),
            **self._fees(state),
        )

    def _loan(self, patron: str, item: str, outcome: LoanOutcome) -> dict[str, Any]:
        return {
            "ok": outcome.done,
            "magnetic": YesNoUnknown.NO if outcome.done else YesNoUnknown.UNKNOWN,
            "at": self._stamp,
            "institution": self.settings.institution,
            "patron": patron,
            "item": item,
            "title": _cut(outcome.title),
            "due": self._due(outcome.due_at) if outcome.done else "",
            "media_type": outcome.media or None,
            "screen_message": self._screen_of(outcome),
        }

    def checkout(self, request: requests.Checkout, outcome: LoanOutcome) -> responses.CheckoutResponse:
        """12: theft protection goes off with every loan."""
        return responses.CheckoutResponse(
            renewal_ok=outcome.done and outcome.renewed,
            desensitize=YesNoUnknown.of(outcome.done),
            **self._loan(request.patron, request.item, outcome),
        )

    def renew(self, request: requests.Renew, outcome: LoanOutcome) -> responses.RenewResponse:
        """30."""
        return responses.RenewResponse(
            renewal_ok=outcome.done,
            desensitize=YesNoUnknown.NO,
            **self._loan(request.patron, request.item or "", outcome),
        )

    def checkin(self, request: requests.Checkin, outcome: ReturnOutcome) -> responses.CheckinResponse:
        """10: `ok` only for an item that was on loan, as other systems do. It never says whose loan it was."""
        return responses.CheckinResponse(
            ok=outcome.done and outcome.was_on_loan,
            resensitize=YesNoUnknown.of(outcome.done and outcome.resensitize),
            magnetic=YesNoUnknown.NO if outcome.done else YesNoUnknown.UNKNOWN,
            alert=outcome.alert,
            at=self._stamp,
            institution=self.settings.institution,
            item=request.item,
            permanent_location=outcome.home_branch,
            title=_cut(outcome.title) or None,
            sort_bin=outcome.sort_bin or None,
            media_type=outcome.media or None,
            destination=outcome.send_to or None,
            alert_type=_alert_type(outcome),
            screen_message=self._screen_of(outcome),
        )

    def renew_all(self, outcome: RenewAllOutcome) -> responses.RenewAllResponse:
        """66."""
        return responses.RenewAllResponse(
            ok=outcome.done,
            renewed_count=len(outcome.renewed),
            unrenewed_count=len(outcome.unrenewed),
            at=self._stamp,
            institution=self.settings.institution,
            renewed=outcome.renewed,
            unrenewed=outcome.unrenewed,
            screen_message=self._screen_of(outcome),
        )

    def item(self, item: str, record: ItemRecord) -> responses.ItemInformationResponse:
        """18."""
        return responses.ItemInformationResponse(
            circulation_status=record.state.value,
            security_marker=SecurityMarker.TATTLE_TAPE.value if record.known else SecurityMarker.NONE.value,
            at=self._stamp,
            item=item,
            title=_cut(record.title),
            hold_queue_length=str(record.hold_queue) if record.hold_queue else None,
            due=self._due(record.due_at) or None,
            owner=record.owner or None,
            media_type=record.media or None,
            permanent_location=record.home_branch or None,
            current_location=record.current_branch or None,
            item_properties=record.properties or None,
        )

    def hold(self, request: requests.Hold, outcome: HoldOutcome) -> responses.HoldResponse:
        """16."""
        return responses.HoldResponse(
            ok=outcome.done,
            available=outcome.available,
            at=self._stamp,
            institution=self.settings.institution,
            patron=request.patron,
            expires=self._due(outcome.expires_at) or None,
            queue_position=None if outcome.queue is None else str(outcome.queue),
            pickup_location=outcome.pickup or request.pickup_location,
            item=request.item or outcome.item or None,
            title=_cut(outcome.title) or None,
            screen_message=self._screen_of(outcome),
        )

    def fee(self, request: requests.FeePaid, outcome: FeeOutcome) -> responses.FeePaidResponse:
        """38."""
        return responses.FeePaidResponse(
            accepted=outcome.done,
            at=self._stamp,
            institution=self.settings.institution,
            patron=request.patron,
            transaction=outcome.transaction or request.transaction,
            screen_message=self._screen_of(outcome),
        )

    def item_update(
        self, request: requests.ItemStatusUpdate, outcome: ItemUpdate
    ) -> responses.ItemStatusUpdateResponse:
        """20."""
        return responses.ItemStatusUpdateResponse(
            ok=outcome.done,
            at=self._stamp,
            item=request.item,
            title=_cut(outcome.title) or None,
            item_properties=outcome.properties or None,
            screen_message=self._screen_of(outcome),
        )

    def session_end(self, request: requests.EndPatronSession, *, ended: bool) -> responses.EndSessionResponse:
        """36."""
        return responses.EndSessionResponse(
            ended=ended, at=self._stamp, institution=self.settings.institution, patron=request.patron
        )


def _limit(number: int | None) -> str | None:
    return None if number is None else f"{min(number, 9999):04d}"


def _alert_type(outcome: ReturnOutcome) -> str | None:
    if not outcome.alert:
        return None
    if outcome.for_hold:
        kind = AlertType.HOLD_ELSEWHERE if outcome.send_to else AlertType.HOLD_HERE
    else:
        kind = AlertType.SEND_TO_BRANCH if outcome.send_to else AlertType.OTHER
    return str(kind.value)
