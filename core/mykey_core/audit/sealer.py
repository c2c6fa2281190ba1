"""Sealing: giving committed records their place in the tree, in batches, after the taps that wrote them.

An append takes no lock and asks nobody for a number; so records become visible in any order. Whatever is committed and
has no place gets the next one. A run looks at the records of the last minutes; a sweep looks at all, and so finds one
whose transaction was open for long or whose clock went wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from mykey_core.audit.bulk import add_rows
from mykey_core.audit.canonical import record_text
from mykey_core.audit.merkle import CompactRange, leaf_hash
from mykey_core.audit.raw import RAW_COLUMNS, RawRecord
from mykey_core.audit.references import references_of_record
from mykey_core.audit.tables import audit_leaf, audit_node, audit_subject
from mykey_core.audit.tree import TILE_HEIGHT, TreeReader
from mykey_core.clock import Clock, system_clock
from mykey_core.storage.database import Database
from mykey_core.storage.session import Session
from mykey_core.storage.tables import audit_record
from mykey_core.storage.types import to_microseconds

BATCH = 2048  # records a transaction: some milliseconds in which no other unit writes to SQLite
LOOK_BACK = timedelta(minutes=10)
NIL = UUID(int=0)


@dataclass(slots=True)
class _Batch:
    """What one transaction adds."""

    municipality: str
    leaves: list[dict[str, Any]] = field(default_factory=list)
    nodes: list[dict[str, Any]] = field(default_factory=list)
    subjects: list[dict[str, Any]] = field(default_factory=list)

    def merged(self, height: int, position: int, value: bytes) -> None:
        """Keep the hash of a full group of 256, 256², … leaves."""
        level, rest = divmod(height, TILE_HEIGHT)
        if not rest:
            node = {"municipality": self.municipality, "level": level, "position": position, "node_hash": value}
            self.nodes.append(node)


class Sealer:
    """Seals the records of one municipality. Any number may run, in any process: one of them wins each place."""

    def __init__(self, database: Database, municipality: str, clock: Clock = system_clock, batch: int = BATCH) -> None:
        self._database = database
        self._municipality = municipality
        self._clock = clock
        self._batch = batch

    def seal(self, *, sweep: bool = False) -> int:
        """Seal what was committed before; returns how many records. `sweep` looks at all records, however old."""
        with self._database.reading() as session:
            tree = TreeReader(session, self._municipality)
            edge = tree.edge(tree.size())
            begin = NIL if sweep else recent(session, self._municipality, self._clock())
        sealed = 0
        while rows := self._unsealed(begin):
            if not self._add(edge, rows):
                return sealed  # another sealer was faster: it goes on, and the next run finds what it leaves
            sealed += len(rows)
            begin = UUID(str(rows[-1][0]))
        return sealed

    def _unsealed(self, after: UUID) -> list[RawRecord]:
        with self._database.reading() as session:
            rows: Any = session.execute(unsealed(self._municipality, after).limit(self._batch))
            return [(row[0], row[1], row[2], row[3]) for row in rows]

    def _add(self, edge: CompactRange, rows: list[RawRecord]) -> bool:
        start = edge.size
        batch = _Batch(self._municipality)
        for row in rows:
            self._place(batch, edge, row)
        try:
            with self._database.writing() as session:
                if TreeReader(session, self._municipality).size() != start:
                    return False
                add_rows(session, audit_leaf, batch.leaves)
                add_rows(session, audit_node, batch.nodes)
                add_rows(session, audit_subject, batch.subjects)
        except IntegrityError:  # PostgreSQL: another sealer has taken the place in the meantime
            return False
        return True

    def _place(self, batch: _Batch, edge: CompactRange, row: RawRecord) -> None:
        record_id, at, event, facts = row
        own, index = self._municipality, edge.size
        digest = leaf_hash(record_text(own, record_id, at, event, facts).encode())
        batch.leaves.append({"municipality": own, "leaf_index": index, "record_id": record_id, "leaf_hash": digest})
        for reference in references_of_record(facts):
            batch.subjects.append({"municipality": own, "reference": reference, "leaf_index": index})
        edge.append(digest, batch.merged)


def unsealed(municipality: str, after: UUID) -> Any:
    """Records without a place whose id is greater than `after`, by id, as `RawRecord`."""
    return (
        select(*RAW_COLUMNS)
        .outerjoin(
            audit_leaf,
            (audit_leaf.c.municipality == audit_record.c.municipality) & (audit_leaf.c.record_id == audit_record.c.id),
        )
        .where(
            audit_record.c.municipality == municipality,
            audit_record.c.id > after,
            audit_leaf.c.leaf_index.is_(None),
        )
        .order_by(audit_record.c.id)
    )


def recent(session: Session, municipality: str, now: datetime) -> UUID:
    """The smallest id that a record of the last minutes can have, by this clock or by that of the newest leaf."""
    own = audit_leaf.c.municipality == municipality
    newest = select(audit_leaf.c.record_id).where(own).order_by(audit_leaf.c.leaf_index.desc()).limit(1)
    last: UUID | None = session.execute(newest).scalar()
    if last is None:
        return NIL
    earliest = min(last.int >> 80, to_microseconds(now) // 1000) - LOOK_BACK // timedelta(milliseconds=1)
    return UUID(int=max(earliest, 0) << 80)
