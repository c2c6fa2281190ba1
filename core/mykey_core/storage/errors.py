"""What the drivers raise, sorted: the database cannot take the write now, or the statement is wrong."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy.exc import DBAPIError

from mykey_core.errors import MykeyError, StorageUnavailable

# Primary result codes of SQLite that pass by themselves or by an administrator's act (sqlite.org/rescode.html).
_SQLITE_TEMPORARY = frozenset({
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PROTOCOL,
})  # fmt: skip
# Classes of SQLSTATE (PostgreSQL's documentation, appendix A): connection, rollback by conflict, resources, operator.
_SQLSTATE_TEMPORARY = ("08", "40", "53", "57", "58")
_SQLSTATE_LOCK = "55P03"
_SQLSTATE_READ_ONLY = "25006"  # the server was demoted to a replica


class CommitUnknown(StorageUnavailable):
    """The connection was lost during the commit: the transaction was made or it was not; look before answering."""


class Superseded(MykeyError):
    """Another transaction was first: the row that this one was to change once is not as it was. Nothing was done."""


def unavailable(error: BaseException | None) -> StorageUnavailable | None:
    """`StorageUnavailable` for what passes (locked, full, gone, demoted); None for a wrong statement."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        return StorageUnavailable(name) if code is not None and code & 0xFF in _SQLITE_TEMPORARY else None
    state = getattr(error, "sqlstate", None)
    if state is None:  # psycopg: the connection is gone, so there was nobody to give a state
        lost = type(error).__name__ in {"OperationalError", "PipelineAborted", "ConnectionTimeout"}
        return StorageUnavailable("the connection to the database was lost") if lost else None
    if state[:2] in _SQLSTATE_TEMPORARY or state in {_SQLSTATE_LOCK, _SQLSTATE_READ_ONLY}:
        return StorageUnavailable(state)
    return None


def translated(error: Any, sql: str, base: type[Exception], dialect: Any) -> Exception:
    """A driver's error of a prepared statement as SQLAlchemy would raise it, or `StorageUnavailable`."""
    return unavailable(error) or DBAPIError.instance(sql, None, error, base, hide_parameters=True, dialect=dialect)
