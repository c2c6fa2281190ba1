"""Reading and writing rows of the plugin's tables, always those of one municipality."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Executable, Select, Table, delete, func, insert, select, update

from mykey_core.api import PluginDatabase


@dataclass(frozen=True, slots=True)
class Rows:
    """The plugin's tables within one transaction."""

    database: PluginDatabase

    @property
    def municipality(self) -> str:
        """The code of the municipality whose rows these are."""
        return self.database.municipality

    def where(self, table: Table, **equal: object) -> list[ColumnElement[bool]]:
        """The conditions of one municipality's rows in `table` whose columns have these values."""
        return [table.c.municipality == self.municipality, *(table.c[name] == value for name, value in equal.items())]

    def select(self, table: Table, **equal: object) -> Select[Any]:
        """A SELECT of whole rows, to be ordered or narrowed further."""
        return select(table).where(*self.where(table, **equal))

    def all(self, statement: Executable) -> list[Any]:
        """All rows of a statement."""
        return list(self.database.execute(statement))

    def first(self, statement: Executable) -> Any | None:
        """The first row of a statement, or None."""
        return self.database.execute(statement).first()

    def one(self, table: Table, **equal: object) -> Any | None:
        """The row with these values, or None."""
        return self.first(self.select(table, **equal))

    def lock(self, table: Table, **equal: object) -> Any | None:
        """The row, kept from other transactions until the end of this one (SQLite has one writer anyway)."""
        return self.first(self.select(table, **equal).with_for_update(key_share=True))

    def add(self, table: Table, **values: object) -> None:
        """Insert a row."""
        self.database.execute(insert(table).values(municipality=self.municipality, **values))

    def change(self, table: Table, values: dict[str, Any], **equal: object) -> int:
        """Change the rows with these values; how many there were."""
        return self.database.execute(update(table).where(*self.where(table, **equal)).values(values)).rowcount

    def remove(self, table: Table, **equal: object) -> int:
        """Delete the rows with these values; how many there were."""
        return self.database.execute(delete(table).where(*self.where(table, **equal))).rowcount

    def count(self, table: Table, **equal: object) -> int:
        """How many rows have these values."""
        found = self.first(select(func.count()).select_from(table).where(*self.where(table, **equal)))
        return int(found[0]) if found else 0
