"""The register of events: which facts an audit record may hold, and of which form. Nothing else gets into the log.

A fact is a code, an id, an instant or a list of checks; there is no form for a name, an address, a number of a person
or free text. Whoever records something new registers it beside the code that records it:

    register(EventType("consent.granted", required={"subject": SUBJECT, "purpose": CODE}))
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from mykey_core.audit.errors import AuditSchemaError

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.:/-]{0,127}")
_FACT = re.compile(r"[a-z_]+")  # `references` finds facts in the text by this form of their names
_NAME = re.compile(r"\w[\w.-]{0,63}")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_SUBJECT = re.compile(r"[A-Za-z0-9_-]{43}")
_OID = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]*)){1,30}")
_DISTINGUISHED_NAME = re.compile(r"[A-Za-z0-9.]+=[^=\r\n]{1,128}(?:,[A-Za-z0-9.]+=[^=\r\n]{1,128}){0,9}")
_DETAIL = re.compile(r"[ -~]{0,160}")
_LONG_NUMBER = re.compile(r"(?<![0-9A-Za-z])[0-9]{12,}(?![0-9A-Za-z])")
_MAX_CHECKS = 32
LINKS = frozenset({"event", "consent", "delegation"})
"""Names of facts whose id leads to a person, by the register of persons: a life event, a consent, a delegation."""
_MAX_INTEGER = 2**53 - 1  # what RFC 8785 can write exactly


@dataclass(frozen=True, slots=True)
class FactType:
    """The form of a fact."""

    name: str
    accepts: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class EventType:
    """An event and its facts; those in `optional` may be left out or null. `about` are those that lead to a person."""

    name: str
    required: Mapping[str, FactType] = field(default_factory=dict)
    optional: Mapping[str, FactType] = field(default_factory=dict)

    about: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        every = {**self.required, **self.optional}
        leads = (name for name, form in every.items() if form is SUBJECT or name in LINKS)
        object.__setattr__(self, "about", tuple(leads))


def _matches(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    def accepts(value: Any) -> bool:
        return isinstance(value, str) and pattern.fullmatch(value) is not None

    return accepts


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MAX_INTEGER


def _is_instant(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _is_detail(value: Any) -> bool:
    """A line of evidence in ASCII, where a long number (a My Number has 12 digits) has no place."""
    return isinstance(value, str) and _DETAIL.fullmatch(value) is not None and _LONG_NUMBER.search(value) is None


def _is_code_list(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= _MAX_CHECKS and all(map(CODE.accepts, value))


def _is_check(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"check", "passed", "detail"}
        and CODE.accepts(value["check"])
        and isinstance(value["passed"], bool)
        and _is_detail(value["detail"])
    )


def _is_checks(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= _MAX_CHECKS and all(map(_is_check, value))


def _is_revocation(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"source", "mode", "this_update"}
        and _is_detail(value["source"])
        and CODE.accepts(value["mode"])
        and _is_instant(value["this_update"])
    )


CODE = FactType("code", _matches(_CODE))  # a stable machine word: library.lent, nonce_used, staff:desk-1
CODES = FactType("list of codes", _is_code_list)
NAME = FactType("name of a thing", _matches(_NAME))  # a service point, as the municipality calls it
UUID = FactType("uuid", _matches(_UUID))
SUBJECT = FactType("pairwise id", _matches(_SUBJECT))
OID = FactType("object identifier", _matches(_OID))
ISSUER = FactType("name of a CA", _matches(_DISTINGUISHED_NAME))
INSTANT = FactType("instant", _is_instant)
INTEGER = FactType("integer", _is_integer)
BOOLEAN = FactType("boolean", lambda value: isinstance(value, bool))
CHECKS = FactType("list of checks", _is_checks)
REVOCATION = FactType("revocation answer", _is_revocation)

_events: dict[str, EventType] = {}
events: Mapping[str, EventType] = MappingProxyType(_events)
"""All registered events by name."""


def register(*types: EventType) -> None:
    """Add events; the same again is nothing, another event of a registered name is a `ValueError`."""
    for kind in types:
        if not CODE.accepts(kind.name) or _events.get(kind.name, kind) != kind:
            raise ValueError(f"'{kind.name}' is no name of an event, or is registered with other facts")
        if not all(_FACT.fullmatch(name) for name in {**kind.required, **kind.optional}):
            raise ValueError(f"'{kind.name}': a registered fact has a name of the letters a to z and _")
        _events[kind.name] = kind


def check(event: str, facts: Mapping[str, Any]) -> None:
    """Refuse, by `AuditSchemaError`, an event or a fact that is not registered, missing or of another form."""
    kind = _events.get(event)
    if kind is None:
        raise AuditSchemaError(event if CODE.accepts(event) else "?", None, "it is not registered")
    required, optional = kind.required, kind.optional
    found = 0
    for name, value in facts.items():
        form = required.get(name)
        if form is not None:
            found += 1
        else:
            form = optional.get(name)
            if value is None and form is not None:
                continue
        if form is None or not form.accepts(value):
            reason = "it is not registered" if form is None else f"it is no {form.name}"
            raise AuditSchemaError(event, name if NAME.accepts(name) else "?", reason)
    if found != len(required):
        raise AuditSchemaError(event, min(required.keys() - facts.keys()), "it is missing")
