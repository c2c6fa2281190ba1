"""The audit log: what sealing and verifying cost a record, as ratios to a plain SHA-256 chain in the same run.

`python benchmarks/audit.py [RECORDS]`; SQLite in a temporary folder, synchronous=FULL. Wall time and processor time,
because a busy machine shows in the first only.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import insert
from uuid_utils.compat import uuid7

from mykey_core.audit import events
from mykey_core.audit.canonical import canonical_json
from mykey_core.audit.checkpoint import open_checkpoint
from mykey_core.audit.checkpoints import make_checkpoint
from mykey_core.audit.keys import FileSigner
from mykey_core.audit.proofs import prove_inclusion
from mykey_core.audit.records import append
from mykey_core.audit.sealer import Sealer
from mykey_core.audit.verify import verify_log
from mykey_core.storage.database import Database, open_database
from mykey_core.storage.prepared import Prepared
from mykey_core.storage.tables import audit_record
from mykey_core.storage.upgrade import upgrade_tables

TOWN = "132217"
ID = "01234567-89ab-7def-8123-456789abcdef"
FACTS = {
    "terminal": ID,
    "service_point": "desk",
    "service": "library-desk",
    "action": "open",
    "code": "library.welcome",
    "tap": ID,
    "subject": "x" * 43,
    "algorithm": "RS256",
    "issuer": "OU=JPKI for user authentication,O=JPKI-EMU,C=JP",
    "policy": "1.2.392.200149.8.5.1.3.30",
    "revocation": {"source": "crl:0123456789abcdef", "mode": "fresh", "this_update": "2026-11-23T00:00:00+00:00"},
}
_plain = Prepared(insert(audit_record))


def timed(work: Callable[[], object], records: int) -> tuple[float, float]:
    """(wall, processor) microseconds a record."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - wall) / records * 1e6, (time.process_time() - processor) / records * 1e6


def main(records: int) -> None:
    """Run it, and print one line a step and the same as JSON."""
    signer = FileSigner(f"hub.example.jp/{TOWN}", Ed25519PrivateKey.generate())
    figures: dict[str, tuple[float, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder)}/audit.sqlite3"
        upgrade_tables(url)
        database = open_database(url, TOWN)
        text = canonical_json({"event": "tap.done", "facts": FACTS, "id": ID}).encode()

        def chain() -> None:
            last = bytes(32)
            for _ in range(records):
                last = sha256(last + text).digest()

        def insert_plain() -> None:
            with database.writing() as session:
                for _ in range(records):
                    now = datetime.now(UTC)
                    values = {"municipality": TOWN, "id": uuid7(), "at": now, "event": "tap.done", "facts": FACTS}
                    session.run(_plain, values)

        def insert_checked() -> None:
            with database.writing() as session:
                for _ in range(records):
                    append(session, TOWN, datetime.now(UTC), "tap.done", FACTS)

        def check_only() -> None:
            for _ in range(records):
                events.check("tap.done", FACTS)

        figures["SHA-256 chain"] = timed(chain, records)
        figures["plain insert"] = timed(insert_plain, records)
        Sealer(database, TOWN).seal(sweep=True)
        figures["append"] = timed(insert_checked, records)
        figures["  of it, the register"] = timed(check_only, records)
        figures["seal"] = timed(lambda: Sealer(database, TOWN).seal(sweep=True), records)
        note = make_checkpoint(database, TOWN, signer, datetime.now(UTC)).note
        kept = open_checkpoint(note, [signer.verifier])
        figures["verify"] = timed(lambda: verify_log(database, TOWN, [signer.verifier], kept), records * 2)
        record = append_one(database)
        Sealer(database, TOWN).seal()
        make_checkpoint(database, TOWN, signer, datetime.now(UTC))
        with database.reading() as session:
            figures["prove one record"] = timed(lambda: prove_inclusion(session, TOWN, record), 1)
        database.dispose()
    show(figures)


def append_one(database: Database) -> UUID:
    """The id of a new record."""
    with database.writing() as session:
        return append(session, TOWN, datetime.now(UTC), "tap.done", FACTS).id


def show(figures: dict[str, tuple[float, float]]) -> None:
    """Microseconds a record, records a second, and how many times the chain."""
    base = figures["SHA-256 chain"][1]
    for name, (wall, processor) in figures.items():
        ratio = f"{processor / base:7.1f} x chain"
        print(f"{name:24} {wall:9.1f} us  {1e6 / wall:9.0f} /s  processor {processor:9.1f} us {ratio}")
    print(json.dumps({name.strip(): round(processor, 2) for name, (_, processor) in figures.items()}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
