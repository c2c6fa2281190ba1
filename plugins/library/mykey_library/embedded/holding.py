"""Holds in the embedded store: placed, moved, ended, and passed on to the next in line."""

from __future__ import annotations

from mykey_library import rules
from mykey_library.calendar import end_of_day
from mykey_library.circulation import HoldMode, HoldOutcome, HoldRequest, HoldScope, Reason, Verdict
from mykey_library.embedded.ground import Ground
from mykey_library.embedded.holds import Hold, HoldState
from mykey_library.embedded.log import Act
from mykey_library.embedded.register import Patron


class Holding(Ground):
    """Holds: how they are placed and end."""

    def hold(self, request: HoldRequest) -> HoldOutcome:
        """Place, change or cancel a hold."""
        title_id = self._title_of(request)
        if title_id is None:
            return HoldOutcome(Verdict.NOT_DONE, Reason.ITEM_UNKNOWN, item=request.item)
        self.collection.lock_title(title_id)
        patron = self.register.lock(request.patron)
        if patron is None:
            return HoldOutcome(Verdict.NOT_DONE, Reason.PATRON_UNKNOWN, item=request.item)
        if patron.pin_ok(request.pin) is False:
            return HoldOutcome(Verdict.NOT_DONE, Reason.PIN_WRONG, item=request.item)
        if request.mode is HoldMode.ADD:
            return self._placed(patron, title_id, request)
        own = self.holds.find(patron.number, title_id)
        if own is None:
            return HoldOutcome(Verdict.NOT_DONE, Reason.HOLD_UNKNOWN, item=request.item)
        return self._unheld(own) if request.mode is HoldMode.DELETE else self._moved(own, request.pickup)

    def _title_of(self, request: HoldRequest) -> str | None:
        copy = self.collection.copy(request.item) if request.item else None
        if copy is not None:
            return copy.title_id
        return request.title if request.title and self.collection.title(request.title) is not None else None

    def _placed(self, patron: Patron, title_id: str, request: HoldRequest) -> HoldOutcome:
        reason = self._hold_reason(patron, title_id)
        if reason is not None:
            return HoldOutcome(Verdict.NOT_DONE, reason, item=request.item)
        copies = self.collection.copies(title_id)
        pickup = self._pickup(request.pickup) or copies[0].branch
        wanted = request.item if request.scope is HoldScope.THIS_COPY else None
        own = self.holds.place(patron.number, title_id, pickup, at=self.at, wanted=wanted)
        self.log.add(Act.HELD, copies[0], day=self.today, branch=pickup, number=None, category=patron.category)
        return self._hold_done(own, request.item)

    def _hold_reason(self, patron: Patron, title_id: str) -> Reason | None:
        copies = [copy for copy in self.collection.copies(title_id) if copy.for_loan]
        if not [copy for copy in copies if copy.state not in rules.NOT_TO_BE_LENT]:
            return Reason.HOLD_NOT_POSSIBLE
        if self.holds.find(patron.number, title_id) is not None:
            return Reason.HOLD_EXISTS
        if any(loan.title_id == title_id for loan in self.loans.of_patron(patron.number)):
            return Reason.ITEM_WITH_YOU
        terms = self.policy.terms_for(patron.category, copies[0].kind)
        return rules.hold_reason(self.register.facts(patron, self.today), terms, self.policy.limits, self.today)

    def _unheld(self, own: Hold) -> HoldOutcome:
        self.holds.remove(own)
        self._release(own)
        return HoldOutcome(Verdict.DONE, title=own.title, pickup=own.pickup)

    def _moved(self, own: Hold, pickup: str) -> HoldOutcome:
        branch = self.collection.branch_at(pickup) if pickup else None
        if branch is None:
            return HoldOutcome(Verdict.NOT_DONE, Reason.HOLD_NOT_POSSIBLE, title=own.title)
        self.holds.change_pickup(own, branch)
        return self._hold_done(own, "", branch)

    def _hold_done(self, own: Hold, item: str, pickup: str = "") -> HoldOutcome:
        return HoldOutcome(
            Verdict.DONE,
            item=item,
            title=own.title,
            available=own.state is HoldState.WAITING,
            queue=self.holds.position(own) or None,
            pickup=pickup or own.pickup,
            expires_at=end_of_day(own.waits_until) if own.waits_until else None,
        )

    def expire_holds(self) -> int:
        """Release every copy whose last day on the hold shelf is over; how many holds ended."""
        over = self.holds.expired(self.today)
        for own in over:
            self.collection.lock_title(own.title_id)
            self._unheld(own)
        return len(over)
