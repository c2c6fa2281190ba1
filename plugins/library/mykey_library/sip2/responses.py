"""The answers of a library system, as tables: fixed part first, then the fields in the order sent."""

from __future__ import annotations

from datetime import timedelta

from mykey_library.sip2.requests import Extensions
from mykey_library.sip2.table import Message, expected, extensions, fixed, message, optional, repeated, required
from mykey_library.sip2.values import (
    DATE,
    NO_DATE,
    OK,
    TENTHS,
    YES_NO,
    YES_NO_UNKNOWN,
    SipDate,
    YesNoUnknown,
    characters,
    code,
    digits,
)


@message("94")
class LoginResponse(Message):
    """Whether the login is accepted."""

    ok: bool = fixed(OK)
    extensions: Extensions = extensions()


@message("98")
class AcsStatus(Message):
    """What the system can do; `supported` is sixteen times Y or N (BX)."""

    online: bool = fixed(YES_NO)
    checkin_ok: bool = fixed(YES_NO)
    checkout_ok: bool = fixed(YES_NO)
    renewal_policy: bool = fixed(YES_NO)
    status_update_ok: bool = fixed(YES_NO)
    offline_ok: bool = fixed(YES_NO)
    timeout: timedelta | None = fixed(TENTHS)
    retries: int | None = fixed(digits(3))
    at: SipDate = fixed(DATE, NO_DATE)
    protocol: str = fixed(characters(4), "2.00")
    institution: str = expected("AO")
    supported: str = expected("BX")
    library: str | None = optional("AM")
    location: str | None = optional("AN")
    screen_message: tuple[str, ...] = repeated("AF")
    print_line: tuple[str, ...] = repeated("AG")
    extensions: Extensions = extensions()


@message("24")
class PatronStatusResponse(Message):
    """How the patron stands: fourteen flags. It answers 23 and 01."""

    patron_status: str = fixed(characters(14))
    language: str = fixed(code(3), "000")
    at: SipDate = fixed(DATE, NO_DATE)
    institution: str = expected("AO")
    patron: str = required("AA")
    name: str = expected("AE")
    valid_patron: str | None = optional("BL")
    valid_password: str | None = optional("CQ")
    currency: str | None = optional("BH")
    fee_amount: str | None = optional("BV")
    screen_message: tuple[str, ...] = repeated("AF")
    print_line: tuple[str, ...] = repeated("AG")
    extensions: Extensions = extensions()


@message("26")
class PatronEnableResponse(Message):
    """How the patron stands after the block was taken back."""

    patron_status: str = fixed(characters(14))
    language: str = fixed(code(3), "000")
    at: SipDate = fixed(DATE, NO_DATE)
    institution: str = expected("AO")
    patron: str = required("AA")
    name: str = expected("AE")
    valid_patron: str | None = optional("BL")
    valid_password: str | None = optional("CQ")
    screen_message: tuple[str, ...] = repeated("AF")
    print_line: tuple[str, ...] = repeated("AG")
    extensions: Extensions = extensions()


@message("64")
class PatronInformationResponse(Message):
    """The account: flags, six counts, limits, and the one list that was asked for."""

    patron_status: str = fixed(characters(14))
    language: str = fixed(code(3), "000")
    at: SipDate = fixed(DATE, NO_DATE)
    hold_count: int | None = fixed(digits(4), 0)
    overdue_count: int | None = fixed(digits(4), 0)
    charged_count: int | None = fixed(digits(4), 0)
    fine_count: int | None = fixed(digits(4), 0)
    recall_count: int | None = fixed(digits(4), 0)
    unavailable_hold_count: int | None = fixed(digits(4), 0)
    institution: str = expected("AO")
    patron: str = required("AA")
    name: str = expected("AE")
    hold_limit: str | None = optional("BZ")
    overdue_limit: str | None = optional("CA")
    charged_limit: str | None = optional("CB")
    valid_patron: str | None = optional("BL")
    valid_password: str | None = optional("CQ")
    currency: str | None = optional("BH")
    fee_amount: str | None = optional("BV")
    fee_limit: str | None = optional("CC")
    hold_items: tuple[str, ...] = repeated("AS")
    overdue_items: tuple[str, ...] = repeated("AT")
    charged_items: tuple[str, ...] = repeated("AU")
    fine_items: tuple[str, ...] = repeated("AV")
    recall_items: tuple[str, ...] = repeated("BU")
    unavailable_hold_items: tuple[str, ...] = repeated("CD")
    home_address: str | None = optional("BD")
    email: str | None = optional("BE")
    phone: str | None = optional("BF")
    home_library: str | None = optional("AQ")
    screen_message: tuple[str, ...] = repeated("AF")
    print_line: tuple[str, ...] = repeated("AG")
    extensions: Extensions = extensions()


@message("12")
class CheckoutResponse(Message):
    """Whether the item is lent."""

    ok: bool = fixed(OK)
    renewal_ok: bool = fixed(YES_NO)
    magnetic: YesNoUnknown = fixed(YES_NO_UNKNOWN, YesNoUnknown.NO)
    desensitize: YesNoUnknown = fixed(YES_NO_UNKNOWN, YesNoUnknown.NO)
    at: SipDate = fixed(DATE, NO_DATE)
    institution: str = expected("AO")
    patron: str = required("AA")
    item: str = required("AB")
    title: str = expected("AJ")
    due: str = expected("AH")
    fee_type: str | None = optional("BT")
    security_inhibit: str | None = optional("CI")
    currency: str | None = optional("BH")
    fee_amount: str | None = optional("BV")
    media_type: str | None = optional("CK")
    item_properties: str | None = optional("CH")
    transaction: str | None = optional("BK")
    screen_message: tuple[str, ...] = repeated("AF")
    print_line: tuple[str, ...] = repeated("AG")
    extensions: Extensions = extensions()


@message("30")
class RenewResponse(Message):
    """Whether the loan is renewed."""

    ok: bool = fixed(OK)
    renewal_ok: bool = fixed(YES_NO)
    magnetic: YesNoUnknown = fixed(YES_NO_UNKNOWN, YesNoUnknown.NO)
    desensitize: YesNoUnknown = fixed(YES_NO_UNKNOWN, YesNoUnknown.NO)
    at: SipDate = fixed(DATE, NO_DATE)
    institution: str = expected("AO")
    patron: str = required("AA")
    item: str = required("AB")
    title: str = expected("AJ")
    due: str = expected("AH")
    fee_type: str | None = optional("BT")
    security_inhibit: str | None = optional("CI")
    currency: str | None = optional("BH")
    fee_amount: str | None = optional("BV")
    media_type: str | None = optional("CK")
    item_properties: str | None = optional("CH")
    transaction: str | None = optional("BK")
    screen_message: tuple[str, ...] = repeated("AF")
    print_line: tuple[str, ...] = repeated("AG")
    extensions: Extensions = extensions()


@message("10")
class CheckinResponse(Message):
    """Whether the item is back, and whether somebody must look at it (`alert`)."""

    ok: bool = fixed(OK)
    resensitize: YesNoUnknown = fixed(YES_NO_UNKNOWN, YesNoUnknown.YES)
    magnetic: YesNoUnknown = fixed(YES_NO_UNKNOWN, YesNoUnknown.NO)
    alert: bool = fixed(YES_NO)
    at: SipDate = fixed(DATE, NO_DATE)
    institution: str = expected("AO")
    item: str = required("AB")
    permanent_location: str = expected("AQ")
    title: str | None = optional("AJ")
    sort_bin: str | None = optional("CL")
    patron: str | None = optional("AA")
    media_type: str | None = optional("CK")
    item_properties: str | None = optional("CH")
    collection: str | None = optional("CR")
    call_number: str | None = optional("CS")
    destination: str | None = optional("CT")
    alert_type: str | None = optional("CV")
    hold_patron: str | None = optional("CY")
    hold_patron_name: str | None = optional("DA")
    screen_message: tuple[str, ...] = repeated("AF")
    print_line: tuple[str, ...] = repeated("AG")
    extensions: Extensions = extensions()


@message("66")
class RenewAllResponse(Message):
    """Which loans are renewed."""

    ok: bool = fixed(OK)
    renewed_count: int | None = fixed(digits(4), 0)
    unrenewed_count: int | None = fixed(digits(4), 0)
    at: SipDate = fixed(DATE, NO_DATE)
    institution: str = expected("AO")
    renewed: tuple[str, ...] = repeated("BM")
    unrenewed: tuple[str, ...] = repeated("BN")
    screen_message: tuple[str, ...] = repeated("AF")
    print_line: tuple[str, ...] = repeated("AG")
    extensions: Extensions = extensions()


@message("18")
class ItemInformationResponse(Message):
    """Where the item is. Who has it is not in here."""

    circulation_status: str = fixed(code(2))
    security_marker: str = fixed(code(2), "00")
    fee_type: str = fixed(code(2), "01")
    at: SipDate = fixed(DATE, NO_DATE)
    item: str = required("AB")
    title: str = expected("AJ")
    hold_queue_length: str | None = optional("CF")
    due: str | None = optional("AH")
    recall_date: str | None = optional("CJ")
    hold_pickup_date: str | None = optional("CM")
    media_type: str | None = optional("CK")
    owner: str | None = optional("BG")
    currency: str | None = optional("BH")
    fee_amount: str | None = optional("BV")
    permanent_location: str | None = optional("AQ")
    current_location: str | None = optional("AP")
    item_properties: str | None = optional("CH")
    screen_message: tuple[str, ...] = repeated("AF")
    print_line: tuple[str, ...] = repeated("AG")
    extensions: Extensions = extensions()


@message("16")
class HoldResponse(Message):
    """What became of the hold."""

    ok: bool = fixed(OK)
    available: bool = fixed(YES_NO)
    at: SipDate = fixed(DATE, NO_DATE)
    institution: str = expected("AO")
    patron: str = required("AA")
    expires: str | None = optional("BW")
    queue_position: str | None = optional("BR")
    pickup_location: str | None = optional("BS")
    item: str | None = optional("AB")
    title: str | None = optional("AJ")
    screen_message: tuple[str, ...] = repeated("AF")
    print_line: tuple[str, ...] = repeated("AG")
    extensions: Extensions = extensions()


@message("36")
class EndSessionResponse(Message):
    """The session is over."""

    ended: bool = fixed(YES_NO)
    at: SipDate = fixed(DATE, NO_DATE)
    institution: str = expected("AO")
    patron: str = required("AA")
    screen_message: tuple[str, ...] = repeated("AF")
    print_line: tuple[str, ...] = repeated("AG")
    extensions: Extensions = extensions()


@message("38")
class FeePaidResponse(Message):
    """Whether the payment is recorded."""

    accepted: bool = fixed(YES_NO)
    at: SipDate = fixed(DATE, NO_DATE)
    institution: str = expected("AO")
    patron: str = required("AA")
    transaction: str | None = optional("BK")
    screen_message: tuple[str, ...] = repeated("AF")
    print_line: tuple[str, ...] = repeated("AG")
    extensions: Extensions = extensions()


@message("20")
class ItemStatusUpdateResponse(Message):
    """Whether the note is kept."""

    ok: bool = fixed(OK)
    at: SipDate = fixed(DATE, NO_DATE)
    item: str = required("AB")
    title: str | None = optional("AJ")
    item_properties: str | None = optional("CH")
    screen_message: tuple[str, ...] = repeated("AF")
    print_line: tuple[str, ...] = repeated("AG")
    extensions: Extensions = extensions()


@message("96")
class RequestScResend(Message):
    """Send the last request again: it arrived damaged and was not executed."""
