"""How often something may be done: `Rates` counts in the database and refuses above a limit.

The library `limits` does the arithmetic, and `rate_storage` keeps the counters. Both are imported when somebody is
counted for the first time: the library brings its storages for asyncio, and a hub that starts does without.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING

from mykey_core.clock import Clock
from mykey_core.errors import Refusal
from mykey_core.storage.database import Database

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.strategies import FixedWindowRateLimiter


class TooManyRequests(Refusal):
    """`too_many_requests`: come again after `retry_after` seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("too_many_requests")
        self.retry_after = retry_after


class Rates:
    """The limits of one municipality's pages. `hit` counts and refuses."""

    def __init__(self, database: Database, municipality: str, clock: Clock) -> None:
        self._database = database
        self._municipality = municipality
        self._clock = clock

    def hit(self, limit: str, *identifiers: str) -> None:
        """Count one for `identifiers` under `limit` (such as `10/minute`); `TooManyRequests` above it."""
        item = _parsed(limit)
        if not self._limiter.hit(item, *identifiers):
            ends = self._limiter.storage.get_expiry(item.key_for(*identifiers))
            raise TooManyRequests(max(1, round(ends - self._clock().timestamp())))

    @cached_property
    def _limiter(self) -> FixedWindowRateLimiter:
        from limits.strategies import FixedWindowRateLimiter  # noqa: PLC0415 - see the module

        from mykey_core.portal.rate_storage import DatabaseStorage  # noqa: PLC0415 - see the module

        return FixedWindowRateLimiter(DatabaseStorage(self._database, self._municipality, self._clock))


@cache
def _parsed(limit: str) -> RateLimitItem:
    from limits import parse  # noqa: PLC0415 - see the module

    return parse(limit)
