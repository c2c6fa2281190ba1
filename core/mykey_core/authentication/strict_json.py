"""JSON as RFC 8259 writes it, without what Python's parser lets through: equal members, NaN, endless nesting.

Only reading; what the members mean is the caller's business.
"""

from __future__ import annotations

import json
from typing import Any

MAXIMUM_DEPTH = 16


class JsonRefused(ValueError):
    """Text that is no strict JSON."""


class MemberTwice(JsonRefused):
    """An object names a member twice; which one counts would be the reader's guess."""


class NestedTooDeep(JsonRefused):
    """Arrays and objects within each other beyond `MAXIMUM_DEPTH`."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    check_no_member_twice(members, pairs)
    return members


def check_no_member_twice(members: dict[str, Any], pairs: list[tuple[str, Any]]) -> None:
    """`MemberTwice` when `members` lost one of `pairs`; Python keeps the last of equals."""
    if len(members) != len(pairs):
        raise MemberTwice("a member occurs twice")


def check_constant(name: str) -> None:
    """NaN and the infinities, which Python reads, are no JSON."""
    raise JsonRefused(f"{name} is no JSON")


def _constant(name: str) -> None:
    check_constant(name)


def check_depth(text: str) -> None:
    """`NestedTooDeep` beyond `MAXIMUM_DEPTH`."""
    # Brackets within strings only make the first count too high, and then the exact count decides.
    if text.count("{") + text.count("[") > MAXIMUM_DEPTH and _depth(text) > MAXIMUM_DEPTH:
        raise NestedTooDeep("nested too deep")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


def _depth(text: str) -> int:
    """The deepest nesting, counted outside strings; wrong text may give any number, the parser refuses it anyway."""
    deepest = depth = 0
    in_string = escaped = False
    for character in text:
        if escaped:
            escaped = False
        elif in_string:
            escaped = character == "\\"
            in_string = character != '"'
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def loads(text: str) -> Any:
    """Parse `text`; `JsonRefused` or one of its kinds when it is not strict JSON."""
    check_depth(text)
    try:
        return _DECODER.decode(text)
    except JsonRefused:
        raise
    except (ValueError, RecursionError) as error:
        raise JsonRefused("no JSON") from error
