"""Statements of the hot path: built by SQLAlchemy, compiled once for each database, executed on the driver's cursor.

SQLAlchemy's own `Connection.execute` costs about 60 µs a statement, which is as much as verifying a card's signature;
this costs 3 µs on top of the driver. Columns keep their SQLAlchemy types in both directions. Statements that are
not on the path of a tap have no reason to be prepared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import SelectBase

from mykey_core.storage.tenancy import tenant_binds

Processor = Callable[[Any], Any] | None
Arguments = tuple[Any, ...] | dict[str, Any]


class Prepared:
    """A Core statement with `bindparam`s, or an `insert(table)` that is given every column of the table."""

    __slots__ = ("statement",)

    def __init__(self, statement: SelectBase | UpdateBase) -> None:
        self.statement = statement


@dataclass(frozen=True, slots=True)
class Form:
    """A prepared statement in the language of one driver: its text, its parameters in order, its columns.

    `tenants` are the parameters that name a municipality.
    """

    sql: str
    binds: tuple[tuple[str, Processor], ...]
    constants: Mapping[str, Any]
    columns: tuple[Processor, ...]
    positional: bool
    tenants: tuple[str, ...]

    def arguments(self, values: Mapping[str, Any]) -> Arguments:
        """What the driver takes beside the text; `KeyError` for a parameter that is missing."""
        if self.constants:
            values = {**values, **self.constants}
        if self.positional:
            return tuple([values[name] if process is None else process(values[name]) for name, process in self.binds])
        return {name: values[name] if process is None else process(values[name]) for name, process in self.binds}

    def all_arguments(self, rows: Sequence[Mapping[str, Any]]) -> list[Arguments]:
        """`arguments` of many rows, at once where no value is changed on its way."""
        names = [name for name, _ in self.binds]
        plain = self.positional and not self.constants and not any(process for _, process in self.binds)
        if plain and len(names) > 1:
            return list(map(itemgetter(*names), rows))
        return [self.arguments(row) for row in rows]

    def row(self, raw: tuple[Any, ...]) -> tuple[Any, ...]:
        """A row of the driver with the values of the columns' types."""
        columns = zip(self.columns, raw, strict=True)
        return tuple([value if process is None else process(value) for process, value in columns])


def compile_form(prepared: Prepared, dialect: Dialect) -> Form:
    """Compile for `dialect`; `TenantMissing` for a statement that is not bound to one municipality."""
    statement = prepared.statement
    tenants = tuple(bind.key for bind in tenant_binds(statement)) or ("municipality",)
    compiled = statement.compile(dialect=dialect)
    if not isinstance(compiled, SQLCompiler):
        raise TypeError("only statements can be prepared")
    names = (
        list(compiled.positiontup or ()) if compiled.positional else list(dict.fromkeys(compiled.bind_names.values()))
    )
    constants = {name: compiled.binds[name].value for name in names if not compiled.binds[name].required}
    binds = tuple((name, _bind_processor(compiled.binds[name], dialect)) for name in names)
    return Form(str(compiled), binds, constants, _columns(statement, dialect), compiled.positional, tenants)


def _bind_processor(bind: Any, dialect: Dialect) -> Processor:
    process: Processor = bind.type.dialect_impl(dialect).bind_processor(dialect)
    return process


def _columns(statement: ClauseElement, dialect: Dialect) -> tuple[Processor, ...]:
    exported = getattr(statement, "exported_columns", ())
    return tuple(column.type.dialect_impl(dialect).result_processor(dialect, None) for column in exported)
