"""The storage of rates in the database, for the library `limits`: all processes of a hub count together.

What is counted is kept as a hash until its window is over. Fixed windows only; the library does the arithmetic. Only
`rates` comes here, when somebody is counted for the first time.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from limits.storage import Storage
from sqlalchemy import bindparam, case, delete, literal, select
from sqlalchemy.dialects import postgresql, sqlite

from mykey_core.clock import Clock
from mykey_core.errors import StorageUnavailable
from mykey_core.portal.tables import rate_count
from mykey_core.storage.act import aside
from mykey_core.storage.database import Database
from mykey_core.storage.prepared import Prepared
from mykey_core.storage.types import UtcInstant

_find = Prepared(
    select(rate_count.c.hits, rate_count.c.expires_at).where(
        rate_count.c.municipality == bindparam("m"), rate_count.c.key_hash == bindparam("key_hash")
    )
)


class DatabaseStorage(Storage):
    """Counters in `rate_count`; one statement counts, on SQLite and on PostgreSQL."""

    STORAGE_SCHEME = None

    def __init__(self, database: Database, municipality: str, clock: Clock) -> None:
        super().__init__()
        self._database = database
        self._municipality = municipality
        self._clock = clock

    @property
    def base_exceptions(self) -> type[Exception]:
        """What a database that is away raises."""
        return StorageUnavailable

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count; the number in the running window of `expiry` seconds."""
        now = self._clock()
        ends = now + timedelta(seconds=expiry)
        dialect = self._database.engine.dialect.name
        make: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
        values = {"municipality": self._municipality, "key_hash": _hash(key), "hits": amount, "expires_at": ends}
        over = rate_count.c.expires_at <= now
        counted = make(rate_count).values(**values)
        counted = counted.on_conflict_do_update(
            index_elements=["municipality", "key_hash"],
            set_={
                "hits": case((over, amount), else_=rate_count.c.hits + amount),
                "expires_at": case((over, literal(ends, UtcInstant())), else_=rate_count.c.expires_at),
            },
        ).returning(rate_count.c.hits)
        with aside(), self._database.writing() as session:
            return int(session.execute(counted).scalar_one())

    def get(self, key: str) -> int:
        """The number in the running window."""
        hits, ends = self._row(key)
        return hits if ends > self._clock().timestamp() else 0

    def get_expiry(self, key: str) -> float:
        """When the running window ends, in seconds since 1970."""
        return self._row(key)[1]

    def check(self) -> bool:
        """Whether the database answers."""
        self._row("check")
        return True

    def reset(self) -> int:
        """Forget every counter."""
        gone = delete(rate_count).where(rate_count.c.municipality == self._municipality)
        with self._database.writing() as session:
            return int(session.execute(gone).rowcount)

    def clear(self, key: str) -> None:
        """Forget one counter."""
        own = (rate_count.c.municipality == self._municipality) & (rate_count.c.key_hash == _hash(key))
        with self._database.writing() as session:
            session.execute(delete(rate_count).where(own))

    def _row(self, key: str) -> tuple[int, float]:
        row = self._database.look_up(_find, {"m": self._municipality, "key_hash": _hash(key)})
        return (0, self._clock().timestamp()) if row is None else (int(row[0]), row[1].timestamp())


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
