"""What every way to lend and return agrees on: one protocol over any library system, and the data that cross it.

The embedded store and the SIP2 client implement `Circulation`; the desk, the self-check, the portal and the SIP2
server use it. How loans are stored or sent does not live here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum
from typing import Protocol


class Verdict(StrEnum):
    """Whether what was asked for has happened. UNKNOWN only comes from a system at the far end of a broken line."""

    DONE = "done"
    NOT_DONE = "not_done"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why something was not done, or is not known; its wording is the text `reason.<value>` of the catalogue."""

    PATRON_UNKNOWN = "patron_unknown"
    PATRON_STOPPED = "patron_stopped"
    PATRON_EXPIRED = "patron_expired"
    PATRON_SUSPENDED = "patron_suspended"
    CARD_LOST = "card_lost"
    PIN_WRONG = "pin_wrong"
    PIN_MISSING = "pin_missing"
    ITEM_UNKNOWN = "item_unknown"
    ITEM_ON_LOAN = "item_on_loan"
    ITEM_WITH_YOU = "item_with_you"
    ITEM_NOT_ON_LOAN = "item_not_on_loan"
    ITEM_REFERENCE_ONLY = "item_reference_only"
    ITEM_ON_HOLD = "item_on_hold"
    ITEM_LOST = "item_lost"
    ITEM_WITHDRAWN = "item_withdrawn"
    TOO_MANY_LOANS = "too_many_loans"
    TOO_MANY_OVERDUE = "too_many_overdue"
    TOO_MANY_RENEWALS = "too_many_renewals"
    TOO_MANY_HOLDS = "too_many_holds"
    RENEWAL_HELD = "renewal_held"
    RENEWAL_OVERDUE = "renewal_overdue"
    HOLD_EXISTS = "hold_exists"
    HOLD_UNKNOWN = "hold_unknown"
    HOLD_NOT_POSSIBLE = "hold_not_possible"
    FEE_UNKNOWN = "fee_unknown"
    FEE_TOO_HIGH = "fee_too_high"
    AMOUNT_WRONG = "amount_wrong"  # no whole amount in the library's currency
    CANNOT_CANCEL = "cannot_cancel"
    UNSUPPORTED = "unsupported"
    SYSTEM_REFUSED = "system_refused"  # the library system said no; its own words are in `message`
    SYSTEM_UNREACHABLE = "system_unreachable"  # and so nothing was sent, or nothing happened
    NO_ANSWER = "no_answer"  # sent, and the line broke: ask again, or look at the library system


class Flag(StrEnum):
    """What stands against a patron, in the order of the fourteen patron status positions of SIP2."""

    CHARGE_DENIED = "charge_denied"
    RENEWAL_DENIED = "renewal_denied"
    RECALL_DENIED = "recall_denied"
    HOLD_DENIED = "hold_denied"
    CARD_LOST = "card_lost"
    TOO_MANY_CHARGED = "too_many_charged"
    TOO_MANY_OVERDUE = "too_many_overdue"
    TOO_MANY_RENEWALS = "too_many_renewals"
    TOO_MANY_CLAIMED = "too_many_claimed"
    TOO_MANY_LOST = "too_many_lost"
    EXCESSIVE_FINES = "excessive_fines"
    EXCESSIVE_FEES = "excessive_fees"
    RECALL_OVERDUE = "recall_overdue"
    TOO_MANY_BILLED = "too_many_billed"


class Listing(StrEnum):
    """A list within a patron's account, in the order of the summary positions of SIP2."""

    HOLDS = "holds"  # waiting on the hold shelf
    OVERDUE = "overdue"
    CHARGED = "charged"
    FINES = "fines"  # compensation for lost or damaged items: lending itself is free (図書館法 article 17)
    RECALLS = "recalls"
    UNAVAILABLE_HOLDS = "unavailable_holds"  # queued or in transit


class ItemState(Enum):
    """Where an item is; the values are the circulation statuses of SIP2."""

    OTHER = "01"
    ON_ORDER = "02"
    AVAILABLE = "03"
    CHARGED = "04"
    CHARGED_NO_RECALL = "05"
    IN_PROCESS = "06"
    RECALLED = "07"
    HOLD_SHELF = "08"
    TO_BE_RESHELVED = "09"
    IN_TRANSIT = "10"
    CLAIMED_RETURNED = "11"
    LOST = "12"
    MISSING = "13"


class HoldMode(Enum):
    """What to do with a hold; the values are SIP2's."""

    ADD = "+"
    DELETE = "-"
    CHANGE = "*"


class HoldScope(Enum):
    """What a hold is for; the values are SIP2's hold types."""

    OTHER = "1"
    ANY_COPY = "2"
    THIS_COPY = "3"
    ANY_COPY_AT_BRANCH = "4"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request comes from. `terminal` names the device in the log, `branch` the library it stands in."""

    terminal: str
    branch: str = ""
    language: str = "ja"  # of the person at the device: ja, en, ja-Hira


@dataclass(frozen=True, slots=True)
class PatronState:
    """How a patron stands. An unknown patron has `known` False and nothing else.

    `password_ok` is None when the system keeps no passwords or none was given. `name` may be empty: the embedded
    store keeps none. `reasons` says why flags are set, the first one first.
    """

    patron: str
    known: bool
    flags: frozenset[Flag] = frozenset()
    reasons: tuple[Reason, ...] = ()
    name: str = field(default="", repr=False)
    language: str = ""  # ja, en, ja-Hira; empty: not known
    password_ok: bool | None = None
    fee_yen: int = 0
    message: str = ""  # words of the library system itself, for the screen


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list: an item out, a hold, or a fee. `title` may be empty when the far system only sends ids."""

    item: str
    title: str = ""
    due_at: datetime | None = None
    fee_yen: int | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many entries each list has."""

    holds: int = 0
    overdue: int = 0
    charged: int = 0
    fines: int = 0
    recalls: int = 0
    unavailable_holds: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    """A patron's account: the state, the counts, and the entries of the one list that was asked for."""

    state: PatronState
    counts: Counts = Counts()
    listing: Listing | None = None
    entries: tuple[Entry, ...] = ()
    charged_limit: int | None = None
    overdue_limit: int | None = None
    hold_limit: int | None = None
    home_branch: str = ""
    address: str = field(default="", repr=False)
    email: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """What is known of an item; an unknown one has `known` False. It never says who has it."""

    item: str
    known: bool
    state: ItemState = ItemState.OTHER
    title: str = ""
    due_at: datetime | None = None
    hold_queue: int = 0
    owner: str = ""
    home_branch: str = ""
    current_branch: str = ""
    properties: str = ""
    media: str = ""  # SIP2 media type, three digits
    call_number: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The common part of every answer to a change. `message` holds the library system's own words, if any."""

    verdict: Verdict
    reason: Reason | None = None
    message: str = ""

    @property
    def done(self) -> bool:
        """True when it has happened for certain."""
        return self.verdict is Verdict.DONE


@dataclass(frozen=True, slots=True)
class LoanOutcome(Outcome):
    """The answer to a checkout or a renewal. `renewed` is True when a checkout renewed the patron's own loan."""

    item: str = ""
    title: str = ""
    due_at: datetime | None = None
    renewed: bool = False
    desensitize: bool = False  # switch the item's theft protection off
    media: str = ""


@dataclass(frozen=True, slots=True)
class ReturnOutcome(Outcome):
    """The answer to a return. DONE also when the item was not on loan: then `was_on_loan` is False.

    `alert` asks for a look by the staff: somebody waits for the item (`for_hold`), or it belongs to `send_to`.
    """

    item: str = ""
    title: str = ""
    was_on_loan: bool = False
    resensitize: bool = True
    alert: bool = False
    for_hold: bool = False
    send_to: str = ""
    home_branch: str = ""
    sort_bin: str = ""
    media: str = ""


@dataclass(frozen=True, slots=True)
class RenewAllOutcome(Outcome):
    """The answer to renew-all: ids of the items renewed and of those that were not."""

    renewed: tuple[str, ...] = ()
    unrenewed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HoldOutcome(Outcome):
    """The answer to a change of a hold. `queue` counts from 1; `available` means an item is ready now."""

    item: str = ""
    title: str = ""
    available: bool = False
    queue: int | None = None
    pickup: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FeeOutcome(Outcome):
    """The answer to a payment; the same patron and `transaction` are paid once, and then DONE again."""

    transaction: str = ""


@dataclass(frozen=True, slots=True)
class ItemUpdate(Outcome):
    """The answer to a change of an item's properties."""

    title: str = ""
    properties: str = ""


@dataclass(frozen=True, slots=True)
class CheckoutRequest:
    """A loan that somebody wants. `at` is the terminal's time and counts only with `offline`.

    `offline` is SIP2's no-block: the terminal has lent already and the system must record it, with `due_at`.
    """

    patron: str
    item: str
    pin: str | None = field(default=None, repr=False)
    renewal_allowed: bool = True
    offline: bool = False
    at: datetime | None = None
    due_at: datetime | None = None
    fee_acknowledged: bool = False
    cancel: bool = False


@dataclass(frozen=True, slots=True)
class HoldRequest:
    """A hold that somebody wants placed, changed or cancelled, on an item (`item`) or a title (`title`)."""

    mode: HoldMode
    patron: str
    item: str = ""
    title: str = ""
    pin: str | None = field(default=None, repr=False)
    pickup: str = ""
    scope: HoldScope = HoldScope.ANY_COPY
    expires_at: datetime | None = None


class Circulation(Protocol):
    """A library system as the terminals see it; every refusal is an outcome with a reason, never an exception.

    Within one transaction of the embedded store, or over one connection to a system outside. A far system that
    cannot be reached gives `Verdict.NOT_DONE` or `Verdict.UNKNOWN` on a change; reading then raises
    `CirculationUnavailable`.
    """

    def patron_status(self, patron: str, *, pin: str | None = None) -> PatronState:
        """How the patron stands."""
        ...

    def patron_information(
        self, patron: str, *, pin: str | None = None, listing: Listing | None = None, start: int = 1, end: int = 0
    ) -> Account:
        """The account with entries `start` to `end` (both included, from 1; 0: to the last) of one list."""
        ...

    def item_information(self, item: str) -> ItemRecord:
        """Where the item is."""
        ...

    def checkout(self, request: CheckoutRequest) -> LoanOutcome:
        """Lend an item, or renew it when the patron has it and renewal is allowed."""
        ...

    def checkin(
        self, item: str, *, returned_at: datetime | None = None, offline: bool = False, cancel: bool = False
    ) -> ReturnOutcome:
        """Take an item back, whoever brings it; `returned_at` counts for the book drop and for offline returns."""
        ...

    def renew(self, request: CheckoutRequest) -> LoanOutcome:
        """Renew a loan of this patron."""
        ...

    def renew_all(self, patron: str, *, pin: str | None = None) -> RenewAllOutcome:
        """Renew all loans of this patron that can be renewed."""
        ...

    def hold(self, request: HoldRequest) -> HoldOutcome:
        """Place, change or cancel a hold."""
        ...

    def fee_paid(
        self, patron: str, amount_yen: int, *, transaction: str = "", fee: str = "", pin: str | None = None
    ) -> FeeOutcome:
        """Record a payment of compensation; the same `transaction` of a patron is recorded once."""
        ...

    def item_status_update(self, item: str, properties: str) -> ItemUpdate:
        """Keep the terminal's note about the item's properties (condition, security marker)."""
        ...

    def block_patron(self, patron: str, *, card_retained: bool, message: str = "") -> PatronState:
        """Stop lending to this patron until `enable_patron`; `message` says why."""
        ...

    def enable_patron(self, patron: str, *, pin: str | None = None) -> PatronState:
        """Take back a block that a terminal set; blocks by the staff stay."""
        ...

    def end_session(self, patron: str) -> bool:
        """The patron has left the terminal."""
        ...


class CirculationUnavailable(Exception):
    """The library system could not be reached or did not answer; try again, or go to the counter."""


OpenCirculation = Callable[[Place], AbstractContextManager[Circulation]]
"""How a server or a page opens the library's system for one request: committed at the end of the block."""
