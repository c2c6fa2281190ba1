"""The database of one municipality's hub: who begins and ends transactions, on SQLite and on PostgreSQL.

`look_up` is one row by one statement; `reading` a consistent view; `commit` a unit of work, answered when it is
durable; `writing` the same for a block of code. SQLAlchemy's engine stays reachable for administration.
"""

from __future__ import annotations

import sqlite3
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from mykey_core.errors import ConfigurationError, StorageUnavailable
from mykey_core.storage import act
from mykey_core.storage.engine import BUSY_TIMEOUT_MS, open_engine
from mykey_core.storage.errors import CommitUnknown, translated, unavailable
from mykey_core.storage.group_commit import GroupCommit
from mykey_core.storage.prepared import Form, Prepared
from mykey_core.storage.remote_session import RemoteSession
from mykey_core.storage.session import Session
from mykey_core.tenancy.codes import is_municipality_code

T = TypeVar("T")
Work = Callable[[Session], T]
WasMade = Callable[[Session, T], bool]
FIND_OUT_SECONDS = 10.0


class Database(ABC):
    """See the module. `municipality` is None for administration only."""

    driver_error: type[Exception]
    begin_statement: str
    begin_reading_statement: str
    session_class: type[Session] = Session

    def __init__(self, engine: Engine, municipality: str | None) -> None:
        if municipality is not None and not is_municipality_code(municipality):
            raise ConfigurationError("municipality", "it is the six-digit code with its check digit, such as 132217")
        self.engine = engine
        self.municipality = municipality
        self.forms: dict[Prepared, Form] = {}
        self._idle: deque[Session] = deque()

    @abstractmethod
    def commit(self, work: Work[T], was_made: WasMade[T] | None = None) -> T:
        """Do `work` in a write transaction; what it raises is raised here, with nothing written.

        `work` may run in another thread, beside units of other callers, and must not write by another session.
        Where the connection is lost during the commit, `was_made(session, result)` finds out on a new one whether it
        was; without it, or when the database stays away, `CommitUnknown` is raised.
        """

    @abstractmethod
    def writing(self) -> Any:
        """A context manager: one write transaction, committed at the end of the block, undone by any exception.

        The first one of an act that has a claim (`act.begin`) begins with it; so does that of `commit`.
        """

    def look_up(self, prepared: Prepared, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """The first row of a prepared SELECT, or None; takes no lock."""
        with self._session() as session:
            return session.first(prepared, values)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that reads one consistent state and writes nothing."""
        with self._session() as session:
            session.begin_reading()
            try:
                yield session
            finally:
                session.roll_back()

    def dispose(self) -> None:
        """Close all connections; the next use opens new ones."""
        self._close_idle()
        self.engine.dispose()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close(broken=True)

    def translate(self, error: Exception, sql: str) -> Exception:
        """A driver's error as `StorageUnavailable` or as SQLAlchemy's."""
        return translated(error, sql, self.driver_error, self.engine.dialect)

    def commit_failed(self, error: BaseException | None) -> Exception:
        """What a failed COMMIT means: nothing was written, or nobody knows."""
        return unavailable(error) or StorageUnavailable(type(error).__name__)

    @contextmanager
    def _session(self) -> Iterator[Session]:
        """A session that is used by nobody else, kept open between uses; one that fails is closed."""
        try:
            session = self._idle.pop()
        except IndexError:
            session = self._connect()
        try:
            yield session
        except StorageUnavailable:
            session.close(broken=True)
            self._close_idle()  # they may have gone the same way
            raise
        except BaseException:
            self._idle.append(session)
            raise
        self._idle.append(session)

    def _connect(self) -> Session:
        try:
            return self.session_class(self, self.engine.connect())
        except DBAPIError as error:
            raise unavailable(error.orig) or error from error


class SqliteDatabase(Database):
    """SQLite, embedded: one writer at a time, and units that arrive together share a commit."""

    driver_error = sqlite3.Error
    begin_statement = "BEGIN IMMEDIATE"
    begin_reading_statement = "BEGIN"

    def __init__(self, engine: Engine, municipality: str | None) -> None:
        super().__init__(engine, municipality)
        self._group = GroupCommit(self._connect, patience=BUSY_TIMEOUT_MS / 1000)

    def commit(self, work: Work[T], was_made: WasMade[T] | None = None) -> T:  # noqa: ARG002 - nothing gets lost here
        """See `Database.commit`."""
        first = act.pending()
        if first is None:
            return self._group.run(work)
        result = self._group.run(first.before(work))
        first.made = True
        return result

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """See `Database.writing`."""
        first = act.pending()
        with self._group.exclusive() as session:
            if first is not None:
                first.work(session)
            yield session
        if first is not None:
            first.made = True

    def dispose(self) -> None:
        """Close all connections; the next use opens new ones."""
        self._group.close()
        super().dispose()


class PostgresDatabase(Database):
    """PostgreSQL: the server groups the commits of all connections by itself.

    Its connections are in the driver's autocommit mode, so that a look-up is one round trip.
    """

    session_class = RemoteSession
    begin_statement = "BEGIN"
    begin_reading_statement = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

    def __init__(self, engine: Engine, municipality: str | None) -> None:
        import psycopg  # noqa: PLC0415 - an extra: mykey[postgres]

        super().__init__(engine.execution_options(isolation_level="AUTOCOMMIT"), municipality)
        self.driver_error = psycopg.Error

    def commit(self, work: Work[T], was_made: WasMade[T] | None = None) -> T:
        """See `Database.commit`."""
        results: list[T] = []
        try:
            with self.writing() as session:
                results.append(work(session))
        except CommitUnknown:
            if was_made is None or not results or not self._find_out(was_made, results[0]):
                raise
        return results[0]

    def _find_out(self, was_made: WasMade[T], result: T) -> bool:
        """Ask until the database answers or `FIND_OUT_SECONDS` are over, which is an answer too: nobody knows."""
        until = time.monotonic() + FIND_OUT_SECONDS
        while True:
            self._close_idle()  # they went the same way
            try:
                with self.writing() as session:
                    return was_made(session, result)
            except StorageUnavailable:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """See `Database.writing`."""
        first = act.pending()
        with self._session() as session:
            session.begin()
            try:
                if first is not None:
                    first.work(session)
                yield session
            except BaseException:
                session.roll_back()
                raise
            session.commit()
        if first is not None:
            first.made = True

    def commit_failed(self, error: BaseException | None) -> Exception:
        """Without a state from the server, the commit may have been made or not."""
        if getattr(error, "sqlstate", None) is None:
            return CommitUnknown("the connection was lost during the commit")
        return self.translate(cast(Exception, error), "COMMIT")


def open_database(url: str, municipality: str | None = None) -> Database:
    """The database at `url` for one municipality, or for administration without one; nothing is connected yet."""
    engine = open_engine(url, municipality)
    kind = SqliteDatabase if engine.dialect.name == "sqlite" else PostgresDatabase
    return kind(engine, municipality)
