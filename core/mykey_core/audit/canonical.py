"""The one text of a record: canonical JSON by RFC 8785.

Facts hold strings, integers, booleans, null, lists and objects with ASCII member names; for these Python's own encoder
with sorted members gives the bytes of RFC 8785 (the tests compare it with another implementation). Floating-point
numbers, whose canonical form is the hard part of the standard, have no place in a record.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any
from uuid import UUID

from mykey_core.storage.types import from_microseconds

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def canonical_json(value: Any) -> str:
    """`value` as canonical JSON; `TypeError` for what JSON does not know."""
    return _encode(value)


def instant_text(microseconds: int) -> str:
    """Microseconds since 1970 as `2026-11-23T09:00:00.000000Z`: RFC 3339 in UTC, always with six digits."""
    seconds, fraction = divmod(microseconds, 1_000_000)
    return f"{_second(seconds)}.{fraction:06d}Z"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return from_microseconds(seconds * 1_000_000).strftime("%Y-%m-%dT%H:%M:%S")


def record_text(municipality: str, record_id: str | UUID, at: int, event: str, facts: str) -> str:
    """The canonical text of a record from what the database holds: `at` in microseconds, `facts` as stored text.

    `record_id` may be 32 hexadecimal digits. What is no record raises `TypeError`, `ValueError`, `OverflowError` or
    `AttributeError`: it was not written by us.
    """
    head = f'{{"at":"{instant_text(at)}","event":{_word(event)},"facts":{facts}'
    return f'{head},"id":"{_dashed(record_id)}","municipality":{_word(municipality)}}}'


def _dashed(record_id: str | UUID) -> str:
    text = str(record_id)
    if len(text) != 32:  # noqa: PLR2004 - without dashes
        return text
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@lru_cache(maxsize=1024)
def _word(text: str) -> str:
    return _encode(text)
