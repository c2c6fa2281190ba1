"""The rules of lending, by themselves and as JSON in and out."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from mykey_library import rules
from mykey_library.calendar import Calendar, NeverOpen
from mykey_library.circulation import ItemState, Reason
from mykey_library.cli import library
from mykey_library.policy import LibrarySettingError, Policy
from mykey_library.rules import ItemFacts, Limits, LoanFacts, PatronFacts, PatronStanding, Terms

DAY = date(2026, 11, 23)
LATE = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("patron", "reason"),
    [
        (PatronFacts(standing=PatronStanding.STOPPED), Reason.PATRON_STOPPED),
        (PatronFacts(standing=PatronStanding.BLOCKED), Reason.PATRON_STOPPED),
        (PatronFacts(standing=PatronStanding.LOST), Reason.CARD_LOST),
        (PatronFacts(expires_on=LATE), Reason.PATRON_EXPIRED),
        (PatronFacts(expires_on=DAY), None),
        (PatronFacts(suspended_until=DAY), Reason.PATRON_SUSPENDED),
        (PatronFacts(suspended_until=LATE), None),
        (PatronFacts(overdue=1), Reason.TOO_MANY_OVERDUE),
        (PatronFacts(debt_yen=500), Reason.FEE_TOO_HIGH),
        (PatronFacts(debt_yen=499), None),
        (PatronFacts(loans=10), Reason.TOO_MANY_LOANS),
        (PatronFacts(loans=9), None),
        (PatronFacts(loans=12, loans_of_kind=3, most_loans=20), None),
        (PatronFacts(loans=12, loans_of_kind=10, most_loans=20), Reason.TOO_MANY_LOANS),
        (PatronFacts(loans=20, loans_of_kind=0, most_loans=20), Reason.TOO_MANY_LOANS),
    ],
)
def test_what_stops_a_patron(patron: PatronFacts, reason: Reason | None) -> None:
    """Each standing has its own reason, and each limit holds to the last day, the last item and the last yen."""
    assert rules.lending_reason(patron, ItemFacts(), Terms(), Limits(fee_yen=500), DAY) is reason


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (ItemFacts(with_you=True, on_loan=True), Reason.ITEM_WITH_YOU),
        (ItemFacts(on_loan=True), Reason.ITEM_ON_LOAN),
        (ItemFacts(for_loan=False), Reason.ITEM_REFERENCE_ONLY),
        (ItemFacts(set_aside_for_you=False), Reason.ITEM_ON_HOLD),
        (ItemFacts(set_aside_for_you=True, ahead=3), None),
        (ItemFacts(ahead=1), Reason.ITEM_ON_HOLD),
        (ItemFacts(state=ItemState.LOST), Reason.ITEM_LOST),
        (ItemFacts(state=ItemState.IN_PROCESS), Reason.ITEM_WITHDRAWN),
        (ItemFacts(state=ItemState.IN_TRANSIT), None),
    ],
)
def test_what_stops_an_item(item: ItemFacts, reason: Reason | None) -> None:
    """A copy is not lent that is out, for reading here, set aside, waited for, or not ready."""
    assert rules.lending_reason(PatronFacts(), item, Terms(), Limits(), DAY) is reason


@pytest.mark.parametrize(
    ("loan", "reason"),
    [
        (LoanFacts(DAY, 0), None),
        (LoanFacts(LATE, 0), Reason.RENEWAL_OVERDUE),
        (LoanFacts(DAY, 1), Reason.TOO_MANY_RENEWALS),
        (LoanFacts(DAY, 0, ahead=1), Reason.RENEWAL_HELD),
    ],
)
def test_what_stops_a_renewal(loan: LoanFacts, reason: Reason | None) -> None:
    """Up to the due date, as often as the terms say, and not when somebody waits."""
    assert rules.renewal_reason(PatronFacts(loans=1), loan, Terms(), Limits(), DAY) is reason


def test_holds_of_a_patron() -> None:
    """Whoever is late may still wait for a book; the limit of holds stands, and a stopped patron holds nothing."""
    assert rules.hold_reason(PatronFacts(overdue=2), Terms(), Limits(), DAY) is None
    assert rules.hold_reason(PatronFacts(holds=5), Terms(), Limits(), DAY) is Reason.TOO_MANY_HOLDS
    stopped = PatronFacts(standing=PatronStanding.STOPPED)
    assert rules.hold_reason(stopped, Terms(), Limits(), DAY) is Reason.PATRON_STOPPED


closed = st.text("0123456", max_size=6)
days = st.dates(date(2020, 1, 1), date(2035, 12, 31))
exceptions = st.dictionaries(st.dates(date(2026, 1, 1), date(2027, 12, 31)), st.booleans(), max_size=20)


@given(weekdays=closed, other=exceptions, day=days, length=st.integers(1, 60))
def test_a_due_date_is_the_first_open_day(weekdays: str, other: dict[date, bool], day: date, length: int) -> None:
    """Whatever the calendar: the due date is open, not before the term, and no open day lies between."""
    calendar = Calendar(weekdays, other)
    due = rules.due_on(Terms(loan_days=length), calendar, day)
    wanted = day + timedelta(days=length)
    assert calendar.is_open(due)
    assert due >= wanted
    assert calendar.open_days_between(wanted, due) == 1


@given(due=days, late=st.integers(-30, 400), per_day=st.integers(0, 5))
def test_a_suspension_is_bounded(due: date, late: int, per_day: int) -> None:
    """Nobody is suspended for an item that came back in time, nor for longer than the longest suspension."""
    returned = due + timedelta(days=late)
    until = rules.suspended_until(Limits(suspension=per_day, longest_suspension=60), due, returned)
    assert (until is not None) == (late > 0 and per_day > 0)
    assert until is None or timedelta(0) < until - returned <= timedelta(days=60)


def test_a_branch_that_never_opens_is_an_error() -> None:
    """A calendar without an open day is named instead of being searched for ever."""
    with pytest.raises(NeverOpen):
        Calendar("0123456").first_open(DAY)


def test_the_closest_cell_of_the_matrix_counts() -> None:
    """Category and kind, then the category, then the kind, then all, then the settings."""
    cells = {("child", "av"): 1, ("child", "*"): 2, ("*", "av"): 3, ("*", "*"): 4}
    policy = Policy().with_matrix({cell: Terms(loan_days=number) for cell, number in cells.items()})
    asked = [("child", "av"), ("child", "book"), ("general", "av"), ("general", "book")]
    assert [policy.terms_for(*cell).loan_days for cell in asked] == [1, 2, 3, 4]
    assert Policy().terms_for("general", "book").loan_days == 14


def test_lending_without_a_card_needs_its_ground() -> None:
    """The policy cannot be switched on without saying why."""
    with pytest.raises(LibrarySettingError, match="desk_without_card_basis"):
        Policy.from_settings({"desk_without_card": True})
    assert (
        Policy.from_settings({"desk_without_card": True, "desk_without_card_basis": "館則第5条"}).basis == "館則第5条"
    )


def _ask(question: Any) -> tuple[int, Any]:
    text = question if isinstance(question, str) else json.dumps(question)
    result = CliRunner().invoke(library, ["rules"], input=text)
    return result.exit_code, json.loads(result.stdout)


@pytest.mark.parametrize(
    ("question", "code", "answer"),
    [
        (
            {"act": "lend", "day": "2026-11-23", "calendar": {"closed_weekdays": "0"}},
            0,
            {"allowed": True, "reason": None, "due_on": "2026-12-08"},
        ),
        (
            {"act": "renew", "day": "2026-11-23", "loan": {"due_on": "2026-11-22", "renewals": 0}},
            0,
            {"allowed": False, "reason": "renewal_overdue", "due_on": None},
        ),
        (
            {"act": "hold", "day": "2026-11-23", "patron": {"holds": 5}},
            0,
            {"allowed": False, "reason": "too_many_holds", "due_on": None},
        ),
    ],
)
def test_rules_by_command(question: Any, code: int, answer: Any) -> None:
    """`mykey library rules` decides from the facts in the question alone."""
    assert _ask(question) == (code, answer)


@pytest.mark.parametrize(
    ("question", "member"),
    [({"act": "steal", "day": "2026-11-23"}, "act"), ({"act": "lend", "day": "soon"}, "day"), ("no JSON", "question")],
)
def test_bad_questions_name_the_member(question: Any, member: str) -> None:
    """An error in JSON and exit status 1, and no traceback."""
    code, answer = _ask(question)
    assert code == 1
    assert member in answer["error"]["member"]
