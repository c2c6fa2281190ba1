"""A session: the statements of one transaction, bound to one municipality.

Prepared statements go straight to the driver; every other SQLAlchemy Core statement goes through `execute`. Who begins
and ends the transaction is `database.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Executable, Insert, Update
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.dml import UpdateBase

from mykey_core.errors import StorageUnavailable
from mykey_core.storage.errors import Superseded, unavailable
from mykey_core.storage.prepared import Form, Prepared, compile_form
from mykey_core.storage.tenancy import TenantMismatch, tenant_binds, written_tenants

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

    def peek(self, prepared: Prepared, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """As `first`, for what may be read a moment before the transaction begins; remotely it then needs none."""
        return self.first(prepared, values)

    def hold(self, prepared: Prepared, values: Mapping[str, Any]) -> bool:
        """Lock the one row that a prepared SELECT … FOR UPDATE finds; False when there is none.

        A remote session may say True at first and raise `Superseded` later, at the commit at the latest. The writes of
        the transaction must then include one that is `later(..., once=True)`.
        """
        return self.first(prepared, values) is not None

    def later(self, prepared: Prepared, values: Mapping[str, Any], *, once: bool = False) -> None:
        """Execute before whatever comes next, the commit at the latest; a remote database is not waited for.

        With `once` it touches a row, or `Superseded` is raised and nothing of the transaction is done.
        """
        if self._run(self._form(prepared), values).rowcount == 0 and once:
            raise Superseded

    def execute(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> CursorResult[Any]:
        """Execute any Core statement with SQLAlchemy; `TenantMissing` when it is not bound to one municipality."""
        if self.municipality is not None:
            self._check(statement, parameters or {})
        try:
            return self._connection.execute(statement, parameters)
        except DBAPIError as error:
            raise unavailable(error.orig) or error from error

    def execute_many(self, statement: UpdateBase, rows: Sequence[Mapping[str, Any]]) -> int:
        """Execute one INSERT, UPDATE or DELETE for every row of parameters; the number of rows that were touched.

        As a prepared statement: it has a `bindparam` for every value, or is an `insert(table)` given every column.
        """
        if not rows:
            return 0
        form = compile_form(Prepared(statement), self.connection.dialect)
        own = self.municipality
        for name in form.tenants if own is not None else ():
            named = {form.constants[name]} if name in form.constants else {row[name] for row in rows}
            if named != {own}:
                raise TenantMismatch
        try:
            cursor = self._driver.cursor()
            cursor.executemany(form.sql, form.all_arguments(rows))
        except self._database.driver_error as error:
            raise self._database.translate(error, form.sql) from error
        return int(cursor.rowcount)

    def _check(self, statement: Any, parameters: Mapping[str, Any]) -> None:
        """That the statement names this session's municipality and no other."""
        values = [parameters.get(bind.key, bind.effective_value) for bind in tenant_binds(statement)]
        if isinstance(statement, Insert | Update):
            values.extend(written_tenants(statement, parameters))
        if any(value is not None and not (isinstance(value, str) and value == self.municipality) for value in values):
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
