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
from typing import Any, Final, TextIO

from sqlalchemy import bindparam, insert, select

from mykey_core.api import PluginDatabase
from mykey_taxi.errors import CycleError
from mykey_taxi.register import M, Register, fetch
from mykey_taxi.rules.civil import MINUTES_A_DAY, day_of, minute_of
from mykey_taxi.settlement.close import ClosedMonth, Invoice
from mykey_taxi.settlement.lines import rides_of
from mykey_taxi.settlement.paper import Paper
from mykey_taxi.settlement.reading import BOARD, WITH_VERDICT, Begin, in_order, pages, without_cycle_search
from mykey_taxi.settlement.wording import words
from mykey_taxi.tables import document, ride, settlement, statement

_RIDES: Final = in_order(
    select(
        ride.c.operator_id,
        ride.c.ride_id,
        ride.c.terminal,
        ride.c.seq,
        BOARD.label("board"),
        ride.c.board_zone,
        ride.c.alight_zone,
        ride.c.meter_yen,
        ride.c.discount_yen,
        settlement.c.subsidy_yen,
        settlement.c.cash_yen,
        settlement.c.counted,
        settlement.c.pack_hash,
    )
    .join(settlement, WITH_VERDICT)
    .where(settlement.c.municipality == M, settlement.c.reason.is_(None))
)
_TIMES: Final = tuple(f"{minute // 60:02d}:{minute % 60:02d}" for minute in range(MINUTES_A_DAY))
_HEAD: Final = (
    "date", "time", "ride_id", "terminal", "sequence", "board_zone", "alight_zone", "meter_yen",
    "operator_discount_yen", "subsidy_yen", "cash_yen", "riders", "rule_pack_hash",
)  # fmt: skip


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
        self._days: dict[str, dict[int, list[int]]] = {}

    def write(self, transfer: bytes | None = None) -> list[Document]:
        """Write everything; `CycleError` when a document that exists would change."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._begin() as database:
            operators = _operators(database)
        with without_cycle_search():
            names = [*self._rides(), self._statements()]
        for entry in self._month.invoices:
            name = f"invoice-{self._month.cycle}-{entry.operator_id}.pdf"
            self._put(name, self._invoice(entry, operators))
            names.append(name)
        if transfer is not None:
            names.append(f"transfer-{self._month.cycle}.txt")
            self._put(names[-1], transfer)
        documents = [_digest(self._folder / name) for name in sorted(names)]
        with self._begin() as database:
            keep(database, self._month.cycle, documents)
        return documents

    # -- files --------------------------------------------------------------------------------------------------

    def _put(self, name: str, content: bytes) -> None:
        unfinished = self._folder / f".{name}.part"
        unfinished.write_bytes(content)
        unfinished.replace(self._folder / name)

    def _rides(self) -> list[str]:
        """A CSV of all settled rides for each operator, in one pass over them."""
        month = self._month.cycle
        names = {entry.operator_id: f"rides-{month}-{entry.operator_id}.csv" for entry in self._month.invoices}
        with ExitStack() as files:
            writers = {operator: self._csv(files, name) for operator, name in names.items()}
            for page in pages(self._begin, _RIDES, month):
                self._write_page(page, writers)
        for name in names.values():
            (self._folder / f".{name}.part").replace(self._folder / name)
        return list(names.values())

    def _write_page(self, page: list[Any], writers: dict[str, Any]) -> None:
        day, text = 0, ""
        for operator, ride_id, terminal, seq, board, *places, subsidy, cash, counted, pack in page:
            if day_of(board) != day:
                day = day_of(board)
                text = date.fromordinal(day).isoformat()
            line = (text, _TIMES[minute_of(board)], ride_id, terminal, seq, *places, subsidy, cash)
            writers[operator].writerow((*line, counted.bit_count(), pack))
            counts = self._days.setdefault(operator, {}).setdefault(day, [0, 0])
            counts[0] += 1
            counts[1] += subsidy

    def _csv(self, files: ExitStack, name: str) -> Any:
        path = self._folder / f".{name}.part"
        file: TextIO = files.enter_context(path.open("w", encoding="utf-8-sig", newline=""))
        writer = csv.writer(file)
        writer.writerow(_HEAD)
        return writer

    def _statements(self) -> str:
        """One line a rider; the rides of a rider stand in their own statement, made on request."""
        name = f"statements-{self._month.cycle}.csv"
        path = self._folder / f".{name}.part"
        columns = (statement.c.rider_id, statement.c.rides, statement.c.subsidy_yen)
        query = select(*columns).where(statement.c.municipality == M, statement.c.cycle == bindparam("cycle"))
        with self._begin() as database, path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["rider_id", "rides", "subsidy_yen"])
            writer.writerows(fetch(database, query.order_by(statement.c.rider_id), cycle=self._month.cycle))
        path.replace(self._folder / name)
        return name

    def _invoice(self, entry: Invoice, operators: dict[str, str]) -> bytes:
        paper = Paper(words("document.invoice.title", name=self._programme, month=self._month.cycle))
        paper.text(words("document.invoice.to", operator=operators.get(entry.operator_id, entry.operator_id)))
        paper.text(words("document.invoice.due", due=f"{entry.due_yen:,}", rides=f"{entry.rides:,}"))
        amounts = ("corrections_yen", "carried_in_yen", "carried_out_yen")
        if any(getattr(entry, name) for name in amounts):
            values = {name.removesuffix("_yen"): f"{getattr(entry, name):,}" for name in amounts}
            paper.text(words("document.invoice.corrections", **values))
        days = sorted(self._days.get(entry.operator_id, {}).items())
        rows: list[tuple[str | int, ...]] = [(date.fromordinal(day).isoformat(), *counts) for day, counts in days]
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
