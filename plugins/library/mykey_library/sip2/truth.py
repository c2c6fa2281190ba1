"""What really happened when a request was sent and no answer came: found by the item and the patron's account.

Nothing is ever assumed: what cannot be seen is UNKNOWN, and the staff or a second look decide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mykey_library.circulation import (
    Account,
    CheckoutRequest,
    HoldMode,
    HoldOutcome,
    HoldRequest,
    ItemRecord,
    ItemState,
    Listing,
    LoanOutcome,
    Reason,
    ReturnOutcome,
    Verdict,
)
from mykey_library.sip2.profiles import SystemProfile

_OUT = frozenset({ItemState.CHARGED, ItemState.CHARGED_NO_RECALL, ItemState.RECALLED, ItemState.CLAIMED_RETURNED})
_SHELVED = frozenset({ItemState.AVAILABLE, ItemState.TO_BE_RESHELVED})
_LOOKS = 2


class Truth:
    """Looks at a library system after a fault, twice: an old request may still be under way at the first look."""

    def __init__(
        self,
        item: Callable[[str], ItemRecord],
        account: Callable[[str, str | None, Listing], Account],
        profile: SystemProfile,
        sleep: Callable[[float], None],
    ) -> None:
        self._item = item
        self._account = account
        self._profile = profile
        self._sleep = sleep

    def of_checkout(self, request: CheckoutRequest) -> LoanOutcome:
        """DONE when the item is among the patron's loans; NOT_DONE when it is elsewhere for certain."""
        outcome = self._checkout(request)
        for _ in range(_LOOKS - 1):
            if outcome.done:
                break
            self._sleep(self._profile.settle_seconds)
            outcome = self._checkout(request)
        return outcome

    def _checkout(self, request: CheckoutRequest) -> LoanOutcome:
        record = self._item(request.item)
        if record.state not in _OUT:
            return self._not_lent(record)
        has_it = self._has(request.patron, request.pin, request.item)
        if has_it:
            return LoanOutcome(
                Verdict.DONE, item=request.item, title=record.title, due_at=record.due_at, media=record.media
            )
        if has_it is None:
            return LoanOutcome(Verdict.UNKNOWN, Reason.NO_ANSWER, item=request.item, title=record.title)
        return LoanOutcome(Verdict.NOT_DONE, Reason.ITEM_ON_LOAN, item=request.item, title=record.title)

    @staticmethod
    def _not_lent(record: ItemRecord) -> LoanOutcome:
        if record.known and record.state in {ItemState.OTHER, ItemState.IN_PROCESS}:
            return LoanOutcome(Verdict.UNKNOWN, Reason.NO_ANSWER, item=record.item, title=record.title)
        reason = Reason.NO_ANSWER if record.known else Reason.ITEM_UNKNOWN
        return LoanOutcome(Verdict.NOT_DONE, reason, item=record.item, title=record.title)

    def _has(self, patron: str, pin: str | None, item: str) -> bool | None:
        """Whether the item is among the patron's loans; None when the list does not say."""
        account = self._account(patron, pin, Listing.CHARGED)
        if not self._profile.lists_items:
            return None
        if any(entry.item == item for entry in account.entries):
            return True
        return False if len(account.entries) >= account.counts.charged else None

    def of_cancelled_checkout(self, request: CheckoutRequest) -> LoanOutcome:
        """DONE when the loan is gone."""
        lent = self.of_checkout(replace(request, cancel=False))
        if lent.verdict is Verdict.UNKNOWN:
            return lent
        verdict = Verdict.NOT_DONE if lent.done else Verdict.DONE
        return LoanOutcome(verdict, Reason.NO_ANSWER if lent.done else None, item=lent.item, title=lent.title)

    def of_checkin(self, item: str) -> ReturnOutcome:
        """DONE when the item is not out any more; an item that is not on its shelf needs a look by the staff."""
        record = self._item(item)
        if record.state in _OUT:
            self._sleep(self._profile.settle_seconds)
            record = self._item(item)
        return self._in_library(record)

    @staticmethod
    def _in_library(record: ItemRecord) -> ReturnOutcome:
        if not record.known:
            return ReturnOutcome(Verdict.NOT_DONE, Reason.ITEM_UNKNOWN, item=record.item)
        if record.state in _OUT:
            return ReturnOutcome(Verdict.NOT_DONE, Reason.NO_ANSWER, item=record.item, title=record.title)
        return ReturnOutcome(
            Verdict.DONE,
            item=record.item,
            title=record.title,
            was_on_loan=True,
            alert=record.state not in _SHELVED,
            for_hold=record.state is ItemState.HOLD_SHELF,
            home_branch=record.home_branch,
        )

    def of_refused_checkin(self, outcome: ReturnOutcome) -> ReturnOutcome:
        """Systems answer `not ok` also for an item that was not on loan, which is in the library all the same."""
        record = self._item(outcome.item)
        if not record.known:
            return replace(outcome, reason=Reason.ITEM_UNKNOWN)
        if record.state in _OUT:
            return outcome
        return replace(outcome, verdict=Verdict.DONE, reason=None, was_on_loan=False)

    def of_renewal(self, item: str, before: ItemRecord) -> LoanOutcome:
        """DONE when the due date moved; NOT_DONE when it stands where it stood."""
        record = self._item(item)
        known = {"item": item, "title": record.title, "due_at": record.due_at}
        if record.due_at is None or before.due_at is None:
            return LoanOutcome(Verdict.UNKNOWN, Reason.NO_ANSWER, item=item, title=record.title)
        if record.due_at > before.due_at:
            return LoanOutcome(Verdict.DONE, renewed=True, **known)  # type: ignore[arg-type] # the names are right
        self._sleep(self._profile.settle_seconds)
        moved = (self._item(item).due_at or before.due_at) > before.due_at
        verdict = Verdict.DONE if moved else Verdict.NOT_DONE
        return LoanOutcome(verdict, None if moved else Reason.NO_ANSWER, renewed=moved, **known)  # type: ignore[arg-type] # the names are right

    def of_hold(self, request: HoldRequest) -> HoldOutcome:
        """Found when the item is named among the holds, or when the patron has none; else UNKNOWN.

        A hold on any copy may be listed under another copy, so that an item which is not named proves nothing.
        """
        if request.mode is HoldMode.CHANGE or not (request.item and self._profile.lists_items):
            return HoldOutcome(Verdict.UNKNOWN, Reason.NO_ANSWER, item=request.item)
        accounts = [
            self._account(request.patron, request.pin, listing)
            for listing in (Listing.HOLDS, Listing.UNAVAILABLE_HOLDS)
        ]
        named = any(entry.item == request.item for account in accounts for entry in account.entries)
        if not named and any(account.counts.holds + account.counts.unavailable_holds for account in accounts):
            return HoldOutcome(Verdict.UNKNOWN, Reason.NO_ANSWER, item=request.item)
        done = named == (request.mode is HoldMode.ADD)
        verdict = Verdict.DONE if done else Verdict.NOT_DONE
        return HoldOutcome(verdict, None if done else Reason.NO_ANSWER, item=request.item)
