"""A patron's account as the embedded store tells it: flags with their reasons, counts, and one list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mykey_library import rules
from mykey_library.calendar import end_of_day
from mykey_library.circulation import Account, Counts, Entry, Flag, Listing, PatronState, Reason
from mykey_library.embedded.holds import Hold, HoldState
from mykey_library.embedded.register import Patron
from mykey_library.policy import ANY

if TYPE_CHECKING:
    from mykey_library.embedded.store import EmbeddedCirculation

_ALL_DENIED: Final = frozenset({Flag.CHARGE_DENIED, Flag.RENEWAL_DENIED, Flag.RECALL_DENIED, Flag.HOLD_DENIED})
_FLAGS: Final = {
    Reason.PATRON_STOPPED: _ALL_DENIED,
    Reason.PATRON_EXPIRED: _ALL_DENIED,
    Reason.PATRON_SUSPENDED: frozenset({Flag.CHARGE_DENIED, Flag.RENEWAL_DENIED}),
    Reason.CARD_LOST: _ALL_DENIED | {Flag.CARD_LOST},
    Reason.TOO_MANY_OVERDUE: frozenset({Flag.CHARGE_DENIED, Flag.RENEWAL_DENIED, Flag.TOO_MANY_OVERDUE}),
    Reason.FEE_TOO_HIGH: frozenset({Flag.CHARGE_DENIED, Flag.EXCESSIVE_FEES}),
    Reason.TOO_MANY_LOANS: frozenset({Flag.CHARGE_DENIED, Flag.TOO_MANY_CHARGED}),
    Reason.TOO_MANY_HOLDS: frozenset({Flag.HOLD_DENIED}),
}


def state_of(store: EmbeddedCirculation, known: Patron, pin: str | None) -> PatronState:
    """How a patron of the register stands."""
    facts = store.register.facts(known, store.today)
    terms = store.policy.terms_for(known.category, ANY)
    reasons = [*rules.patron_reasons(facts, store.policy.limits, store.today)]
    reasons += [Reason.TOO_MANY_LOANS] if facts.loans >= terms.max_loans else []
    reasons += [Reason.TOO_MANY_HOLDS] if facts.holds >= terms.max_holds else []
    flags = frozenset[Flag]().union(*(_FLAGS[reason] for reason in reasons))
    return PatronState(
        known.number,
        known=True,
        flags=flags,
        reasons=tuple(reasons),
        name=known.name,
        language=known.language,
        password_ok=known.pin_ok(pin),
        fee_yen=facts.debt_yen,
    )


def account_of(
    store: EmbeddedCirculation, known: Patron, pin: str | None, listing: Listing | None, window: tuple[int, int]
) -> Account:
    """The whole account; entries `window` of one list, counted from 1, the second 0 for all."""
    lists = _lists(store, known.number)
    terms = store.policy.terms_for(known.category, ANY)
    first, last = window
    entries = lists[listing][max(first, 1) - 1 : last or None] if listing else ()
    return Account(
        state_of(store, known, pin),
        Counts(**{name.value: len(found) for name, found in lists.items()}),
        listing,
        tuple(entries),
        charged_limit=terms.max_loans,
        overdue_limit=store.policy.limits.overdue_items,
        hold_limit=terms.max_holds,
    )


def _lists(store: EmbeddedCirculation, number: str) -> dict[Listing, tuple[Entry, ...]]:
    loans = store.loans.of_patron(number)
    holds = store.holds.of_patron(number)
    charged = tuple(Entry(loan.barcode, loan.title, end_of_day(loan.due_on)) for loan in loans)
    late = tuple(entry for entry, loan in zip(charged, loans, strict=True) if loan.due_on < store.today)
    waiting = [one for one in holds if one.state is HoldState.WAITING]
    queued = [one for one in holds if one.state is not HoldState.WAITING]
    fees = store.register.charges(number)
    return {
        Listing.HOLDS: tuple(_waiting(one) for one in waiting),
        Listing.OVERDUE: late,
        Listing.CHARGED: charged,
        Listing.FINES: tuple(Entry(row.title_id, fee_yen=row.yen) for row in fees),
        Listing.RECALLS: (),
        Listing.UNAVAILABLE_HOLDS: tuple(Entry(one.barcode or one.title_id, one.title) for one in queued),
    }


def _waiting(one: Hold) -> Entry:
    """A copy on the hold shelf, with its last day there."""
    return Entry(one.barcode or "", one.title, end_of_day(one.waits_until) if one.waits_until else None)
