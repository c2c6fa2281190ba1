"""The sixteen messages of a self-check machine, as tables: fixed part first, then the fields in the order sent.

Lengths and letters follow 3M's Standard Interchange Protocol 2.00; `expected` fields are required there, and left out
by real machines.
"""

from __future__ import annotations

from mykey_library.sip2.table import Message, expected, extensions, fixed, message, optional, required
from mykey_library.sip2.values import DATE, FLAG, NO_DATE, SipDate, characters, code

Extensions = tuple[tuple[str, str], ...]

RESPONSE_TO = {
    "93": "94",
    "99": "98",
    "23": "24",
    "63": "64",
    "11": "12",
    "09": "10",
    "29": "30",
    "65": "66",
    "17": "18",
    "15": "16",
    "35": "36",
    "37": "38",
    "01": "24",
    "19": "20",
    "25": "26",
}
"""Which message answers which; 97 is answered by the last reply again."""


@message("93")
class Login(Message):
    """The first message of a connection. Algorithm 0 is plain text, and the only one in use."""

    uid_algorithm: str = fixed(characters(1), "0")
    password_algorithm: str = fixed(characters(1), "0")
    user: str = required("CN")
    password: str = required("CO")
    location: str | None = optional("CP")
    extensions: Extensions = extensions()


@message("99")
class ScStatus(Message):
    """The machine says how it is, and asks what the system can do."""

    status: str = fixed(characters(1), "0")
    max_print_width: str = fixed(characters(3), "080")
    protocol: str = fixed(characters(4), "2.00")
    extensions: Extensions = extensions()


@message("23")
class PatronStatus(Message):
    """How does this patron stand?"""

    language: str = fixed(code(3), "000")
    at: SipDate = fixed(DATE, NO_DATE)
    institution: str = expected("AO")
    patron: str = required("AA")
    terminal_password: str = expected("AC")
    patron_password: str = expected("AD")
    extensions: Extensions = extensions()


@message("63")
class PatronInformation(Message):
    """The patron's account, with at most one list: `summary` has one `Y` among ten characters."""

    language: str = fixed(code(3), "000")
    at: SipDate = fixed(DATE, NO_DATE)
    summary: str = fixed(characters(10), "")
    institution: str = expected("AO")
    patron: str = required("AA")
    terminal_password: str = expected("AC")
    patron_password: str = expected("AD")
    start_item: str | None = optional("BP")
    end_item: str | None = optional("BQ")
    extensions: Extensions = extensions()


@message("11")
class Checkout(Message):
    """Lend this item. With `no_block` the machine has lent already, and `nb_due` is what it told the patron."""

    renewal_policy: bool = fixed(FLAG, True)
    no_block: bool = fixed(FLAG, False)
    at: SipDate = fixed(DATE, NO_DATE)
    nb_due: SipDate = fixed(DATE, NO_DATE)
    institution: str = expected("AO")
    patron: str = required("AA")
    item: str = required("AB")
    terminal_password: str = expected("AC")
    item_properties: str | None = optional("CH")
    patron_password: str | None = optional("AD")
    fee_acknowledged: str | None = optional("BO")
    cancel: str | None = optional("BI")
    extensions: Extensions = extensions()


@message("09")
class Checkin(Message):
    """Take this item back."""

    no_block: bool = fixed(FLAG, False)
    at: SipDate = fixed(DATE, NO_DATE)
    returned_at: SipDate = fixed(DATE, NO_DATE)
    location: str = expected("AP")
    institution: str = expected("AO")
    item: str = required("AB")
    terminal_password: str = expected("AC")
    item_properties: str | None = optional("CH")
    cancel: str | None = optional("BI")
    extensions: Extensions = extensions()


@message("29")
class Renew(Message):
    """Renew one loan, of an item (AB) or a title (AJ)."""

    third_party_allowed: bool = fixed(FLAG, False)
    no_block: bool = fixed(FLAG, False)
    at: SipDate = fixed(DATE, NO_DATE)
    nb_due: SipDate = fixed(DATE, NO_DATE)
    institution: str = expected("AO")
    patron: str = required("AA")
    patron_password: str | None = optional("AD")
    item: str | None = optional("AB")
    title: str | None = optional("AJ")
    terminal_password: str | None = optional("AC")
    item_properties: str | None = optional("CH")
    fee_acknowledged: str | None = optional("BO")
    extensions: Extensions = extensions()


@message("65")
class RenewAll(Message):
    """Renew all loans of the patron that can be renewed."""

    at: SipDate = fixed(DATE, NO_DATE)
    institution: str = expected("AO")
    patron: str = required("AA")
    patron_password: str | None = optional("AD")
    terminal_password: str | None = optional("AC")
    fee_acknowledged: str | None = optional("BO")
    extensions: Extensions = extensions()


@message("17")
class ItemInformation(Message):
    """Where is this item?"""

    at: SipDate = fixed(DATE, NO_DATE)
    institution: str = expected("AO")
    item: str = required("AB")
    terminal_password: str | None = optional("AC")
    extensions: Extensions = extensions()


@message("15")
class Hold(Message):
    """Place (`+`), cancel (`-`) or change (`*`) a hold on an item or a title."""

    mode: str = fixed(characters(1))
    at: SipDate = fixed(DATE, NO_DATE)
    expires: str | None = optional("BW")
    pickup_location: str | None = optional("BS")
    hold_type: str | None = optional("BY")
    institution: str = expected("AO")
    patron: str = required("AA")
    patron_password: str | None = optional("AD")
    item: str | None = optional("AB")
    title: str | None = optional("AJ")
    terminal_password: str | None = optional("AC")
    fee_acknowledged: str | None = optional("BO")
    extensions: Extensions = extensions()


@message("35")
class EndPatronSession(Message):
    """The patron has finished."""

    at: SipDate = fixed(DATE, NO_DATE)
    institution: str = expected("AO")
    patron: str = required("AA")
    terminal_password: str | None = optional("AC")
    patron_password: str | None = optional("AD")
    extensions: Extensions = extensions()


@message("37")
class FeePaid(Message):
    """The patron has paid at the machine; `transaction` makes it count once."""

    at: SipDate = fixed(DATE, NO_DATE)
    fee_type: str = fixed(code(2), "01")
    payment_type: str = fixed(code(2), "00")
    currency: str = fixed(characters(3), "JPY")
    amount: str = required("BV")
    institution: str = expected("AO")
    patron: str = required("AA")
    terminal_password: str | None = optional("AC")
    patron_password: str | None = optional("AD")
    fee: str | None = optional("CG")
    transaction: str | None = optional("BK")
    extensions: Extensions = extensions()


@message("01")
class BlockPatron(Message):
    """Block this card: it was left in the machine, or somebody tampered."""

    card_retained: bool = fixed(FLAG, False)
    at: SipDate = fixed(DATE, NO_DATE)
    institution: str = expected("AO")
    blocked_message: str = expected("AL")
    patron: str = required("AA")
    terminal_password: str = expected("AC")
    extensions: Extensions = extensions()


@message("19")
class ItemStatusUpdate(Message):
    """Keep a note about the item."""

    at: SipDate = fixed(DATE, NO_DATE)
    institution: str = expected("AO")
    item: str = required("AB")
    terminal_password: str | None = optional("AC")
    item_properties: str = expected("CH")
    extensions: Extensions = extensions()


@message("25")
class PatronEnable(Message):
    """Take the block of this card back."""

    at: SipDate = fixed(DATE, NO_DATE)
    institution: str = expected("AO")
    patron: str = required("AA")
    terminal_password: str | None = optional("AC")
    patron_password: str | None = optional("AD")
    extensions: Extensions = extensions()


@message("97")
class RequestAcsResend(Message):
    """Send the last reply again. It never carries AY."""
