"""A plugin's handle on its own tables, within the transaction that is under way.

Three walls stand around it: expressions are checked for the plugin's table prefix, `storage.tenancy` binds them to the
municipality, and the database itself knows which plugin is at work (`walls`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import Executable, TextClause
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import visitors
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.expression import ColumnClause, TableClause

from mykey_core.errors import StorageUnavailable
from mykey_core.plugins.errors import CapabilityDenied
from mykey_core.storage.session import Session
from mykey_core.storage.walls import Wall


def _is_text(element: object) -> bool:
    """True for `literal_column(…)`, but not for the star of `count(*)`."""
    return isinstance(element, ColumnClause) and element.is_literal and element.name != "*"


_checked: WeakKeyDictionary[Executable, str] = WeakKeyDictionary()  # statement -> the prefix it was found to keep to


class PluginDatabase:
    """The plugin's own tables within the commit that is under way.

    A statement that touches a table without the plugin's prefix raises `CapabilityDenied`, and so does every statement
    of a plugin without the capability `database`. The handle is dead once the hook has returned.
    """

    __slots__ = ("__weakref__", "_granted", "municipality", "plugin", "table_prefix")

    def __init__(
        self, plugin: str, table_prefix: str, municipality: str, session: Session, *, granted: bool = True
    ) -> None:
        self.plugin = plugin
        self.table_prefix = table_prefix
        self.municipality = municipality
        self._granted = granted
        _places[self] = _Place(session, None)

    def execute(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> CursorResult[Any]:
        """Execute a SQLAlchemy Core statement over the plugin's own tables."""
        self._admit(statement)
        return _place_of(self).session.execute(statement, parameters)

    def execute_many(self, statement: UpdateBase, rows: Sequence[Mapping[str, Any]]) -> int:
        """Execute one INSERT, UPDATE or DELETE for each of many rows; the number of rows that were touched.

        It has a `bindparam` for every value, or is an `insert(table)` whose rows have every column.
        """
        self._admit(statement)
        return _place_of(self).session.execute_many(statement, rows)

    def _admit(self, statement: Executable) -> None:
        if not self._granted:
            raise CapabilityDenied(self.plugin, "database")
        if _checked.get(statement) != self.table_prefix:
            self._check(statement)
            _checked[statement] = self.table_prefix

    def _check(self, statement: Executable) -> None:
        if not isinstance(statement, ClauseElement):
            raise self._denied("only SQLAlchemy expressions over the plugin's tables can be executed")
        for element in visitors.iterate(statement):
            if isinstance(element, TableClause) and not element.name.startswith(self.table_prefix):
                raise self._denied(f"the table {element.name} is not the plugin's own")
            if isinstance(element, TextClause) or _is_text(element):
                raise self._denied("textual SQL is not accepted")

    def _denied(self, message: str) -> CapabilityDenied:
        return CapabilityDenied(self.plugin, "database", message)


class _Place(NamedTuple):
    """Where a handle leads, kept apart from it: a plugin that looks into its handle finds no connection."""

    session: Session
    wall: Wall | None


_places: WeakKeyDictionary[PluginDatabase, _Place] = WeakKeyDictionary()


def _place_of(database: PluginDatabase) -> _Place:
    place = _places.get(database)
    if place is None:
        raise CapabilityDenied(database.plugin, "database", "the transaction of this handle is over")
    return place


@contextmanager
def core_session(database: PluginDatabase) -> Iterator[Session]:
    """For the core's own handles: the session behind `database`, with the walls down until the block ends."""
    session, wall = _place_of(database)
    if wall is None:
        yield session
        return
    wall.down()
    try:
        yield session
    except BaseException:
        _raise_again(database, wall)
        raise
    wall.up()


def _raise_again(database: PluginDatabase, wall: Wall) -> None:
    """After a fault of the core: where the transaction is lost with it (PostgreSQL), the handle is dead."""
    try:
        wall.up()
    except (DBAPIError, StorageUnavailable):
        _places.pop(database, None)


@contextmanager
def opened(
    plugin: str, table_prefix: str, municipality: str, session: Session, *, granted: bool
) -> Iterator[PluginDatabase]:
    """A handle for one call of a plugin, with all walls up; it is dead afterwards.

    A plugin without the capability `database` gets a handle that leads nowhere, and needs no wall.
    """
    database = PluginDatabase(plugin, table_prefix, municipality, session, granted=granted)
    wall = Wall(session, plugin, table_prefix) if granted else None
    _places[database] = _Place(session, wall)
    try:
        if wall is not None:
            wall.up()
        yield database
    finally:
        _places.pop(database, None)
        if wall is not None:
            wall.down()
