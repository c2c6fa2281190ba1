"""The queue's file: SQLite in one file, written through to the disk before `append` returns.

WAL with synchronous=FULL: a commit is on the disk when it returns, and a torn write is found by the log's checksums
and undone when the file is opened again (sqlite.org/wal.html). Several processes may append; sequence and chain are
read and written in one transaction.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import uuid_utils

from mykey_terminal.clock import Clock, system_clock
from mykey_terminal.files import PRIVATE_FILE, check_private, make_private_directory
from mykey_terminal.queue.errors import QueueDamagedError, QueueError, QueueForeignError
from mykey_terminal.queue.records import (
    FIRST_HASH,
    FIRST_SEQ,
    MAX_CONTENT,
    QueuedRecord,
    Signer,
    canonical,
    chained,
)
from mykey_terminal.uptime import Uptime, system_uptime

FINAL = frozenset({"accepted", "quarantined", "rejected"})
"""What the hub has decided; it sends the same receipt for ever."""
_PATIENCE = 5.0
_TABLES = """
CREATE TABLE IF NOT EXISTS head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    terminal_id TEXT NOT NULL, key TEXT NOT NULL, seq INTEGER NOT NULL, hash BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS record (
    seq INTEGER PRIMARY KEY, record_id TEXT NOT NULL UNIQUE, service TEXT NOT NULL, content TEXT NOT NULL,
    previous BLOB NOT NULL, hash BLOB NOT NULL, signature BLOB NOT NULL,
    state TEXT, code TEXT, receipt TEXT, delivered_at TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS record_state ON record (state, seq);
"""
_COLUMNS = "seq, record_id, service, content, previous, hash, signature, state, code, receipt"


class OfflineQueue:
    """The signed queue of one terminal in the file `path` (mode 0600, in a private folder). Safe for several threads.

    Opening it checks every record that it still holds: `QueueDamagedError` names the first that was changed,
    `QueueForeignError` a file of another terminal or key.
    """

    def __init__(
        self,
        path: Path,
        device_key: Signer,
        *,
        terminal_id: str,
        clock: Clock = system_clock,
        uptime: Uptime | None = None,
    ) -> None:
        self.path = path
        self.terminal_id = terminal_id
        self.uptime = uptime or system_uptime()
        self._key = device_key
        self._clock = clock
        self._lock = threading.Lock()
        self._database = self._open()
        try:
            self._begin_file()
            self.check()
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def append(self, service: str, payload: Mapping[str, Any]) -> QueuedRecord:
        """Sign and store one record; it survives loss of power from the moment that this returns.

        `payload` holds texts, whole numbers, booleans, null, lists and objects; `ValueError` for anything else, and
        beyond 8 KiB. It must not hold a name, an address or a number of a person.
        """
        with self._writing() as database:
            row = database.execute("SELECT seq, hash FROM head").fetchone()
            record = self._make(int(row["seq"]) + 1, bytes(row["hash"]), service, payload)
            database.execute(
                "INSERT INTO record (seq, record_id, service, content, previous, hash, signature)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    record.seq,
                    record.record_id,
                    record.service,
                    record.content,
                    record.previous,
                    record.hash,
                    record.signature,
                ),
            )
            database.execute("UPDATE head SET seq = ?, hash = ?", (record.seq, record.hash))
        return record

    def _make(self, seq: int, previous: bytes, service: str, payload: Mapping[str, Any]) -> QueuedRecord:
        record_id = str(uuid_utils.uuid7())
        content = canonical(
            {
                "terminal_id": self.terminal_id,
                "seq": seq,
                "record_id": record_id,
                "service": service,
                "recorded_at": instant(self._clock()),
                "boot_id": self.uptime.boot_id,
                "mono_ms": self.uptime.milliseconds(),
                "payload": dict(payload),
            }
        )
        if len(content.encode()) > MAX_CONTENT:
            raise ValueError(f"a record has at most {MAX_CONTENT} bytes")
        digest = chained(previous, content)
        return QueuedRecord(seq, record_id, service, content, previous, digest, self._key.sign(digest))

    def pending(self, limit: int | None = None) -> list[QueuedRecord]:
        """What the hub has not received yet, in order."""
        return self._select("state IS NULL", limit=limit)

    def unsettled(self, limit: int | None = None) -> list[QueuedRecord]:
        """What the hub has received and not decided, in order: a gap before it, or its service does not answer."""
        return self._select("state IN ('pending_gap', 'waiting')", limit=limit)

    def find(self, record_id: str) -> QueuedRecord | None:
        """A record by its id, with the hub's receipt once there is one; None when it is not here (any more)."""
        found = self._select("record_id = ?", record_id)
        return found[0] if found else None

    def find_same(self, service: str, payload: Mapping[str, Any]) -> QueuedRecord | None:
        """A record of `service` with this very payload: a program that was killed asks whether it had noted it."""
        wanted = canonical(payload)
        found = self._select("service = ?", service)
        return next((record for record in reversed(found) if canonical(record.payload) == wanted), None)

    def mark_delivered(
        self, seq: int, *, state: str, code: str | None = None, receipt: Mapping[str, Any] | None = None
    ) -> None:
        """Note the hub's word about a record; a final one is never replaced."""
        text = None if receipt is None else json.dumps(receipt, ensure_ascii=False)
        with self._writing() as database:
            database.execute(
                "UPDATE record SET state = ?, code = ?, receipt = ?, delivered_at = ? WHERE seq = ?"
                " AND (state IS NULL OR state NOT IN ('accepted', 'quarantined', 'rejected'))",
                (state, code, text, instant(self._clock()), seq),
            )

    def send_again(self, first: int, last: int) -> int:
        """The hub misses these records (a back-up of it was restored): they are pending again. Returns how many."""
        with self._writing() as database:
            update = "UPDATE record SET state = NULL WHERE seq BETWEEN ? AND ? AND state IS NOT NULL"
            return database.execute(update, (first, last)).rowcount

    def forget(self, before: datetime) -> int:
        """Delete what the hub decided before this instant, up to the first record that is still open."""
        with self._writing() as database:
            return database.execute(
                "DELETE FROM record WHERE delivered_at < ? AND seq < (SELECT coalesce("
                "(SELECT min(seq) FROM record WHERE state IS NULL OR state IN ('pending_gap', 'waiting')),"
                " (SELECT max(seq) + 1 FROM record)))",
                (instant(before),),
            ).rowcount

    def counts(self) -> dict[str, int]:
        """How many records are `pending`, and how many `unsettled`; `last_seq` is the newest record's number."""
        with self._lock:
            row = self._database.execute(
                "SELECT count(*) FILTER (WHERE state IS NULL), "
                "count(*) FILTER (WHERE state IN ('pending_gap', 'waiting')), (SELECT seq FROM head) FROM record"
            ).fetchone()
        return {"pending": int(row[0]), "unsettled": int(row[1]), "last_seq": int(row[2])}

    def check(self) -> None:
        """Verify the whole chain that is still here; `QueueDamagedError` at the first record that does not fit."""
        with self._lock:
            head = self._database.execute("SELECT seq, hash FROM head").fetchone()
            query = f"SELECT {_COLUMNS} FROM record ORDER BY seq"  # noqa: S608 - constants
            rows = [_record(row) for row in self._database.execute(query)]
        previous, expected = (rows[0].previous, rows[0].seq) if rows else (bytes(head["hash"]), int(head["seq"]) + 1)
        if expected == FIRST_SEQ:
            previous = FIRST_HASH
        for record in rows:
            if record.seq != expected or not record.fits(previous, self._key):
                raise QueueDamagedError(path=self.path, seq=expected)
            previous, expected = record.hash, expected + 1
        if (expected - 1, previous) != (int(head["seq"]), bytes(head["hash"])):
            raise QueueDamagedError(path=self.path, seq=expected)

    def _select(self, condition: str, *values: object, limit: int | None = None) -> list[QueuedRecord]:
        query = f"SELECT {_COLUMNS} FROM record WHERE {condition} ORDER BY seq LIMIT ?"  # noqa: S608 - constants
        with self._lock:
            return [_record(row) for row in self._database.execute(query, (*values, -1 if limit is None else limit))]

    def _open(self) -> sqlite3.Connection:
        make_private_directory(self.path.parent)
        try:
            self.path.touch(mode=PRIVATE_FILE, exist_ok=True)
            check_private(self.path)
            database = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
            database.row_factory = sqlite3.Row
            database.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; {_TABLES}")
        except (OSError, sqlite3.Error) as error:
            raise QueueError(f"the queue cannot be opened ({type(error).__name__})", path=self.path) from error
        return database

    def _begin_file(self) -> None:
        with self._writing() as database:
            database.execute(
                "INSERT OR IGNORE INTO head VALUES (1, ?, ?, ?, ?)",
                (self.terminal_id, self._key.thumbprint, FIRST_SEQ - 1, FIRST_HASH),
            )
            row = database.execute("SELECT terminal_id, key FROM head").fetchone()
        if (row["terminal_id"], row["key"]) != (self.terminal_id, self._key.thumbprint):
            raise QueueForeignError("the queue belongs to another terminal", path=self.path)

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
                raise QueueError(f"the queue cannot be written ({type(error).__name__})", path=self.path) from error


def instant(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, `2026-11-23T09:00:00.000Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _record(row: sqlite3.Row) -> QueuedRecord:
    receipt = None if row["receipt"] is None else json.loads(row["receipt"])
    values = (row["seq"], row["record_id"], row["service"], row["content"])
    blobs = (bytes(row["previous"]), bytes(row["hash"]), bytes(row["signature"]))
    return QueuedRecord(*values, *blobs, row["state"], row["code"], receipt)
