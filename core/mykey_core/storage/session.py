"""A session: the statements of one transaction, bound to one municipality.

Prepared statements go straight to the driver; every other SQLAlchemy Core statement goes through `execute`. Who begins
and ends the transaction is `database.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Executable, Insert
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import DBAPIError

from mykey_core.errors import StorageUnavailable
from mykey_core.storage.errors import unavailable
from mykey_core.storage.prepared import Form, Prepared, compile_form
from mykey_core.storage.tenancy import COLUMN, TenantMismatch, tenant_binds

if TYPE_CHECKING:
    from mykey_core.storage.database import Database


class Session:
    """One connection in one transaction, in the process of the database or over a network.

    `municipality` is None for administration, which crosses municipalities.
    """

    __slots__ = ("_connection", "_database", "_driver", "_forms", "municipality")

    def __init__(self, database: Database, connection: Connection) -> None:
        self._database = database
        self._connection = connection
        self._driver: Any = connection.connection.driver_connection
        self._forms = database.forms
        self.municipality = database.municipality

    @property
    def connection(self) -> Connection:
        """The SQLAlchemy connection, for Alembic and for administration; nothing checks what is done with it."""
        return self._connection

    @property
    def driver(self) -> Any:
        """The driver's own connection."""
        return self._driver

    def begin(self) -> None:
        """Begin the transaction; on SQLite this takes the write lock, and waits for it."""
        self._control(self._database.begin_statement)

    def begin_reading(self) -> None:
        """Begin a transaction that sees one state and takes no lock."""
        self._control(self._database.begin_reading_statement)

    def commit(self) -> None:
        """Make it durable; `CommitUnknown` when the connection was lost before the answer came."""
        try:
            if self._connection.in_transaction():  # SQLAlchemy keeps a state of its own
                self._connection.commit()
            else:
                self._driver.commit()
        except DBAPIError as error:
            raise self._database.commit_failed(error.orig) from error
        except self._database.driver_error as error:
            raise self._database.commit_failed(error) from error

    def roll_back(self) -> None:
        """Undo everything since `begin`."""
        try:
            if self._connection.in_transaction():
                self._connection.rollback()
            self._driver.rollback()
        except DBAPIError as error:
            raise StorageUnavailable("the connection to the database was lost") from error
        except self._database.driver_error as error:
            raise StorageUnavailable("the connection to the database was lost") from error

    def close(self, *, broken: bool = False) -> None:
        """Give the connection up; a `broken` one is not spoken to any more."""
        if broken:
            self._connection.invalidate()
        self._connection.close()

    def first(self, prepared: Prepared, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """The first row of a prepared statement, or None."""
        form = self._form(prepared)
        raw = self._run(form, values).fetchone()
        return None if raw is None else form.row(raw)

    def run(self, prepared: Prepared, values: Mapping[str, Any]) -> int:
        """Execute a prepared statement; the number of rows that it touched."""
        return int(self._run(self._form(prepared), values).rowcount)

    def later(self, prepared: Prepared, values: Mapping[str, Any]) -> None:
        """Execute before whatever comes next, the commit at the latest; a remote database is not waited for."""
        self._run(self._form(prepared), values)

    def run_many(self, prepared: Prepared, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute a prepared statement once for each of `rows`."""
        form = self._form(prepared)
        for row in rows:
            self._check_tenants(form, row)
        try:
            driver: Any = self.connection.connection.driver_connection
            with closing(driver.cursor()) as cursor:
                cursor.executemany(form.sql, [form.arguments(row) for row in rows])
        except self._database.driver_error as error:
            raise self._database.translate(error, form.sql) from error

    def execute(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> CursorResult[Any]:
        """Execute any Core statement with SQLAlchemy; `TenantMissing` when it is not bound to one municipality."""
        if self.municipality is not None:
            self._check(statement, parameters or {})
        try:
            return self._connection.execute(statement, parameters)
        except DBAPIError as error:
            raise unavailable(error.orig) or error from error

    def _check(self, statement: Any, parameters: Mapping[str, Any]) -> None:
        """That the statement names this session's municipality and no other."""
        values = [parameters.get(bind.key, bind.effective_value) for bind in tenant_binds(statement)]
        if isinstance(statement, Insert):
            values = [parameters[COLUMN]] if COLUMN in parameters else [statement.compile().params.get(COLUMN)]
        if any(value not in {None, self.municipality} for value in values):
            raise TenantMismatch

    def _control(self, sql: str) -> None:
        try:
            self._driver.execute(sql)
        except self._database.driver_error as error:
            raise self._database.translate(error, sql) from error

    def _form(self, prepared: Prepared) -> Form:
        form = self._forms.get(prepared)
        if form is None:
            form = self._forms[prepared] = compile_form(prepared, self._connection.dialect)
        return form

    def _run(self, form: Form, values: Mapping[str, Any]) -> Any:
        self._check_tenants(form, values)
        try:
            return self._driver.execute(form.sql, form.arguments(values))
        except self._database.driver_error as error:
            raise self._database.translate(error, form.sql) from error

    def _check_tenants(self, form: Form, values: Mapping[str, Any]) -> None:
        own = self.municipality
        if own is not None:
            for name in form.tenants:
                if values[name] != own:
                    raise TenantMismatch


class RemoteSession(Session):
    """A session over a network: statements whose answer nobody waits for travel with the next one (libpq's pipeline).

    BEGIN travels with the first statement, and what was said by `later` with the commit, so that a tap takes four
    round trips and not seven.
    """

    __slots__ = ("_unsent",)

    def __init__(self, database: Database, connection: Connection) -> None:
        super().__init__(database, connection)
        self._unsent: list[tuple[str, Any]] = []

    def begin(self) -> None:
        """See `Session.begin`."""
        self._unsent = [(self._database.begin_statement, None)]

    def begin_reading(self) -> None:
        """See `Session.begin_reading`."""
        self._unsent = [(self._database.begin_reading_statement, None)]

    def commit(self) -> None:
        """See `Session.commit`."""
        nothing_done = len(self._unsent) == 1 and self._unsent[0][0] == self._database.begin_statement
        if self._unsent and not nothing_done:
            try:
                self._send(("COMMIT", None))
            except self._database.driver_error as error:
                raise self._database.commit_failed(error) from error
        self._unsent = []
        super().commit()

    def roll_back(self) -> None:
        """See `Session.roll_back`."""
        self._unsent = []
        super().roll_back()

    def later(self, prepared: Prepared, values: Mapping[str, Any]) -> None:
        """See `Session.later`."""
        form = self._form(prepared)
        self._check_tenants(form, values)
        self._unsent.append((form.sql, form.arguments(values)))

    def execute(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> CursorResult[Any]:
        """See `Session.execute`."""
        self.flush()
        return super().execute(statement, parameters)

    def flush(self) -> None:
        """Send what waits, and wait for it."""
        if self._unsent:
            last = self._unsent.pop()
            try:
                self._send(last)
            except self._database.driver_error as error:
                raise self._database.translate(error, last[0]) from error

    @property
    def connection(self) -> Connection:
        """See `Session.connection`."""
        self.flush()
        return self._connection

    def _run(self, form: Form, values: Mapping[str, Any]) -> Any:
        self._check_tenants(form, values)
        try:
            return self._send((form.sql, form.arguments(values)))
        except self._database.driver_error as error:
            raise self._database.translate(error, form.sql) from error

    def _send(self, last: tuple[str, Any]) -> Any:
        """Send all that waits and `last`, in one round trip; the cursor of `last`."""
        unsent, self._unsent = self._unsent, []
        if not unsent:
            return self._driver.execute(*last, prepare=True)
        with self._driver.pipeline():
            for sql, arguments in unsent:
                self._driver.execute(sql, arguments, prepare=True)
            return self._driver.execute(*last, prepare=True)
