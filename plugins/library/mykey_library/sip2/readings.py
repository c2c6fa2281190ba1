"""From the messages of a library system to the data of `Circulation`: flags, dates, amounts, lists.

What is asked, and what is done when no answer comes, stands in `remote`.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation

from mykey_core.api import TOKYO
from mykey_library.circulation import (
    Account,
    Counts,
    Entry,
    Flag,
    HoldOutcome,
    ItemRecord,
    ItemState,
    Listing,
    LoanOutcome,
    PatronState,
    Reason,
    RenewAllOutcome,
    ReturnOutcome,
    Verdict,
)
from mykey_library.sip2 import responses
from mykey_library.sip2.profiles import SystemProfile
from mykey_library.sip2.values import AlertType, Language, SipDate, YesNoUnknown

_LANGUAGES = {Language.JAPANESE.value: "ja", Language.ENGLISH.value: "en"}
_FLAGS = tuple(Flag)
_DAY_ONLY = 10  # characters of a date without a time
_REASON_OF_FLAG = {
    Flag.CARD_LOST: Reason.CARD_LOST,
    Flag.TOO_MANY_CHARGED: Reason.TOO_MANY_LOANS,
    Flag.TOO_MANY_OVERDUE: Reason.TOO_MANY_OVERDUE,
    Flag.TOO_MANY_RENEWALS: Reason.TOO_MANY_RENEWALS,
}
Loan = responses.CheckoutResponse | responses.RenewResponse
Person = responses.PatronStatusResponse | responses.PatronEnableResponse | responses.PatronInformationResponse


def message_of(answer: responses.CheckoutResponse | Person | object) -> str:
    """The words of the library system for the screen."""
    lines: tuple[str, ...] = getattr(answer, "screen_message", ())
    return " ".join(line.strip() for line in lines if line.strip())


def due_date(text: str | None, profile: SystemProfile) -> datetime | None:
    """AH as an aware datetime; a date alone is the end of that day. None when no format of the profile fits."""
    for form in profile.due_formats if text else ():
        found = SipDate(text or "").instant if form == "sip" else _parsed(text or "", form)
        if found is not None:
            return found
    return None


def _parsed(text: str, form: str) -> datetime | None:
    try:
        found = datetime.strptime(text.strip(), form).replace(tzinfo=TOKYO)
    except ValueError:
        return None
    return found.replace(hour=23, minute=59, second=59) if len(text.strip()) <= _DAY_ONLY else found


def yen(text: str | None) -> int | None:
    """BV as whole yen (`1200`, `1200.00`); None when it is nothing of the kind."""
    try:
        amount = Decimal((text or "").strip())
    except InvalidOperation:
        return None
    return int(amount) if amount.is_finite() and amount == amount.to_integral_value() else None


def person(answer: Person, profile: SystemProfile) -> PatronState:
    """The state of a patron. Of the flags that forbid lending by the profile, the reasons are given."""
    flags = frozenset(flag for flag, sign in zip(_FLAGS, answer.patron_status, strict=False) if sign == "Y")
    known = answer.valid_patron != "N"
    blocking = [flag for flag in _FLAGS if flag in flags & stops(profile)]
    reasons = tuple(dict.fromkeys(_REASON_OF_FLAG.get(flag, Reason.PATRON_STOPPED) for flag in blocking))
    wrong_password = answer.valid_password == "N"  # noqa: S105 - an answer, no password
    return PatronState(
        patron=answer.patron,
        known=known,
        flags=flags,
        reasons=reasons if known else (Reason.PATRON_UNKNOWN,),
        name=answer.name,
        language=_LANGUAGES.get(answer.language, ""),
        password_ok=None if answer.valid_password is None else not wrong_password,
        fee_yen=yen(getattr(answer, "fee_amount", None)) or 0,
        message=message_of(answer),
    )


def stops(profile: SystemProfile) -> frozenset[Flag]:
    """The flags that this kind of system means as a stop to lending."""
    return frozenset(_FLAGS[position - 1] for position in profile.blocking_flags if 1 <= position <= len(_FLAGS))


def may_borrow(state: PatronState, profile: SystemProfile) -> bool:
    """True when the patron is known and no flag stops lending."""
    return state.known and not stops(profile) & state.flags


def account(answer: responses.PatronInformationResponse, listing: Listing | None, profile: SystemProfile) -> Account:
    """The account; entries hold ids or titles, as the profile says."""
    counts = Counts(
        answer.hold_count or 0,
        answer.overdue_count or 0,
        answer.charged_count or 0,
        answer.fine_count or 0,
        answer.recall_count or 0,
        answer.unavailable_hold_count or 0,
    )
    lists = {
        Listing.HOLDS: answer.hold_items,
        Listing.OVERDUE: answer.overdue_items,
        Listing.CHARGED: answer.charged_items,
        Listing.FINES: answer.fine_items,
        Listing.RECALLS: answer.recall_items,
        Listing.UNAVAILABLE_HOLDS: answer.unavailable_hold_items,
    }
    texts = lists[listing] if listing else ()
    return Account(
        state=person(answer, profile),
        counts=counts,
        listing=listing,
        entries=tuple(Entry(text) if profile.lists_items else Entry("", title=text) for text in texts),
        charged_limit=_number(answer.charged_limit),
        overdue_limit=_number(answer.overdue_limit),
        hold_limit=_number(answer.hold_limit),
        home_branch=answer.home_library or "",
        address=answer.home_address or "",
        email=answer.email or "",
        phone=answer.phone or "",
    )


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.strip().isdigit() else None


def item(answer: responses.ItemInformationResponse, profile: SystemProfile) -> ItemRecord:
    """Where an item is. A status that is not in the list, or `other` without a title, is an unknown item."""
    try:
        state = ItemState(answer.circulation_status)
    except ValueError:
        state = ItemState.OTHER
    return ItemRecord(
        item=answer.item,
        known=state is not ItemState.OTHER or bool(answer.title),
        state=state,
        title=answer.title,
        due_at=due_date(answer.due, profile),
        hold_queue=_number(answer.hold_queue_length) or 0,
        owner=answer.owner or "",
        home_branch=answer.permanent_location or "",
        current_branch=answer.current_location or "",
        properties=answer.item_properties or "",
        media=answer.media_type or "",
    )


def _verdict(ok: bool) -> tuple[Verdict, Reason | None]:  # noqa: FBT001 - a conversion from bool
    return (Verdict.DONE, None) if ok else (Verdict.NOT_DONE, Reason.SYSTEM_REFUSED)


def loan(answer: Loan, profile: SystemProfile) -> LoanOutcome:
    """What became of a checkout or a renewal."""
    verdict, reason = _verdict(answer.ok)
    return LoanOutcome(
        verdict,
        reason,
        message_of(answer),
        item=answer.item,
        title=answer.title,
        due_at=due_date(answer.due, profile),
        renewed=answer.renewal_ok,
        desensitize=answer.desensitize is YesNoUnknown.YES,
        media=answer.media_type or "",
    )


def returned(answer: responses.CheckinResponse) -> ReturnOutcome:
    """What became of a return."""
    verdict, reason = _verdict(answer.ok)
    holds = {AlertType.HOLD_HERE.value, AlertType.HOLD_ELSEWHERE.value}
    return ReturnOutcome(
        verdict,
        reason,
        message_of(answer),
        item=answer.item,
        title=answer.title or "",
        was_on_loan=answer.ok,
        resensitize=answer.resensitize is YesNoUnknown.YES,
        alert=answer.alert,
        for_hold=answer.alert_type in holds,
        send_to=answer.destination or "",
        home_branch=answer.permanent_location,
        sort_bin=answer.sort_bin or "",
        media=answer.media_type or "",
    )


def renewed_all(answer: responses.RenewAllResponse) -> RenewAllOutcome:
    """What became of renew-all."""
    verdict, reason = _verdict(answer.ok)
    return RenewAllOutcome(verdict, reason, message_of(answer), renewed=answer.renewed, unrenewed=answer.unrenewed)


def held(answer: responses.HoldResponse, profile: SystemProfile) -> HoldOutcome:
    """What became of a hold."""
    verdict, reason = _verdict(answer.ok)
    return HoldOutcome(
        verdict,
        reason,
        message_of(answer),
        item=answer.item or "",
        title=answer.title or "",
        available=answer.available,
        queue=_number(answer.queue_position),
        pickup=answer.pickup_location or "",
        expires_at=due_date(answer.expires, profile),
    )
