"""Export and deletion of what the library keeps about people; the collection and the counts stay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Table

from mykey_core.api import Json, PluginDatabase, Text
from mykey_library.embedded.log import Log
from mykey_library.links import Links
from mykey_library.rows import Rows
from mykey_library.tables import charge, history, hold, link, loan, notice, patron, payment

_OF_PATRON: Final[tuple[Table, ...]] = (loan, hold, charge, payment, history, notice)
_HIDDEN: Final = frozenset({"municipality", "pin_hash"})


class LibraryShredder:
    """What the hub calls when a person leaves, asks for their data, or the plugin is purged."""

    def export(self, subject: str | None, database: PluginDatabase) -> Json:
        """Everything about one person, or about everybody (`subject` None), by table."""
        rows = Rows(database)
        links = [_line(row) for row in rows.all(_of(rows, link, subject=subject))]
        numbers = [None] if subject is None else sorted(_numbers(rows, subject))
        found: dict[str, Json] = {"library_link": list(links)}
        for table, key in [(patron, "number"), *((table, "patron_number") for table in _OF_PATRON)]:
            lines: list[Json] = [
                _line(row) for number in numbers for row in rows.all(_of(rows, table, **{key: number}))
            ]
            found[table.name] = lines
        return found

    def shred(self, subject: str | None, database: PluginDatabase) -> int:
        """Delete it, with whatever the log still says; how many rows went. Items that are out are simply back."""
        rows = Rows(database)
        numbers = sorted(_numbers(rows, subject))
        gone = sum(rows.remove(table, patron_number=number) for number in numbers for table in _OF_PATRON)
        gone += sum(Log(rows).erase(number) for number in numbers)
        gone += sum(rows.remove(link, patron_number=number) for number in numbers)
        return gone + sum(rows.remove(patron, number=number) for number in numbers)

    def open_obligations(self, subject: str, database: PluginDatabase) -> Sequence[Text]:
        """Items that are out, and money that is owed: nobody leaves with the library's books."""
        rows = Rows(database)
        numbers = _numbers(rows, subject)
        out = sum(rows.count(loan, patron_number=number) for number in numbers)
        unpaid = (rows.all(rows.select(charge, patron_number=one).where(charge.c.paid_on.is_(None))) for one in numbers)
        owed = sum(row.yen for rows_of_one in unpaid for row in rows_of_one)
        found = [Text("leave.loans", "library", {"count": out})] if out else []
        return [*found, Text("leave.charges", "library", {"yen": f"{owed:,}"})] if owed else found


def _numbers(rows: Rows, subject: str | None) -> set[str]:
    if subject is not None:
        number = Links(rows).number_of(subject)
        return {number} if number else set()
    known = {row.number for row in rows.all(rows.select(patron))}
    return known | {row.patron_number for row in rows.all(rows.select(link))}


def _of(rows: Rows, table: Table, **wanted: str | None) -> Any:
    return rows.select(table, **{name: value for name, value in wanted.items() if value is not None})


def _line(row: Any) -> dict[str, Json]:
    return {name: _as_json(value) for name, value in row._mapping.items() if name not in _HIDDEN}  # noqa: SLF001 - public


def _as_json(value: Any) -> Json:
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
