"""The journal of transactions on cards: an order stands on the disk before the card sees it, and its end after.

SQLite in one file, written through (as the queue's). It decides nothing: what became of an order the card says.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mykey_cardap.service_application.orders import OperationId, Order, Receipt
from mykey_terminal.files import PRIVATE_FILE, check_private, make_private_directory
from mykey_terminal.queue.errors import QueueError

_OFFLINE = 0x8000_0000  # taps through the hub count from 1: the same terminal never uses one id twice
_TABLES = """
CREATE TABLE IF NOT EXISTS tap (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, service INTEGER NOT NULL, card BLOB NOT NULL,
    "order" BLOB, counter INTEGER NOT NULL, generation INTEGER NOT NULL, state TEXT NOT NULL, receipt BLOB
) STRICT;
CREATE INDEX IF NOT EXISTS tap_key ON tap (key);
CREATE INDEX IF NOT EXISTS tap_open ON tap (card, service, state);
"""


@dataclass(frozen=True, slots=True)
class NotedTap:
    """One transaction; `counter` is the card's before it.

    `state`: `intent`, `unknown`, `committed`, `void`, `refused`, `lost`.
    """

    sequence: int
    key: str
    service: int
    card: bytes
    order: Order
    counter: int
    generation: int
    state: str
    receipt: Receipt | None

    @property
    def is_open(self) -> bool:
        """Whether nobody knows yet what became of it."""
        return self.state in {"intent", "unknown"}


class TapJournal:
    """The journal in the file `path` (mode 0600, in a private folder). Safe for several threads."""

    def __init__(self, path: Path, terminal: bytes) -> None:
        """`terminal`: the 8 bytes by which cards know this terminal."""
        self.path = path
        self._terminal = terminal
        self._lock = threading.Lock()
        self._database = self._open()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def operation(self, sequence: int) -> OperationId:
        """The operation id of a number of this journal."""
        return OperationId(self._terminal, _OFFLINE | sequence)

    def reserve(self, key: str, service: int, card: bytes, counter: int, generation: int) -> int:
        """A number that is never given again; the order follows with `intend`."""
        with self._writing() as database:
            values = (key, service, card, counter, generation)
            row = "INSERT INTO tap (key, service, card, counter, generation, state) VALUES (?, ?, ?, ?, ?, 'void')"
            return int(database.execute(row, values).lastrowid or 0)

    def intend(self, sequence: int, order: Order) -> None:
        """The order goes to the card next; on the disk when this returns."""
        with self._writing() as database:
            update = "UPDATE tap SET \"order\" = ?, state = 'intent' WHERE sequence = ?"
            database.execute(update, (bytes(order), sequence))

    def end(self, sequence: int, state: str, receipt: Receipt | None = None) -> None:
        """What became of it."""
        with self._writing() as database:
            raw = None if receipt is None else bytes(receipt)
            database.execute("UPDATE tap SET state = ?, receipt = ? WHERE sequence = ?", (state, raw, sequence))

    def newest(self, key: str) -> NotedTap | None:
        """The last order under a key."""
        found = self._select('key = ? AND "order" IS NOT NULL ORDER BY sequence DESC LIMIT 1', key)
        return found[0] if found else None

    def open_of(self, card: bytes, service: int) -> list[NotedTap]:
        """Transactions of a card whose end is not known, oldest first."""
        return self._select(
            "card = ? AND service = ? AND state IN ('intent', 'unknown') ORDER BY sequence", card, service
        )

    def open_count(self) -> int:
        """How many transactions wait for their card."""
        return len(self._select("state IN ('intent', 'unknown')"))

    def _select(self, condition: str, *values: object) -> list[NotedTap]:
        with self._lock:
            rows = self._database.execute(f"SELECT * FROM tap WHERE {condition}", values).fetchall()  # noqa: S608 - constants
        return [_noted(row) for row in rows]

    def _open(self) -> sqlite3.Connection:
        make_private_directory(self.path.parent)
        try:
            self.path.touch(mode=PRIVATE_FILE, exist_ok=True)
            check_private(self.path)
            database = sqlite3.connect(self.path, timeout=5.0, isolation_level=None, check_same_thread=False)
            database.row_factory = sqlite3.Row
            database.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; {_TABLES}")
        except (OSError, sqlite3.Error) as error:
            raise QueueError(f"the journal cannot be opened ({type(error).__name__})", path=self.path) from error
        return database

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                try:
                    yield self._database
                except BaseException:
                    self._database.execute("ROLLBACK")
                    raise
                self._database.execute("COMMIT")
            except sqlite3.Error as error:
                raise QueueError(f"the journal cannot be written ({type(error).__name__})", path=self.path) from error


def _noted(row: sqlite3.Row) -> NotedTap:
    receipt = None if row["receipt"] is None else Receipt.from_bytes(bytes(row["receipt"]))
    order = Order.from_bytes(bytes(row["order"]))
    head = (row["sequence"], row["key"], row["service"], bytes(row["card"]))
    return NotedTap(*head, order, row["counter"], row["generation"], row["state"], receipt)
