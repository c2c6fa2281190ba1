"""Column types that behave alike on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(instant: datetime) -> int:
    """Microseconds since 1970-01-01T00:00:00Z; `ValueError` for a datetime without time zone."""
    if instant.tzinfo is None:
        raise ValueError("an instant has a time zone")
    return (instant - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """The UTC instant `value` microseconds after 1970-01-01T00:00:00Z."""
    return _EPOCH + value * _MICROSECOND


class UtcInstant(TypeDecorator[datetime]):
    """An instant as whole microseconds since 1970 (BIGINT): exact, ordered and the same in every database.

    SQLite has no type for instants and drops time zones silently, hence a number (docs/adr/0003).
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Datetime with time zone → microseconds."""
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Microseconds → UTC datetime."""
        return None if value is None else from_microseconds(value)
