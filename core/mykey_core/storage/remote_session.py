"""A session over a network: as few round trips as the work allows.

BEGIN travels with the first statement that needs it (libpq's pipeline). A transaction that has only looked up rows and
said its writes by `later` becomes one statement of data-modifying CTEs, which commits by itself: a tap whose plugin
does not touch the database takes three round trips, and not seven.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, Executable
from sqlalchemy.engine import CursorResult

from mykey_core.storage.errors import Superseded
from mykey_core.storage.prepared import Form, Prepared
from mykey_core.storage.session import Session

if TYPE_CHECKING:
    from mykey_core.storage.database import Database

MOST_WAITING = 64
"""Writes that are collected before they are sent: more gain nothing, and one statement takes 65,535 parameters."""
_DIVISION_BY_ZERO = "22012"  # SQLSTATE: how the one statement says that a write that must touch a row touched none


class _Statement(NamedTuple):
    sql: str
    arguments: Any = None
    once: bool = False


class RemoteSession(Session):
    """See the module."""

    __slots__ = ("_begin", "_held", "_later")

    def __init__(self, database: Database, connection: Connection) -> None:
        super().__init__(database, connection)
        self._begin: _Statement | None = None  # not sent yet
        self._held: _Statement | None = None  # a lock that was said to be had, and not taken yet
        self._later: list[_Statement] = []

    def begin(self) -> None:
        """See `Session.begin`."""
        self._reset(_Statement(self._database.begin_statement))

    def begin_reading(self) -> None:
        """See `Session.begin_reading`."""
        self._reset(_Statement(self._database.begin_reading_statement))

    def _reset(self, begin: _Statement | None = None) -> None:
        self._begin, self._held, self._later = begin, None, []

    def peek(self, prepared: Prepared, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """See `Session.peek`."""
        if self._begin is None or self._later:
            return self.first(prepared, values)
        begin, held = self._begin, self._held
        self._reset()  # outside of any transaction
        row = self.first(prepared, values)
        self._begin, self._held = begin, held
        return row

    def hold(self, prepared: Prepared, values: Mapping[str, Any]) -> bool:
        """See `Session.hold`."""
        if self._begin is None or self._later:
            return super().hold(prepared, values)
        self._held = self._statement(prepared, values)
        return True

    def later(self, prepared: Prepared, values: Mapping[str, Any], *, once: bool = False) -> None:
        """See `Session.later`."""
        self._later.append(self._statement(prepared, values)._replace(once=once))
        if len(self._later) >= MOST_WAITING:
            self.flush()

    def execute(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> CursorResult[Any]:
        """See `Session.execute`."""
        self.flush()
        return super().execute(statement, parameters)

    @property
    def connection(self) -> Connection:
        """See `Session.connection`."""
        self.flush()
        return self._connection

    def flush(self) -> None:
        """Send all that waits, and wait for it."""
        waiting = self._waiting()
        if waiting:
            self._checked(waiting)

    def commit(self) -> None:
        """See `Session.commit`."""
        once = any(statement.once for statement in self._later)
        if self._held is not None and self._later and not once:
            self.flush()
        try:
            if self._begin is None:
                self._finish([*self._waiting(), _Statement("COMMIT")])
            elif self._later:
                self._finish([_merged(self._later)])
        except self._database.driver_error as error:
            if getattr(error, "sqlstate", None) == _DIVISION_BY_ZERO and once:
                raise Superseded from error
            raise self._database.commit_failed(error) from error
        self._reset()
        super().commit()

    def roll_back(self) -> None:
        """See `Session.roll_back`."""
        self._reset()
        super().roll_back()

    def assume(self, role: str) -> None:
        """Go on as another role, of which this one is a member; what has waited is sent first, as this one."""
        self._checked([*self._waiting(), _Statement(f'SET LOCAL ROLE "{role}"')])

    def resume(self) -> None:
        """Go on as oneself: said together with the next statement, the commit at the latest."""
        self._later.append(_Statement("SET LOCAL ROLE NONE"))

    # -- sending ------------------------------------------------------------------------------------------------

    def _statement(self, prepared: Prepared, values: Mapping[str, Any]) -> _Statement:
        form = self._form(prepared)
        self._check_tenants(form, values)
        return _Statement(form.sql, form.arguments(values))

    def _waiting(self) -> list[_Statement]:
        """What goes before the next statement of the transaction. A lock that was promised is taken here."""
        begin, held, later = self._begin, self._held, self._later
        self._reset()
        first = [begin] if begin is not None else []
        if held is not None:
            if self._checked([*first, held]).fetchone() is None:
                raise Superseded
            first = []
        return first + later

    def _run(self, form: Form, values: Mapping[str, Any]) -> Any:
        self._check_tenants(form, values)
        return self._checked([*self._waiting(), _Statement(form.sql, form.arguments(values))])

    def _checked(self, statements: list[_Statement]) -> Any:
        """Send, and wait; the cursor of the last one."""
        try:
            cursors = self._send(statements)
        except self._database.driver_error as error:
            raise self._database.translate(error, statements[-1].sql) from error
        for statement, cursor in zip(statements, cursors, strict=True):
            if statement.once and cursor.rowcount == 0:
                raise Superseded
        return cursors[-1]

    def _finish(self, statements: list[_Statement]) -> None:
        """The last trip of a transaction: if its answer is lost, nobody knows."""
        cursors = self._send(statements)
        for statement, cursor in zip(statements, cursors, strict=True):
            if statement.once and cursor.rowcount == 0:  # it was locked, so this cannot be
                raise AssertionError(statement.sql)

    def _send(self, statements: list[_Statement]) -> list[Any]:
        if len(statements) == 1:
            return [self._driver.execute(statements[0].sql, statements[0].arguments, prepare=True)]
        with self._driver.pipeline():
            return [self._driver.execute(sql, arguments, prepare=True) for sql, arguments, _ in statements]


def _merged(statements: list[_Statement]) -> _Statement:
    """All writes as one statement, which fails as a whole when one that must touch a row touches none."""
    if len(statements) == 1 and not statements[0].once:
        return statements[0]
    parts, arguments, checks = [], {}, []
    for number, statement in enumerate(statements):
        name = f"s{number}"
        parts.append(f"{name} AS ({statement.sql.replace('%(', f'%({name}_')} RETURNING 1)")
        arguments.update({f"{name}_{key}": value for key, value in statement.arguments.items()})
        if statement.once:
            checks.append(f"1 / (SELECT count(*) FROM {name})")  # noqa: S608 - a name of ours
    return _Statement(f"WITH {', '.join(parts)} SELECT {', '.join(checks) or '1'}", arguments)
