"""Any order of loans, returns, holds, renewals and nights keeps the store true, on both databases."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from mykey_library.circulation import CheckoutRequest, HoldMode, HoldRequest, ItemState, Place, Reason
from mykey_library.embedded import EmbeddedCirculation
from mykey_library.embedded.collection import Collection, NewCopy
from mykey_library.embedded.holds import HoldState
from mykey_library.embedded.register import NewPatron, Register
from mykey_library.jobs import run_night
from mykey_library.policy import Policy
from mykey_library.rows import Rows
from mykey_library.rules import Limits, Terms
from mykey_library.tables import event
from mykey_testkit.plugin_hub import MakeHub, PluginHub
from mykey_testkit.postgres import DatabaseUrls

PATRONS = ("P00001", "P00002", "P00003")
COPIES = {"A00001": ("T1", "main"), "A00002": ("T1", "east"), "A00003": ("T1", "main"), "B00001": ("T2", "east")}
BRANCHES = ("main", "east")
POLICY = replace(Policy(), terms=Terms(14, 2, 1, 2), limits=Limits(overdue_items=1, hold_days=7, suspension=1))
START = datetime(2026, 11, 2, 3, tzinfo=UTC)

patrons = st.sampled_from(PATRONS)
copies = st.sampled_from(sorted(COPIES))
titles = st.sampled_from(("T1", "T2"))
branches = st.sampled_from(BRANCHES)


class Undo(Exception):
    """Ends the transaction of one example without keeping anything."""


class Lending(RuleBasedStateMachine):
    """The store beside a model of three dictionaries: who has what, who waits for what in which order, and what day."""

    def __init__(self, hub: PluginHub) -> None:
        super().__init__()
        self.stack = ExitStack()
        session = self.stack.enter_context(hub.hub.database.writing())
        loaded = hub.hub.plugins.plugins["library"]
        self.database = self.stack.enter_context(hub.hub.plugins.opened(loaded, session))
        self.at = START
        self.loans: dict[str, str] = {}
        self.lent: dict[str, datetime] = {}
        self.queues: dict[str, list[str]] = {"T1": [], "T2": []}
        collection, register = Collection(Rows(self.database)), Register(Rows(self.database))
        collection.add_branch("main", "本館", "0")
        collection.add_branch("east", "東館", "2")
        for barcode, (title, branch) in COPIES.items():
            collection.add_copy(NewCopy(barcode, f"題{title}", title_id=title, branch=branch))
        for number in PATRONS:
            register.add(NewPatron(number))

    def teardown(self) -> None:
        try:
            raise Undo
        except Undo as undo:
            self.stack.__exit__(Undo, undo, undo.__traceback__)

    def library(self, branch: str = "main") -> EmbeddedCirculation:
        return EmbeddedCirculation(self.database, POLICY, self.at, Place("test", branch))

    @rule(number=patrons, barcode=copies, branch=branches)
    def lend(self, number: str, barcode: str, branch: str) -> None:
        done = self.library(branch).checkout(CheckoutRequest(number, barcode, renewal_allowed=False))
        title = COPIES[barcode][0]
        if barcode in self.loans:
            assert not done.done
            assert done.reason is (Reason.ITEM_WITH_YOU if self.loans[barcode] == number else Reason.ITEM_ON_LOAN)
        if done.done:
            self.loans[barcode], self.lent[barcode] = number, self.at
            assert len([owner for owner in self.loans.values() if owner == number]) <= POLICY.terms.max_loans
            self.queues[title] = [waiting for waiting in self.queues[title] if waiting != number]

    @rule(number=patrons, barcode=copies)
    def lend_offline(self, number: str, barcode: str) -> None:
        request = CheckoutRequest(number, barcode, offline=True, at=self.at - timedelta(hours=1))
        done = self.library().checkout(request)
        if not done.done:  # what happened later than the late record stands
            assert (self.loans[barcode] != number, self.lent[barcode] > self.at - timedelta(hours=1)) == (True, True)
            return
        again = self.library().checkout(request)
        assert (again.done, again.due_at) == (True, done.due_at)
        title = COPIES[barcode][0]
        self.loans[barcode], self.lent[barcode] = number, self.at - timedelta(hours=1)
        self.queues[title] = [waiting for waiting in self.queues[title] if waiting != number]

    @rule(barcode=copies, branch=branches)
    def take_back(self, barcode: str, branch: str) -> None:
        library = self.library(branch)
        aside = library.holds.set_aside(barcode)
        first = self._first_in_line(COPIES[barcode][0])
        answer = library.checkin(barcode)
        assert answer.was_on_loan == (barcode in self.loans)
        self.loans.pop(barcode, None)
        now = library.holds.set_aside(barcode)
        if aside is None and now is not None:
            assert now.number == first
        assert answer.for_hold == (now is not None)

    @rule(number=patrons, title=titles, branch=branches)
    def hold(self, number: str, title: str, branch: str) -> None:
        answer = self.library().hold(HoldRequest(HoldMode.ADD, number, title=title, pickup=branch))
        if number in self.queues[title]:
            assert answer.reason is Reason.HOLD_EXISTS
        if answer.done:
            self.queues[title].append(number)

    def _first_in_line(self, title: str) -> str | None:
        """Of those who wait in the model's order, the first for whom no copy is set aside."""
        served = {one.number for one in self._holds(title) if one.barcode is not None}
        return next((number for number in self.queues[title] if number not in served), None)

    @precondition(lambda self: any(self.queues.values()))
    @rule(pick=st.integers(0, 11))
    def cancel(self, pick: int) -> None:
        waiting = [(title, number) for title, line in self.queues.items() for number in line]
        title, number = waiting[pick % len(waiting)]
        assert self.library().hold(HoldRequest(HoldMode.DELETE, number, title=title)).done
        self.queues[title] = [waiting for waiting in self.queues[title] if waiting != number]

    @precondition(lambda self: self.loans)
    @rule(pick=st.integers(0, 11), own=st.booleans())
    def renew(self, pick: int, own: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
        barcode, owner = sorted(self.loans.items())[pick % len(self.loans)]
        number = owner if own else PATRONS[pick % len(PATRONS)]
        before = self.library().loans.of_item(barcode)
        answer = self.library().renew(CheckoutRequest(number, barcode))
        if answer.done:
            assert before is not None
            assert self.loans[barcode] == number
            assert before.renewals < POLICY.terms.max_renewals
            assert self._first_in_line(COPIES[barcode][0]) is None
            after = self.library().loans.of_item(barcode)
            assert after is not None
            assert after.due_on >= before.due_on

    @rule(days=st.integers(1, 9))
    def night(self, days: int) -> None:
        self.at += timedelta(days=days)
        run_night(self.library())
        assert run_night(self.library()).notices == 0
        for title, waiting in self.queues.items():
            left = {one.number for one in self._holds(title)}
            self.queues[title] = [number for number in waiting if number in left]

    def _holds(self, title: str) -> list[Any]:
        library = self.library()
        return [one for number in PATRONS for one in library.holds.of_patron(number) if one.title_id == title]

    @invariant()
    def loans_are_those_of_the_model(self) -> None:
        library = self.library()
        out = {loan.barcode: loan.number for number in PATRONS for loan in library.loans.of_patron(number)}
        assert out == self.loans

    @invariant()
    def the_queue_keeps_its_order(self) -> None:
        for title, waiting in self.queues.items():
            holds = sorted(self._holds(title), key=lambda one: (one.placed_at, one.id))
            assert [one.number for one in holds] == waiting
            assert len(waiting) == len(set(waiting))

    @invariant()
    def a_copy_is_in_one_place(self) -> None:
        library = self.library()
        for barcode in COPIES:
            copy, aside = library.collection.copy(barcode), library.holds.set_aside(barcode)
            assert copy is not None
            travels = library.holds.destination(barcode)
            assert not (barcode in self.loans and (aside or travels))
            assert (travels is not None) == (copy.state is ItemState.IN_TRANSIT)
            if aside is not None:
                waiting = aside.state is HoldState.WAITING
                assert copy.state is (ItemState.HOLD_SHELF if waiting else ItemState.IN_TRANSIT)
                assert (aside.waits_until is not None) == waiting
            else:
                assert copy.state in {ItemState.AVAILABLE, ItemState.IN_TRANSIT}

    @invariant()
    def limits_and_calendars_hold(self) -> None:
        library = self.library()
        for number in PATRONS:
            assert len(library.holds.of_patron(number)) <= POLICY.terms.max_holds
            for loan in library.loans.of_patron(number):
                assert any(library.collection.calendar(branch).is_open(loan.due_on) for branch in BRANCHES)

    @invariant()
    def the_log_names_open_loans_only(self) -> None:
        rows = self.library().rows.all(self.library().rows.select(event))
        named = {(row.barcode, row.patron_number) for row in rows if row.barcode or row.patron_number}
        assert named <= set(self.loans.items())


def test_any_order_of_acts(make_hub: MakeHub, hub_database: DatabaseUrls | None) -> None:
    """Lend, return, hold, cancel, renew and let days go by, in every order: the invariants hold after each act."""
    hub = make_hub("library", database=hub_database)
    examples = 12 if hub_database is None else 4
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        lambda: Lending(hub),
        settings=settings(max_examples=examples, stateful_step_count=20, deadline=None, suppress_health_check=checks),
    )
