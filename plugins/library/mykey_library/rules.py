"""The rules of lending as pure functions over facts: who may borrow, renew and reserve what, and until when.

No database, no clock, no wording: the embedded store and `mykey library rules` ask here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from mykey_library.calendar import Calendar
from mykey_library.circulation import ItemState, Reason

NOT_TO_BE_LENT: Final = {
    ItemState.ON_ORDER: Reason.ITEM_WITHDRAWN,
    ItemState.IN_PROCESS: Reason.ITEM_WITHDRAWN,
    ItemState.MISSING: Reason.ITEM_LOST,
    ItemState.LOST: Reason.ITEM_LOST,
    ItemState.OTHER: Reason.ITEM_WITHDRAWN,
}


class PatronStanding(StrEnum):
    """What stands in the register about a patron; all but ACTIVE stop lending."""

    ACTIVE = "active"
    STOPPED = "stopped"  # by the staff
    BLOCKED = "blocked"  # by a terminal
    LOST = "lost"  # the card was reported lost


_STANDING_REASONS: Final = {
    PatronStanding.STOPPED: Reason.PATRON_STOPPED,
    PatronStanding.BLOCKED: Reason.PATRON_STOPPED,
    PatronStanding.LOST: Reason.CARD_LOST,
}


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for one category of patrons and one kind of items; periods in civil days."""

    loan_days: int = 14
    max_loans: int = 10
    max_renewals: int = 1
    max_holds: int = 5


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds for every patron: from how many overdue items, or from which debt on, nothing more is lent.

    `fee_yen` 0 means that a debt stops nobody. `suspension` is the number of days without loans for each day that
    an item came back late, up to `longest_suspension`.
    """

    overdue_items: int = 1
    fee_yen: int = 0
    suspension: int = 0
    longest_suspension: int = 60
    hold_days: int = 7


@dataclass(frozen=True, slots=True)
class PatronFacts:
    """A patron at the moment of a decision; the counts are over everything that the patron has.

    `loans_of_kind` counts those of the item's kind where the terms are for that kind alone; then `most_loans` is the
    limit over everything.
    """

    standing: PatronStanding = PatronStanding.ACTIVE
    expires_on: date | None = None
    suspended_until: date | None = None
    loans: int = 0
    overdue: int = 0
    holds: int = 0
    debt_yen: int = 0
    loans_of_kind: int | None = None
    most_loans: int | None = None

    def has_enough(self, terms: Terms) -> bool:
        """Whether one more item would be too many, of its kind or of all."""
        of_kind = self.loans if self.loans_of_kind is None else self.loans_of_kind
        return of_kind >= terms.max_loans or (self.most_loans is not None and self.loans >= self.most_loans)


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """An item at the moment of a decision, as this patron sees it.

    `ahead` counts the other patrons who wait for the title (before this one, when this one waits too);
    `set_aside_for_you` is None when it is set aside for nobody.
    """

    state: ItemState = ItemState.AVAILABLE
    for_loan: bool = True
    with_you: bool = False
    on_loan: bool = False
    set_aside_for_you: bool | None = None
    ahead: int = 0


@dataclass(frozen=True, slots=True)
class LoanFacts:
    """A loan that somebody wants to renew."""

    due_on: date
    renewals: int
    ahead: int = 0


def patron_reasons(patron: PatronFacts, limits: Limits, today: date) -> tuple[Reason, ...]:
    """Why this patron can borrow nothing at all today; empty when there is no reason."""
    expired = patron.expires_on is not None and patron.expires_on < today
    suspended = patron.suspended_until is not None and patron.suspended_until >= today
    found = (
        _STANDING_REASONS.get(patron.standing),
        Reason.PATRON_EXPIRED if expired else None,
        Reason.PATRON_SUSPENDED if suspended else None,
        Reason.TOO_MANY_OVERDUE if patron.overdue >= limits.overdue_items else None,
        Reason.FEE_TOO_HIGH if limits.fee_yen and patron.debt_yen >= limits.fee_yen else None,
    )
    return tuple(reason for reason in found if reason is not None)


def item_reason(item: ItemFacts) -> Reason | None:
    """Why this item cannot be lent to this patron, or None."""
    if item.with_you:
        return Reason.ITEM_WITH_YOU
    if item.on_loan:
        return Reason.ITEM_ON_LOAN
    if not item.for_loan:
        return Reason.ITEM_REFERENCE_ONLY
    if item.set_aside_for_you is not None:
        return None if item.set_aside_for_you else Reason.ITEM_ON_HOLD
    if item.state in NOT_TO_BE_LENT:
        return NOT_TO_BE_LENT[item.state]
    return Reason.ITEM_ON_HOLD if item.ahead else None


def lending_reason(patron: PatronFacts, item: ItemFacts, terms: Terms, limits: Limits, today: date) -> Reason | None:
    """Why the item is not lent: the item's own reason first, since it says which book to put back."""
    stopped = patron_reasons(patron, limits, today)
    too_many = Reason.TOO_MANY_LOANS if patron.has_enough(terms) else None
    return item_reason(item) or (stopped[0] if stopped else too_many)


def renewal_reason(patron: PatronFacts, loan: LoanFacts, terms: Terms, limits: Limits, today: date) -> Reason | None:
    """Why the loan is not renewed, or None. Somebody else's hold comes before a late loan and the count."""
    if loan.ahead:
        return Reason.RENEWAL_HELD
    if loan.due_on < today:
        return Reason.RENEWAL_OVERDUE
    if loan.renewals >= terms.max_renewals:
        return Reason.TOO_MANY_RENEWALS
    stopped = patron_reasons(patron, limits, today)
    return stopped[0] if stopped else None


def hold_reason(patron: PatronFacts, terms: Terms, limits: Limits, today: date) -> Reason | None:
    """Why no hold is placed; whoever has something overdue may still wait for another book."""
    stopped = [reason for reason in patron_reasons(patron, limits, today) if reason is not Reason.TOO_MANY_OVERDUE]
    if stopped:
        return stopped[0]
    return Reason.TOO_MANY_HOLDS if patron.holds >= terms.max_holds else None


def due_on(terms: Terms, calendar: Calendar, today: date) -> date:
    """The civil date on which an item lent today is due: never a closed day."""
    return calendar.first_open(today + timedelta(days=terms.loan_days))


def renewed_due_on(terms: Terms, calendar: Calendar, today: date, due: date) -> date:
    """The due date after a renewal today: counted from today, and never earlier than it was."""
    return max(due_on(terms, calendar, today), due)


def suspended_until(limits: Limits, due: date, returned: date) -> date | None:
    """The last day without loans after a late return, instead of a fine (図書館法17条); None when there is none."""
    days = min((returned - due).days * limits.suspension, limits.longest_suspension)
    return returned + timedelta(days=days) if days > 0 else None
