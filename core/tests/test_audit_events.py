"""What may stand in an audit record, and that its text is canonical."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from mykey_core.audit import events
from mykey_core.audit.canonical import canonical_json, instant_text, record_text
from mykey_core.audit.core_events import CORE_EVENTS
from mykey_core.audit.errors import AuditSchemaError
from mykey_core.audit.events import CHECKS, CODE, NAME, SUBJECT, EventType
from mykey_core.storage.types import to_microseconds

events.register(*CORE_EVENTS)
TERMINAL = {"terminal": "01234567-89ab-7def-8123-456789abcdef", "service_point": "窓口-1"}
ACTION = {**TERMINAL, "service": "library-desk", "action": "open", "code": "library.lent"}
AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
# The JSON that facts may hold: no floating-point numbers, ASCII member names.
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(max_codepoint=127), max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(value=JSON_VALUES)
def test_the_text_is_that_of_rfc_8785(value: Any) -> None:
    """Another implementation of RFC 8785 writes the same bytes for everything that facts can hold."""
    assert canonical_json(value).encode() == rfc8785.dumps(value)


@given(facts=st.dictionaries(st.text(st.characters(max_codepoint=127), max_size=6), JSON_VALUES, max_size=4))
def test_the_text_of_a_record_is_canonical(facts: dict[str, Any]) -> None:
    """A record's text, put together from stored parts, is the canonical text of the whole."""
    identity = UUID("01234567-89ab-7def-8123-456789abcdef")
    text = record_text("132217", identity, to_microseconds(AT), "tap.done", canonical_json(facts))
    assert text.encode() == rfc8785.dumps(json.loads(text))
    assert json.loads(text) == {
        "at": "2026-11-23T09:00:00.000000Z",
        "event": "tap.done",
        "facts": facts,
        "id": str(identity),
        "municipality": "132217",
    }


def test_an_instant_has_one_text() -> None:
    """RFC 3339 in UTC with six digits of the second's fraction."""
    assert instant_text(to_microseconds(AT) + 1) == "2026-11-23T09:00:00.000001Z"
    assert instant_text(-1) == "1969-12-31T23:59:59.999999Z"
    assert instant_text(to_microseconds(AT.astimezone(timezone(timedelta(hours=9))))) == "2026-11-23T09:00:00.000000Z"


def test_registered_facts_are_accepted() -> None:
    """An event with all its facts passes; optional facts may be there, be null or be left out."""
    events.check("action.done", ACTION)
    events.check("action.done", {**ACTION, "subject": None})
    events.check("action.done", {**ACTION, "subject": "a" * 43})


@pytest.mark.parametrize(
    ("event", "facts", "fact"),
    [
        ("tap.unheard_of", {}, None),
        ("action.done", {**ACTION, "name": "山田"}, "name"),
        ("action.done", {key: ACTION[key] for key in ACTION if key != "code"}, "code"),
        ("action.done", {**ACTION, "code": None}, "code"),
        ("action.done", {**ACTION, "code": "山田 太郎"}, "code"),
        ("action.done", {**ACTION, "code": "123456789012"}, "code"),
        ("action.done", {**ACTION, "subject": "not a pairwise id"}, "subject"),
        ("action.done", {**ACTION, "subject": 1}, "subject"),
        ("action.done", {**ACTION, "terminal": "desk"}, "terminal"),
    ],
)
def test_what_is_not_registered_is_refused(event: str, facts: dict[str, Any], fact: str | None) -> None:
    """Unknown events and facts, missing ones and other forms are refused; the message never repeats the value."""
    with pytest.raises(AuditSchemaError) as caught:
        events.check(event, facts)
    assert caught.value.fact == fact
    assert "山田" not in str(caught.value)
    assert "123456789012" not in str(caught.value)


@pytest.mark.parametrize(
    "detail", ["123456789012", "until 1234567890123456", "山田太郎", "a" * 161, "two\nlines", 5, None]
)
def test_evidence_takes_no_number_of_a_person(detail: Any) -> None:
    """A line of evidence is short ASCII without a number of twelve digits or more."""
    assert not CHECKS.accepts([{"check": "path", "passed": True, "detail": detail}])
    assert CHECKS.accepts([{"check": "path", "passed": True, "detail": "CA 00112233445566aa"}])
    assert not CHECKS.accepts([{"check": "path", "passed": True, "detail": "", "more": 1}])


@given(value=st.text())
def test_no_form_takes_free_text(value: str) -> None:
    """A code has no space and nothing but ASCII, a name no space, a pairwise id exactly 43 characters."""
    if CODE.accepts(value):
        assert value.isascii()
        assert " " not in value
        assert not value.isdigit()
    if NAME.accepts(value):
        assert not any(char.isspace() for char in value)
    if SUBJECT.accepts(value):
        assert len(value) == 43


def test_a_name_is_registered_once() -> None:
    """The same event again is nothing; another one of the same name, or a name that is no code, is an error."""
    events.register(EventType("test.once", {"code": CODE}))
    events.register(EventType("test.once", {"code": CODE}))
    for kind in (
        EventType("test.once", {"name": NAME}),
        EventType("not a code"),
        EventType("test.b", {"Fact 1": CODE}),
    ):
        with pytest.raises(ValueError, match="registered"):
            events.register(kind)
