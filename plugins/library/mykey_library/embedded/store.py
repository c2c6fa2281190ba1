"""The embedded store as a library system: every act of `circulation.Circulation` within one transaction.

What is allowed stands in `rules`, where things are stored in the modules beside this one.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

from mykey_core.api import PluginDatabase, tokyo_date
from mykey_library import rules
from mykey_library.calendar import Calendar, end_of_day
from mykey_library.circulation import (
    Account,
    CheckoutRequest,
    FeeOutcome,
    HoldMode,
    HoldOutcome,
    HoldRequest,
    HoldScope,
    ItemRecord,
    ItemState,
    ItemUpdate,
    Listing,
    LoanOutcome,
    PatronState,
    Place,
    Reason,
    RenewAllOutcome,
    ReturnOutcome,
    Verdict,
)
from mykey_library.embedded import accounts
from mykey_library.embedded.collection import Collection, Copy
from mykey_library.embedded.holds import Hold, Holds, HoldState, Route
from mykey_library.embedded.loans import Loan, Loans
from mykey_library.embedded.log import Act, Log
from mykey_library.embedded.matrix import read_matrix
from mykey_library.embedded.register import Patron, Register
from mykey_library.policy import ANY, Policy
from mykey_library.rows import Rows

_OLDEST_OFFLINE: Final = timedelta(days=60)  # a terminal's clock that says less is wrong
_MEDIA: Final = {"book": "001", "magazine": "002", "cd": "006", "av": "005"}


class EmbeddedCirculation:
    """The circulation of one library at one instant, asked from one place."""

    def __init__(self, database: PluginDatabase, policy: Policy, at: datetime, place: Place) -> None:
        self.rows = rows = Rows(database)
        self.at, self.today, self.place = at, tokyo_date(at), place
        self.policy = policy.with_matrix(read_matrix(rows))
        self.collection = Collection(rows)
        self.register = Register(rows)
        self.loans = Loans(rows)
        self.holds = Holds(rows, self.collection, policy.limits.hold_days)
        self.log = Log(rows, policy.forget_days)
        self._here = self.collection.branch_at(place.branch) if place.branch else None

    # -- reading -----------------------------------------------------------------------------------------

    def patron_status(self, patron: str, *, pin: str | None = None) -> PatronState:
        """How the patron stands."""
        known = self.register.patron(patron)
        return PatronState(patron, known=False) if known is None else accounts.state_of(self, known, pin)

    def patron_information(
        self, patron: str, *, pin: str | None = None, listing: Listing | None = None, start: int = 1, end: int = 0
    ) -> Account:
        """The account with one list."""
        known = self.register.patron(patron)
        if known is None:
            return Account(PatronState(patron, known=False))
        return accounts.account_of(self, known, pin, listing, (start, end))

    def item_information(self, item: str) -> ItemRecord:
        """Where the item is."""
        copy = self.collection.copy(item)
        if copy is None:
            return ItemRecord(item, known=False)
        loan = self.loans.of_item(item)
        return ItemRecord(
            item,
            known=True,
            state=ItemState.CHARGED if loan else copy.state,
            title=copy.title,
            due_at=end_of_day(loan.due_on) if loan else None,
            hold_queue=len(self.holds.queue(copy.title_id)),
            home_branch=copy.branch,
            current_branch=copy.branch,
            properties=copy.properties,
            media=_MEDIA.get(copy.kind, "000"),
            call_number=copy.call_number,
        )

    # -- lending -----------------------------------------------------------------------------------------

    def checkout(self, request: CheckoutRequest) -> LoanOutcome:  # noqa: PLR0911 - one line for each case
        """Lend an item; with `offline` it is recorded whatever the rules say, since the patron has it."""
        copy = self._locked(request.item)
        patron = self.register.lock(request.patron)
        if patron is None:
            return _no_loan(Reason.PATRON_UNKNOWN, request.item)
        if copy is None:
            return _no_loan(Reason.ITEM_UNKNOWN, request.item)
        if patron.pin_ok(request.pin) is False:
            return _no_loan(Reason.PIN_WRONG, copy)
        loan = self.loans.of_item(copy.barcode)
        if request.cancel:
            return self._cancelled(copy, patron, loan)
        if request.offline:
            return self._recorded(copy, patron, loan, request)
        if loan is not None and loan.number == patron.number and request.renewal_allowed:
            return self._renewed(copy, patron, loan)
        facts = self._item_facts(copy, patron, loan)
        terms = self.policy.terms_for(patron.category, copy.kind)
        known = self._patron_facts(patron, copy)
        reason = rules.lending_reason(known, facts, terms, self.policy.limits, self.today)
        if reason is not None:
            return _no_loan(reason, copy)
        return self._lent(copy, patron, self.at, rules.due_on(terms, self._calendar(copy), self.today))

    def _locked(self, barcode: str) -> Copy | None:
        copy = self.collection.copy(barcode)
        if copy is not None:
            self.collection.lock_title(copy.title_id)
        return copy

    def _patron_facts(self, patron: Patron, copy: Copy) -> rules.PatronFacts:
        known = self.register.facts(patron, self.today)
        if not self.policy.is_for_kind(patron.category, copy.kind):
            return known
        most = self.policy.terms_for(patron.category, ANY).max_loans
        return replace(known, loans_of_kind=self.loans.count_of_kind(patron.number, copy.kind), most_loans=most)

    def _item_facts(self, copy: Copy, patron: Patron, loan: Loan | None) -> rules.ItemFacts:
        aside = self.holds.set_aside(copy.barcode)
        return rules.ItemFacts(
            copy.state,
            copy.for_loan,
            loan is not None and loan.number == patron.number,
            loan is not None,
            None if aside is None else aside.number == patron.number,
            self.holds.ahead(copy, patron.number),
        )

    def _lent(self, copy: Copy, patron: Patron, at: datetime, due: date) -> LoanOutcome:
        self._fulfil(copy, patron)
        self.holds.forget_way(copy.barcode)
        self.collection.set_state(copy.barcode, ItemState.AVAILABLE)
        here = self.branch_of(copy)
        self.loans.lend(copy.barcode, patron.number, at=at, due_on=due, branch=here)
        names = {"day": tokyo_date(at), "branch": here, "category": patron.category}
        self.log.add(Act.LENT, copy, number=patron.number, **names)  # type: ignore[arg-type] # the names are right
        return _loan_done(copy, due)

    def _fulfil(self, copy: Copy, patron: Patron) -> None:
        """The patron has what they waited for; another copy that was set aside for them is free again."""
        own = self.holds.find(patron.number, copy.title_id)
        if own is None:
            return
        self.holds.remove(own)
        if own.barcode != copy.barcode:
            self._release(own)

    def _release(self, over: Hold) -> None:
        """Give the copy of a hold that is over to the next in line. One that travels is routed where it arrives."""
        copy = self.collection.copy(over.barcode) if over.barcode else None
        if copy is not None and over.state is HoldState.WAITING:
            self.holds.route(copy, over.pickup, at=self.at, today=self.today)

    def _cancelled(self, copy: Copy, patron: Patron, loan: Loan | None) -> LoanOutcome:
        if loan is None or loan.number != patron.number:
            return _no_loan(Reason.CANNOT_CANCEL, copy)
        self._close(copy, loan, self.today)
        self.holds.route(copy, self.branch_of(copy), at=self.at, today=self.today)
        return LoanOutcome(Verdict.DONE, item=copy.barcode, title=copy.title, media=_MEDIA.get(copy.kind, "000"))

    def _recorded(self, copy: Copy, patron: Patron, loan: Loan | None, request: CheckoutRequest) -> LoanOutcome:
        """The terminal has lent already. Whoever had the item before, on paper, has brought it back unseen."""
        at = request.at if request.at is not None and self.at - _OLDEST_OFFLINE <= request.at <= self.at else self.at
        if loan is not None and loan.number == patron.number:
            return _loan_done(copy, loan.due_on)
        if loan is not None and loan.lent_at > at:
            return _no_loan(Reason.ITEM_ON_LOAN, copy)  # lent to somebody else since: a person has to look
        if loan is not None:
            self._close(copy, loan, tokyo_date(at))
        aside = self.holds.set_aside(copy.barcode)
        if aside is not None and aside.number != patron.number:
            self.holds.put_back(aside)
        terms = self.policy.terms_for(patron.category, copy.kind)
        due = tokyo_date(request.due_at) if request.due_at else None
        return self._lent(copy, patron, at, due or rules.due_on(terms, self._calendar(copy), tokyo_date(at)))

    # -- taking back -------------------------------------------------------------------------------------

    def checkin(
        self, item: str, *, returned_at: datetime | None = None, offline: bool = False, cancel: bool = False
    ) -> ReturnOutcome:
        """Take an item back, whoever brings it, and say what becomes of it."""
        copy = self._locked(item)
        if copy is None:
            return ReturnOutcome(Verdict.NOT_DONE, Reason.ITEM_UNKNOWN, item=item)
        if cancel:
            return ReturnOutcome(Verdict.NOT_DONE, Reason.CANNOT_CANCEL, item=item, title=copy.title)
        at = returned_at if (offline or returned_at) and returned_at and returned_at <= self.at else self.at
        loan = self.loans.of_item(item)
        if offline and loan is not None and loan.lent_at > at:
            return ReturnOutcome(Verdict.DONE, item=item, title=copy.title)  # it came back, and was lent again since
        if loan is not None:
            self._close(copy, loan, max(tokyo_date(at), tokyo_date(loan.lent_at)))
        route = self._routed(copy)
        return ReturnOutcome(
            Verdict.DONE,
            item=item,
            title=copy.title,
            was_on_loan=loan is not None,
            alert=route.for_hold or bool(route.send_to),
            for_hold=route.for_hold,
            send_to=route.send_to,
            home_branch=copy.branch,
            media=_MEDIA.get(copy.kind, "000"),
        )

    def _routed(self, copy: Copy) -> Route:
        here = self.branch_of(copy)
        aside = self.holds.set_aside(copy.barcode)
        if aside is not None:
            return self.holds.arrive(aside, copy, here, at=self.at, today=self.today)
        return self.holds.route(copy, here, at=self.at, today=self.today)

    def _close(self, copy: Copy, loan: Loan, day: date) -> None:
        """The loan is over: nothing joins patron and item from here on, unless the patron has asked for it."""
        self.loans.end(copy.barcode)
        patron = self.register.patron(loan.number)
        if patron is not None and patron.keeps_history:
            self.log.keep(copy, loan.number, tokyo_date(loan.lent_at), day)
        until = rules.suspended_until(self.policy.limits, loan.due_on, day)
        if until is not None:
            self.register.suspend(loan.number, until)
        category = patron.category if patron else ""
        self.log.close(copy, loan.number, self.today)
        self.log.add(Act.RETURNED, copy, day=day, branch=self.branch_of(copy), number=None, category=category)

    # -- renewing ----------------------------------------------------------------------------------------

    def renew(self, request: CheckoutRequest) -> LoanOutcome:
        """Renew a loan of this patron."""
        copy = self._locked(request.item)
        patron = self.register.lock(request.patron)
        loan = self.loans.of_item(request.item)
        if patron is None:
            return _no_loan(Reason.PATRON_UNKNOWN, request.item)
        if copy is None:
            return _no_loan(Reason.ITEM_UNKNOWN, request.item)
        if patron.pin_ok(request.pin) is False:
            return _no_loan(Reason.PIN_WRONG, copy)
        if loan is None or loan.number != patron.number:
            return _no_loan(Reason.ITEM_NOT_ON_LOAN, copy)
        return self._renewed(copy, patron, loan)

    def _renewed(self, copy: Copy, patron: Patron, loan: Loan) -> LoanOutcome:
        terms = self.policy.terms_for(patron.category, copy.kind)
        facts = rules.LoanFacts(loan.due_on, loan.renewals, self.holds.ahead(copy, patron.number))
        known = self.register.facts(patron, self.today)
        reason = rules.renewal_reason(known, facts, terms, self.policy.limits, self.today)
        if reason is not None:
            return _no_loan(reason, copy)
        due = rules.renewed_due_on(terms, self._calendar(copy), self.today, loan.due_on)
        self.loans.renew(loan, due)
        here = self.branch_of(copy)
        self.log.add(Act.RENEWED, copy, day=self.today, branch=here, number=patron.number, category=patron.category)
        return _loan_done(copy, due, renewed=True)

    def renew_all(self, patron: str, *, pin: str | None = None) -> RenewAllOutcome:
        """Renew all loans of this patron that can be renewed."""
        known = self.register.patron(patron)
        if known is None:
            return RenewAllOutcome(Verdict.NOT_DONE, Reason.PATRON_UNKNOWN)
        if known.pin_ok(pin) is False:
            return RenewAllOutcome(Verdict.NOT_DONE, Reason.PIN_WRONG)
        loans = sorted(self.loans.of_patron(patron), key=lambda loan: loan.title_id)
        for loan in loans:
            self.collection.lock_title(loan.title_id)  # all titles before the patron, in one order
        done = {loan.barcode: self.renew(CheckoutRequest(patron, loan.barcode)).done for loan in loans}
        renewed = tuple(sorted(barcode for barcode, good in done.items() if good))
        return RenewAllOutcome(
            Verdict.DONE,
            renewed=renewed,
            unrenewed=tuple(sorted(barcode for barcode, good in done.items() if not good)),
        )

    # -- holds -------------------------------------------------------------------------------------------

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

    def _pickup(self, wanted: str) -> str | None:
        return (self.collection.branch_at(wanted) if wanted else None) or self._here

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

    # -- the rest ----------------------------------------------------------------------------------------

    def fee_paid(
        self, patron: str, amount_yen: int, *, transaction: str = "", fee: str = "", pin: str | None = None
    ) -> FeeOutcome:
        """Record a payment of compensation, once for a transaction."""
        del fee  # whole charges are paid, the oldest first
        known = self.register.lock(patron)
        if known is None:
            return FeeOutcome(Verdict.NOT_DONE, Reason.PATRON_UNKNOWN, transaction=transaction)
        if known.pin_ok(pin) is False:
            return FeeOutcome(Verdict.NOT_DONE, Reason.PIN_WRONG, transaction=transaction)
        reason = self.register.pay(patron, amount_yen, transaction, self.at, self.today)
        return FeeOutcome(Verdict.NOT_DONE if reason else Verdict.DONE, reason, transaction=transaction)

    def item_status_update(self, item: str, properties: str) -> ItemUpdate:
        """Keep the terminal's note about the item."""
        copy = self.collection.copy(item)
        if copy is None:
            return ItemUpdate(Verdict.NOT_DONE, Reason.ITEM_UNKNOWN)
        self.collection.set_properties(item, properties)
        return ItemUpdate(Verdict.DONE, title=copy.title, properties=properties[:255])

    def block_patron(self, patron: str, *, card_retained: bool, message: str = "") -> PatronState:
        """Stop lending to this patron until `enable_patron`; a block by the staff stays theirs."""
        del card_retained, message  # the embedded store keeps no remarks about people
        known = self.register.lock(patron)
        if known is not None and known.active:
            self.register.set_standing(patron, rules.PatronStanding.BLOCKED)
        return self.patron_status(patron)

    def enable_patron(self, patron: str, *, pin: str | None = None) -> PatronState:
        """Take back a block that a terminal set."""
        known = self.register.lock(patron)
        if known is not None and known.standing is rules.PatronStanding.BLOCKED and known.pin_ok(pin) is not False:
            self.register.set_standing(patron, rules.PatronStanding.ACTIVE)
        return self.patron_status(patron, pin=pin)

    def end_session(self, patron: str) -> bool:  # noqa: ARG002 - the store keeps no session, so nothing is left open
        """The patron has left the terminal."""
        return True

    # -- places ------------------------------------------------------------------------------------------

    def branch_of(self, copy: Copy) -> str:
        """Where this is happening: the terminal's branch, or the copy's own where that is not known."""
        return self._here or copy.branch

    def _calendar(self, copy: Copy) -> Calendar:
        return self.collection.calendar(self.branch_of(copy))


def _no_loan(reason: Reason, copy: Copy | str) -> LoanOutcome:
    if isinstance(copy, str):
        return LoanOutcome(Verdict.NOT_DONE, reason, item=copy)
    return LoanOutcome(Verdict.NOT_DONE, reason, item=copy.barcode, title=copy.title)


def _loan_done(copy: Copy, due: date, *, renewed: bool = False) -> LoanOutcome:
    return LoanOutcome(
        Verdict.DONE,
        item=copy.barcode,
        title=copy.title,
        due_at=end_of_day(due),
        renewed=renewed,
        desensitize=not renewed,
        media=_MEDIA.get(copy.kind, "000"),
    )
