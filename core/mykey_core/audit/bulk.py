"""Adding many rows in one transaction: one by one where the database is in the process, as arrays where it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ARRAY, Insert, Table, bindparam, func, insert, select

from mykey_core.storage.prepared import Prepared
from mykey_core.storage.session import Session


def add_rows(session: Session, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert `rows`, each with a value for every column.

    PostgreSQL takes them in one statement of one array a column; COPY is not for tables with row-level security.
    """
    if not rows:
        return
    if session.connection.dialect.name == "postgresql":
        session.execute(_from_arrays(table), {_array(name): [row[name] for row in rows] for name in rows[0]})
        return
    prepared = _one_by_one(table)
    for row in rows:
        session.run(prepared, row)


@cache
def _one_by_one(table: Table) -> Prepared:
    return Prepared(insert(table))


@cache
def _from_arrays(table: Table) -> Insert:
    arrays = [func.unnest(bindparam(_array(column.name), type_=ARRAY(column.type))) for column in table.columns]
    return insert(table).from_select([column.name for column in table.columns], select(*arrays))


def _array(column: str) -> str:
    return f"{column}_array"
