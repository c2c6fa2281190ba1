"""Lending, taking back and renewing in the embedded store. What is allowed stands in `rules`."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

from mykey_core.api import tokyo_date
from mykey_library import rules
from mykey_library.calendar import end_of_day
from mykey_library.circulation import (
    CheckoutRequest,
    ItemState,
    LoanOutcome,
    Reason,
    RenewAllOutcome,
    ReturnOutcome,
    Verdict,
)
from mykey_library.embedded.collection import Copy
from mykey_library.embedded.ground import MEDIA, Ground
from mykey_library.embedded.holds import Route
from mykey_library.embedded.loans import Loan
from mykey_library.embedded.log import Act
from mykey_library.embedded.register import Patron
from mykey_library.policy import ANY

_OLDEST_OFFLINE: Final = timedelta(days=60)  # a terminal's clock that says less is wrong


class Lending(Ground):
    """Loans: how they begin, go on and end."""

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

    def _cancelled(self, copy: Copy, patron: Patron, loan: Loan | None) -> LoanOutcome:
        if loan is None or loan.number != patron.number:
            return _no_loan(Reason.CANNOT_CANCEL, copy)
        self._close(copy, loan, self.today)
        self.holds.route(copy, self.branch_of(copy), at=self.at, today=self.today)
        return LoanOutcome(Verdict.DONE, item=copy.barcode, title=copy.title, media=MEDIA.get(copy.kind, "000"))

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
            media=MEDIA.get(copy.kind, "000"),
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
        media=MEDIA.get(copy.kind, "000"),
    )
