"""The first wall between municipalities: a statement over their tables that is not bound to one of them fails.

A table belongs to municipalities when it has a column `municipality`. Each of them in a SELECT, UPDATE or DELETE must
be tied by `=`, directly or through another table, to a value. The second wall is row-level
security in PostgreSQL (`postgres.py`); this one stands on both databases and fails while the program is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from typing import Any, cast
from weakref import WeakKeyDictionary

from sqlalchemy import FromClause, Table
from sqlalchemy.sql import ClauseElement, operators, visitors
from sqlalchemy.sql.dml import Delete, Insert, Update
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, BooleanClauseList, ColumnElement, Grouping
from sqlalchemy.sql.functions import Function
from sqlalchemy.sql.selectable import Alias, Join, Select

from mykey_core.errors import MykeyError

COLUMN = "municipality"
_known: WeakKeyDictionary[ClauseElement, tuple[BindParameter[Any], ...]] = WeakKeyDictionary()


class TenantMissing(MykeyError):
    """A statement would read or write the rows of every municipality; `table` names the first such table."""

    def __init__(self, table: str) -> None:
        super().__init__(f"a statement over '{table}' is not bound to one municipality")
        self.table = table


class TenantMismatch(MykeyError):
    """A statement names another municipality than the one that its session is bound to."""

    def __init__(self) -> None:
        super().__init__("a statement names another municipality than its session's")


def tenant_binds(statement: ClauseElement) -> tuple[BindParameter[Any], ...]:
    """The parameters of `statement` that name a municipality; found once for each statement.

    Raises `TenantMissing` unless every table of municipalities in it is bound to one of them. An INSERT has none:
    the column takes no NULL, and `Session` looks at what is inserted.
    """
    binds = _known.get(statement)
    if binds is None:
        binds = _known[statement] = tuple(_binds(statement))
    return binds


def written_tenants(statement: Insert | Update, parameters: Mapping[str, Any]) -> Iterator[object]:
    """What an INSERT or UPDATE writes into the column itself, in all of its rows; an expression stands for itself."""
    if COLUMN in parameters:
        yield parameters[COLUMN]
    for column, value in _written(statement):
        if getattr(column, "name", column) == COLUMN:
            yield from _values(value, parameters)


def _written(statement: Insert | Update) -> Iterator[tuple[object, object]]:
    """The columns, or their names, and what is written into them: in VALUES or SET, by a SELECT, after a conflict."""
    several = [row for rows in statement._multi_values for row in rows]  # noqa: SLF001 - no public list
    for row in (statement._values or {}, *several):  # noqa: SLF001 - the same
        yield from row.items() if isinstance(row, Mapping) else zip(statement.table.c, row, strict=False)
    if isinstance(statement, Insert) and statement.select is not None:
        yield from zip(statement._select_names or (), _selected(statement.select), strict=False)  # noqa: SLF001
    yield from getattr(statement._post_values_clause, "update_values_to_set", {}).items()  # noqa: SLF001 - the same


def _selected(source: object) -> Iterable[object]:
    """The columns of a SELECT, without the municipality of a table: that one is bound; anything else is for itself."""
    if not isinstance(source, Select):
        return repeat(source)
    return [None if _tenant_of(column) is not None else column for column in source.selected_columns]


def _values(written: object, parameters: Mapping[str, Any]) -> Iterator[object]:
    if isinstance(written, BindParameter):
        yield parameters.get(written.key, written.effective_value)
    elif isinstance(written, Function) and written.name == "unnest":
        for array in written.clauses:
            yield from parameters.get(array.key, array.effective_value) if isinstance(array, BindParameter) else [array]
    else:
        yield written


def _binds(statement: ClauseElement) -> Iterator[BindParameter[Any]]:
    for part in visitors.iterate(statement):
        if isinstance(part, Select):
            yield from _check(list(part.get_final_froms()), list(part._where_criteria))  # noqa: SLF001 - no public list
        elif isinstance(part, (Update, Delete)):
            yield from _check(_changed_and_read(part), list(part._where_criteria))  # noqa: SLF001 - the same


def _changed_and_read(statement: Update | Delete) -> list[FromClause]:
    """The table that is changed, and those of UPDATE … FROM or DELETE … USING: SQLAlchemy finds them by columns."""
    written = (statement._values or {}).values() if isinstance(statement, Update) else ()  # noqa: SLF001 - the same
    named = (table for part in (*statement._where_criteria, *written) for table in part._from_objects)  # noqa: SLF001
    return list(dict.fromkeys([statement.table, *named]))


def _check(froms: list[FromClause], conditions: list[ColumnElement[bool]]) -> list[BindParameter[Any]]:
    tables = [table for source in froms for table in _tables(source, conditions)]
    bound: set[FromClause] = set()
    links: list[tuple[FromClause, FromClause]] = []
    binds: list[BindParameter[Any]] = []
    for left, right in _equalities(conditions):
        ends = [table for side in (left, right) if (table := _tenant_of(side)) is not None]
        values = [side for side in (left, right) if isinstance(side, BindParameter)]
        if len(ends) > 1:
            links.append((ends[0], ends[1]))
        elif ends and values:
            bound.add(ends[0])
            binds.append(values[0])
    _require(tables, _closure(bound, links))
    return binds


def _require(tables: list[FromClause], bound: set[FromClause]) -> None:
    for table in tables:
        if table not in bound:
            raise TenantMissing(str(getattr(table, "name", table)))


def _tables(source: FromClause, conditions: list[ColumnElement[bool]]) -> Iterator[FromClause]:
    """The tables of municipalities in a FROM; conditions of its joins are added to `conditions`."""
    if isinstance(source, Join):
        if source.onclause is not None:
            conditions.append(source.onclause)
        yield from _tables(source.left, conditions)
        yield from _tables(source.right, conditions)
    elif _is_tenant(source):
        yield source


def _is_tenant(source: Any) -> bool:
    table = source.element if isinstance(source, Alias) else source
    return isinstance(table, Table) and COLUMN in table.c


def _closure(bound: set[FromClause], links: list[tuple[FromClause, FromClause]]) -> set[FromClause]:
    for _ in links:
        for one, other in links:
            if one in bound or other in bound:
                bound |= {one, other}
    return bound


def _tenant_of(column: Any) -> FromClause | None:
    table = getattr(column, "table", None)
    return table if getattr(column, "name", None) == COLUMN and _is_tenant(table) else None


def _equalities(conditions: list[ColumnElement[bool]]) -> Iterator[tuple[Any, Any]]:
    """Both sides of every `=` that must hold: those under AND, not those under OR or NOT."""
    for condition in conditions:
        if isinstance(condition, Grouping):
            yield from _equalities([cast(ColumnElement[bool], condition.element)])
        elif isinstance(condition, BooleanClauseList) and condition.operator is operators.and_:
            yield from _equalities(list(condition.clauses))
        elif isinstance(condition, BinaryExpression) and condition.operator is operators.eq:
            yield condition.left, condition.right
