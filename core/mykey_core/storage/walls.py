"""The walls around one plugin inside the database itself, for as long as one of its hooks runs.

SQLite asks an authorizer about every table that a statement touches; PostgreSQL runs the hook as a role that may use
the plugin's own schema only. What a plugin sends past its handle, textual SQL too, meets them (docs/adr/0060).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from sqlalchemy.exc import DBAPIError

from mykey_core.errors import StorageUnavailable
from mykey_core.storage.remote_session import RemoteSession
from mykey_core.storage.session import Session

_ON_A_TABLE = frozenset({sqlite3.SQLITE_READ, sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
_HARMLESS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE})
_BAD_FUNCTIONS = frozenset({"load_extension", "readfile", "writefile", "edit"})
Authorizer = Callable[[int, str | None, str | None, str | None, str | None], int]


def role_name(plugin: str) -> str:
    """The PostgreSQL role as which a plugin's hooks run."""
    return f"mykey_plugin_{plugin.replace('-', '_')}"


def schema_name(plugin: str) -> str:
    """The PostgreSQL schema in which a plugin's tables stand."""
    return f"plugin_{plugin.replace('-', '_')}"


class Wall:
    """The wall around `plugin` on one session; up and down as often as needed."""

    __slots__ = ("_authorizer", "_plugin", "_session")

    def __init__(self, session: Session, plugin: str, table_prefix: str) -> None:
        self._session = session
        self._plugin = plugin
        self._authorizer = None if isinstance(session, RemoteSession) else _authorizer(table_prefix)

    def up(self) -> None:
        """From now on only the plugin's own tables can be reached."""
        if isinstance(self._session, RemoteSession):
            self._session.assume(role_name(self._plugin))
        elif isinstance(self._session, Session):
            self._session.driver.set_authorizer(self._authorizer)

    def down(self) -> None:
        """The core is at work again. What the database cannot take any more ends with the transaction anyway."""
        if isinstance(self._session, RemoteSession):
            try:
                self._session.resume()
            except (DBAPIError, StorageUnavailable):
                return
        elif isinstance(self._session, Session):
            self._session.driver.set_authorizer(None)


def _authorizer(table_prefix: str) -> Authorizer:
    def authorize(action: int, first: str | None, second: str | None, _database: str | None, _by: str | None) -> int:
        if action in _ON_A_TABLE:
            allowed = first is not None and first.startswith(table_prefix)
        elif action == sqlite3.SQLITE_FUNCTION:
            allowed = second not in _BAD_FUNCTIONS
        else:
            allowed = action in _HARMLESS
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    return authorize
