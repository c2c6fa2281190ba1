"""Refusing JSON bodies that parsers read differently: two members of one name, a byte order mark, wrong UTF-8."""

from __future__ import annotations

import json
from typing import Any

from mykey_core.errors import Refusal


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def check_json(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`; `request_malformed` when strict readers could disagree about it."""
    try:
        value = json.loads(body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refusal("request_malformed", "the body is no strict JSON") from error
    if not isinstance(value, dict):
        raise Refusal("request_malformed", "the body is no JSON object")
    return value
