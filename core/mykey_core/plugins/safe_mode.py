"""Safe mode: a plugin that has taken a whole process with it at start twice is not started a third time.

A row is written before a plugin is loaded and deleted after. What an ended process has left behind counts as a crash;
`mykey plugin retry` forgets it, and so does a start that succeeds.
"""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, delete, insert, inspect, select
from sqlalchemy.exc import DBAPIError
from uuid_utils.compat import uuid7

from mykey_core.clock import Clock
from mykey_core.plugins.tables import starting_plugin as table

CRASHES = 2
LONGEST_START = timedelta(minutes=5)
"""A row of another machine counts as a crash when it is older than this."""


class Starts:
    """The starts of plugins in one municipality's hub. Without its table (an older database) everything may start."""

    def __init__(self, engine: Engine, municipality: str, clock: Clock) -> None:
        self._engine, self._municipality, self._clock = engine, municipality, clock
        self._host, self._process = socket.gethostname(), os.getpid()
        self._works = inspect(engine).has_table(table.name)
        self._own: dict[str, UUID] = {}

    def begin(self, plugin: str) -> bool:
        """Say that `plugin` is being started; False when it must not be, because it has crashed too often."""
        if not self._works:
            return True
        try:
            with self._engine.begin() as connection:
                rows = connection.execute(select(table).where(*self._rows_of(plugin))).all()
                if sum(map(self._is_a_crash, rows)) >= CRASHES:
                    return False
                self._own[plugin] = uuid7()
                connection.execute(insert(table).values(**self._row(plugin)))
        except DBAPIError:
            self._works = False  # a database that cannot be written must not keep plugins from starting
        return True

    def end(self, plugin: str, *, loaded: bool) -> None:
        """Say that the process has survived the start of `plugin`; when it was loaded, old crashes are forgotten."""
        own = self._own.pop(plugin, None)
        if own is None:
            return
        with self._engine.begin() as connection:
            rows = connection.execute(select(table).where(*self._rows_of(plugin))).all()
            for row in rows:
                if row.id == own or (loaded and self._is_a_crash(row)):
                    connection.execute(delete(table).where(*self._rows_of(plugin), table.c.id == row.id))

    def forget(self, plugin: str) -> int:
        """Let `plugin` be started again; the number of crashes that are forgotten."""
        with self._engine.begin() as connection:
            return connection.execute(delete(table).where(*self._rows_of(plugin))).rowcount

    def _rows_of(self, plugin: str) -> tuple[Any, ...]:
        return table.c.municipality == self._municipality, table.c.plugin == plugin

    def _row(self, plugin: str) -> dict[str, Any]:
        own = {"municipality": self._municipality, "plugin": plugin, "id": self._own[plugin]}
        return {**own, "host": self._host, "process": self._process, "started_at": self._clock()}

    def _is_a_crash(self, row: Any) -> bool:
        """Whether the process of a row has ended. In a new container it may have had our own number."""
        if row.id in self._own.values():
            return False
        if row.host == self._host:
            return bool(row.process == self._process) or not _is_alive(row.process)
        return bool(self._clock() - row.started_at > LONGEST_START)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
