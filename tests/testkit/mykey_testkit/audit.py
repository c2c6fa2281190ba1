"""The audit log of a test town, with a key that everybody knows, and somebody who changes the tables by hand."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.engine import make_url

from mykey_core.audit.checkpoint import Checkpoint, open_checkpoint
from mykey_core.audit.checkpoints import make_checkpoint
from mykey_core.audit.keys import FileSigner
from mykey_core.audit.records import AuditRecord, append
from mykey_core.audit.sealer import Sealer
from mykey_core.audit.verify import FindingKind, Verification, verify_log
from mykey_core.storage.database import open_database
from mykey_core.storage.upgrade import upgrade_tables
from mykey_testkit.clock import ManualClock
from mykey_testkit.postgres import DatabaseUrls

TOWN = "132217"
SIGNER = FileSigner("hub.example.jp/132217", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
TABLES = ("audit_record", "audit_leaf", "audit_node", "audit_subject", "audit_checkpoint")
ACTION = {
    "terminal": "01234567-89ab-7def-8123-456789abcdef",
    "service_point": "desk",
    "service": "library-desk",
    "action": "open",
    "code": "library.lent",
}


def subject_of(number: int) -> str:
    """A pairwise id that belongs to nobody."""
    return f"{number:043d}"


class AuditTown:
    """The log of one town in a database of its own; `urls` is a PostgreSQL database, else it is a SQLite file."""

    def __init__(self, folder: Path, urls: DatabaseUrls | None = None, batch: int = 50) -> None:
        self.file = folder / "audit.sqlite3"
        self.urls = urls or DatabaseUrls(f"sqlite:///{self.file}", f"sqlite:///{self.file}")
        if urls is None:
            self.file.write_bytes(_new_database())
        self.clock = ManualClock()
        self.database = open_database(self.urls.hub, TOWN)
        self.sealer = Sealer(self.database, TOWN, self.clock, batch)

    def add(self, count: int = 1, *, event: str = "action.done", **facts: Any) -> list[AuditRecord]:
        """Append records, each a second after the one before."""
        made = []
        with self.database.writing() as session:
            for number in range(count):
                self.clock.now += timedelta(seconds=1)
                content = {**ACTION, "subject": subject_of(number), **facts} if event == "action.done" else facts
                made.append(append(session, TOWN, self.clock.now, event, content))
        return made

    def checkpoint(self) -> str:
        """Seal everything and sign it; the note."""
        self.sealer.seal(sweep=True)
        return make_checkpoint(self.database, TOWN, SIGNER, self.clock.now).note

    def filled(self, *counts: int) -> list[str]:
        """Add that many records a checkpoint; the notes."""
        notes = []
        for count in counts:
            self.add(count)
            notes.append(self.checkpoint())
        return notes

    def verify(self, kept: str | None = None) -> Verification:
        """Verify from a checkpoint kept elsewhere."""
        return verify_log(self.database, TOWN, [SIGNER.verifier], opened(kept) if kept else None)

    def kinds(self, kept: str | None = None) -> set[FindingKind]:
        """The kinds of findings."""
        return {finding.kind for finding in self.verify(kept).findings}

    def tamper(self, *statements: str | tuple[str, Sequence[Any]]) -> None:
        """Change the tables as somebody would who has the database file, or is PostgreSQL's administrator.

        Statements are in SQLite's words, with `?` for values.
        """
        self.database.dispose()
        if make_url(self.urls.hub).get_backend_name() == "sqlite":
            with closing(sqlite3.connect(self.file)) as connection, connection:
                for table in TABLES:
                    for act in ("update", "delete"):
                        connection.execute(f"DROP TRIGGER IF EXISTS {table}_no_{act}")
                for sql, values in map(_with_values, statements):
                    connection.execute(sql, values)
            return
        query = make_url(self.urls.hub)
        dsn = f"host={query.query['host']} dbname={query.database} user=postgres"
        with psycopg.connect(dsn) as remote:
            remote.execute("SET session_replication_role = replica")
            for sql, values in map(_with_values, statements):
                remote.execute(sql.replace("?", "%s"), values)

    def close(self) -> None:
        """Close the database."""
        self.database.dispose()


@cache
def _new_database() -> bytes:
    """An upgraded SQLite file, made once a process."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "new.sqlite3"
        upgrade_tables(f"sqlite:///{file}")
        return file.read_bytes()


@pytest.fixture
def audit_town(tmp_path: Path, hub_database: DatabaseUrls | None) -> Iterator[AuditTown]:
    """The empty log of a town, on both databases."""
    town = AuditTown(tmp_path, hub_database)
    yield town
    town.close()


def opened(note: str) -> Checkpoint:
    """What a note of the test town says."""
    return open_checkpoint(note, [SIGNER.verifier])


def _with_values(statement: str | tuple[str, Sequence[Any]]) -> tuple[str, Sequence[Any]]:
    return (statement, ()) if isinstance(statement, str) else statement
