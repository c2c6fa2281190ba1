"""The one text of a record: canonical JSON by RFC 8785, and the column type that stores facts in that form.

Facts hold strings, integers, booleans, null, lists and objects with ASCII member names; for these Python's own encoder
with sorted members gives the bytes of RFC 8785 (the tests compare it with another implementation). Floating-point
numbers, whose canonical form is the hard part of the standard, have no place in a record.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import JSON
from sqlalchemy.types import TypeDecorator

from mykey_core.storage.types import from_microseconds

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
_UTC = timedelta(0)


def canonical_json(value: Any) -> str:
    """`value` as canonical JSON; `TypeError` for what JSON does not know."""
    return _encode(value)


class CanonicalJson(TypeDecorator[Any]):
    """A JSON column whose stored text is canonical, so that a record's text can be put together without parsing.

    In PostgreSQL it is `json`, which keeps the text as it came (`jsonb` does not).
    """

    impl = JSON
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Any:  # noqa: ARG002 - the same text for every database
        """A value → its canonical text."""
        return canonical_json


def instant_text(instant: datetime) -> str:
    """`2026-11-23T09:00:00.000000Z`: RFC 3339 in UTC, always with six digits of the second's fraction."""
    text = instant.isoformat(timespec="microseconds")
    if instant.utcoffset() != _UTC:
        raise ValueError("an instant of a record is in UTC")
    return text[:-6] + "Z"


def record_text(municipality: str, record_id: UUID, at: int, event: str, facts: str) -> str:
    """The canonical text of a record from what the database holds: `at` in microseconds, `facts` as stored text.

    What is no record raises `TypeError`, `ValueError`, `OverflowError` or `AttributeError`: it was not written by us.
    """
    instant = instant_text(from_microseconds(at))
    head = f'{{"at":"{instant}","event":{_word(event)},"facts":{facts}'
    return f'{head},"id":"{record_id}","municipality":{_word(municipality)}}}'


@lru_cache(maxsize=1024)
def _word(text: str) -> str:
    return _encode(text)
