"""The documents of a closed month: statements and invoices as PDF and CSV, and the transfer file.

They are made from what is stored, so that making them again gives the same bytes; their SHA-256 is kept, and another
content under the same name is refused.
"""

from __future__ import annotations

import csv
import hashlib
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sqlalchemy import bindparam, insert, select

from mykey_core.api import PluginDatabase
from mykey_taxi.errors import CycleError
from mykey_taxi.register import M, Register, fetch
from mykey_taxi.settlement.breakdown import BYTE_ORDER_MARK, Breakdown
from mykey_taxi.settlement.close import ClosedMonth, Invoice
from mykey_taxi.settlement.lines import rides_of
from mykey_taxi.settlement.paper import Paper
from mykey_taxi.settlement.reading import Begin, without_cycle_search
from mykey_taxi.settlement.wording import words
from mykey_taxi.tables import document, statement


@dataclass(frozen=True, slots=True)
class Document:
    """A file of a month."""

    name: str
    sha256: str
    size: int


class Documents:
    """Writes the documents of a closed month into a folder."""

    def __init__(self, begin: Begin, month: ClosedMonth, folder: Path, *, programme: str) -> None:
        self._begin = begin
        self._month = month
        self._folder = folder
        self._programme = programme

    def write(self, transfer: bytes | None = None, breakdown: Breakdown | None = None) -> list[Document]:
        """Write everything and issue it; `CycleError` when a document that exists would change.

        `breakdown` heard the rides while the month was closed; without it, or if it has not heard all, they are read.
        """
        documents = self.make(transfer, breakdown)
        with self._begin() as database:
            keep(database, self._month.cycle, documents)
        return documents

    def make(self, transfer: bytes | None = None, breakdown: Breakdown | None = None) -> list[Document]:
        """Write everything, and issue nothing: the database is only read."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._begin() as database:
            operators = _operators(database)
        with without_cycle_search():
            names = [self._statements()]
        with ExitStack() as parts:
            rides = breakdown or parts.enter_context(Breakdown(self._folder, self._month.cycle))
            if rides.rides != sum(entry.rides for entry in self._month.invoices):
                rides.read(self._begin)
            names += rides.finish([entry.operator_id for entry in self._month.invoices])
        for entry in self._month.invoices:
            name = f"invoice-{self._month.cycle}-{entry.operator_id}.pdf"
            self._put(name, self._invoice(entry, operators, rides.days.get(entry.operator_id, {})))
            names.append(name)
        if transfer is not None:
            names.append(f"transfer-{self._month.cycle}.txt")
            self._put(names[-1], transfer)
        return [_digest(self._folder / name) for name in sorted(names)]

    # -- files --------------------------------------------------------------------------------------------------

    def _put(self, name: str, content: bytes) -> None:
        unfinished = self._folder / f".{name}.part"
        unfinished.write_bytes(content)
        unfinished.replace(self._folder / name)

    def _statements(self) -> str:
        """One line a rider; the rides of a rider stand in their own statement, made on request."""
        name = f"statements-{self._month.cycle}.csv"
        path = self._folder / f".{name}.part"
        columns = (statement.c.rider_id, statement.c.rides, statement.c.subsidy_yen)
        query = select(*columns).where(statement.c.municipality == M, statement.c.cycle == bindparam("cycle"))
        with self._begin() as database, path.open("w", encoding="utf-8", newline="") as file:
            file.write(BYTE_ORDER_MARK)
            writer = csv.writer(file)
            writer.writerow(["rider_id", "rides", "subsidy_yen"])
            writer.writerows(fetch(database, query.order_by(statement.c.rider_id), cycle=self._month.cycle))
        path.replace(self._folder / name)
        return name

    def _invoice(self, entry: Invoice, operators: dict[str, str], days: dict[int, list[int]]) -> bytes:
        paper = Paper(words("document.invoice.title", name=self._programme, month=self._month.cycle))
        paper.text(words("document.invoice.to", operator=operators.get(entry.operator_id, entry.operator_id)))
        paper.text(words("document.invoice.due", due=f"{entry.due_yen:,}", rides=f"{entry.rides:,}"))
        amounts = ("corrections_yen", "carried_in_yen", "carried_out_yen")
        if any(getattr(entry, name) for name in amounts):
            values = {name.removesuffix("_yen"): f"{getattr(entry, name):,}" for name in amounts}
            paper.text(words("document.invoice.corrections", **values))
        rows: list[tuple[str | int, ...]] = [(date.fromordinal(day).isoformat(), *days[day]) for day in sorted(days)]
        rows.append((words("column.total"), entry.rides, entry.rides_yen))
        head = [words(f"column.{name}") for name in ("day", "rides", "subsidy")]
        paper.table(head, rows, widths=(50, 40, 60))
        paper.text(words("document.invoice.detail", file=f"rides-{self._month.cycle}-{entry.operator_id}.csv"))
        return paper.to_bytes()


def _operators(database: PluginDatabase) -> dict[str, str]:
    return {name: entry.name for name, entry in Register(database).operators().items()}


def _digest(path: Path) -> Document:
    with path.open("rb") as file:
        return Document(path.name, hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)


def keep(database: PluginDatabase, cycle: str, documents: list[Document]) -> None:
    """Keep the hashes of new documents; `CycleError` when a known one is another now."""
    known = kept(database, cycle)
    for entry in documents:
        if known.get(entry.name, entry.sha256) != entry.sha256:
            message = f"{entry.name} was issued with other content; correct it by an entry of a later month"
            raise CycleError(cycle, "taxi.document_changed", message)
    own = {"municipality": database.municipality, "cycle": cycle}
    rows = [
        {**own, "name": entry.name, "sha256": entry.sha256, "size": entry.size}
        for entry in documents
        if entry.name not in known
    ]
    database.execute_many(insert(document), rows)


def kept(database: PluginDatabase, cycle: str) -> dict[str, str]:
    """Name → SHA-256 of the documents that were issued for a month."""
    query = select(document.c.name, document.c.sha256).where(
        document.c.municipality == M, document.c.cycle == bindparam("cycle")
    )
    return {row.name: row.sha256 for row in fetch(database, query, cycle=cycle)}


def statement_of(database: PluginDatabase, rider_id: str, cycle: str, *, programme: str, language: str = "ja") -> bytes:
    """The statement (利用明細書) of one rider for one month, as PDF."""
    lines = rides_of(database, rider_id, cycle, language)
    paper = Paper(words("document.statement.title", language, name=programme, month=cycle))
    paper.text(words("document.statement.note", language, rider=rider_id))
    rows: list[tuple[str | int, ...]] = [
        (line.day.isoformat(), line.time, line.board_zone, line.alight_zone, line.fare_yen, line.share_yen, line.note)
        for line in lines
    ]
    total = sum(line.share_yen for line in lines)
    rows.append((words("column.total", language), "", "", "", "", total, ""))
    names = ("day", "time", "from", "to", "fare", "share", "note")
    head = [words(f"column.{name}", language) for name in names]
    paper.table(head, rows, widths=(22, 16, 30, 30, 22, 24, 30))
    return paper.to_bytes()
