"""Column types of the audit tables: canonical JSON, and ids that need not be made objects first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import JSON, Uuid
from sqlalchemy.types import TypeDecorator

from mykey_core.audit.canonical import canonical_json

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect


class CanonicalJson(TypeDecorator[Any]):
    """A JSON column whose stored text is canonical, so that a record's text can be put together without parsing.

    In PostgreSQL it is `json`, which keeps the text as it came (`jsonb` does not).
    """

    impl = JSON
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], str]:  # noqa: ARG002 - the same text everywhere
        """A value → its canonical text."""
        return canonical_json


class StoredUuid(TypeDecorator[Any]):
    """A UUID column that also takes the id as it was read from the same database: 32 hexadecimal digits in SQLite."""

    impl = Uuid
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """UUID or what is stored → what is stored."""
        return _hex if dialect.name == "sqlite" else None


def _hex(value: Any) -> Any:
    return value.hex if isinstance(value, UUID) else value
