"""The rules of lending as JSON in and out: a question with all its facts, and the decision with its reason."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from mykey_core.api import MykeyError
from mykey_library import rules
from mykey_library.calendar import Calendar


@dataclass(frozen=True, config={"extra": "forbid"})
class Days:
    """The open days of the branch: closed weekdays (0 = Monday), and single days that are otherwise."""

    closed_weekdays: str = ""
    exceptions: dict[date, bool] | None = None


@dataclass(frozen=True, config={"extra": "forbid"})
class Question:
    """May this patron lend, renew or hold on this day? `item` counts for lending, `loan` for renewing."""

    act: Literal["lend", "renew", "hold"]
    day: date
    patron: rules.PatronFacts = rules.PatronFacts()
    item: rules.ItemFacts = rules.ItemFacts()
    loan: rules.LoanFacts | None = None
    terms: rules.Terms = rules.Terms()
    limits: rules.Limits = rules.Limits()
    calendar: Days = Days()


_adapter = TypeAdapter(Question)


def question_schema() -> dict[str, Any]:
    """The JSON Schema of a question."""
    return _adapter.json_schema()


def answer(text: str) -> dict[str, Any]:
    """`{"allowed", "reason", "due_on"}`, or `{"error"}` that names the member that is wrong."""
    try:
        question = _adapter.validate_json(text)
        return _decide(question)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the question"
        return {"error": {"code": "question_malformed", "member": place, "message": first["msg"]}}
    except MykeyError as error:
        return {"error": {"code": "calendar_closed", "member": "calendar", "message": str(error)}}


def _decide(asked: Question) -> dict[str, Any]:
    calendar = Calendar(asked.calendar.closed_weekdays, asked.calendar.exceptions or {})
    due: date | None = None
    if asked.act == "lend":
        reason = rules.lending_reason(asked.patron, asked.item, asked.terms, asked.limits, asked.day)
        due = rules.due_on(asked.terms, calendar, asked.day)
    elif asked.act == "hold":
        reason = rules.hold_reason(asked.patron, asked.terms, asked.limits, asked.day)
    else:
        loan = asked.loan or rules.LoanFacts(asked.day, 0)
        reason = rules.renewal_reason(asked.patron, loan, asked.terms, asked.limits, asked.day)
        due = rules.renewed_due_on(asked.terms, calendar, asked.day, loan.due_on)
    shown = due.isoformat() if due and reason is None else None
    return {"allowed": reason is None, "reason": reason and reason.value, "due_on": shown}
