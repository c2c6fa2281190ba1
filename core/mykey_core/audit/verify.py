"""Verifying the whole log: every record against its leaf, every leaf against the tree, the tree against checkpoints.

Nothing stored is believed but the signatures of checkpoints; what was signed and kept elsewhere decides. A finding
says which records it is about, as narrowly as what is left allows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum, unique
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import select, type_coerce

from mykey_core.audit.canonical import record_text
from mykey_core.audit.checkpoint import Checkpoint, open_checkpoint
from mykey_core.audit.checkpoints import stored_checkpoints
from mykey_core.audit.errors import NoteError
from mykey_core.audit.merkle import EMPTY_ROOT, CompactRange, leaf_hash
from mykey_core.audit.note import VerifierKey
from mykey_core.audit.raw import RAW_COLUMNS, RawUuid
from mykey_core.audit.references import references_of_record
from mykey_core.audit.sealer import LOOK_BACK, NIL, unsealed
from mykey_core.audit.tables import audit_leaf, audit_node, audit_subject
from mykey_core.audit.tree import TILE_HEIGHT, TILE_WIDTH
from mykey_core.storage.database import Database
from mykey_core.storage.session import Session
from mykey_core.storage.tables import audit_record

_ROWS = 2048
_MAX_FINDINGS = 100
_LATE = LOOK_BACK // timedelta(microseconds=1)


@unique
class FindingKind(StrEnum):
    """What can be wrong."""

    EDITED = "edited"  # a record is not what was sealed
    DELETED = "deleted"  # sealed records are gone
    TRUNCATED = "truncated"  # the log is shorter than a checkpoint
    REWRITTEN = "rewritten"  # the tree is not the one that was signed: order, insertion, or records with their hashes
    INSERTED = "inserted"  # a record claims a time that the checkpoint covers, and is not in it
    TREE = "tree"  # a stored hash of the tree does not follow from its leaves
    SUBJECTS = "subjects"  # the index of whom records are about is not complete
    CHECKPOINT = "checkpoint"  # a stored checkpoint is not signed by the log


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, in the records from `first` to `last` (indices, both included) where that is known."""

    kind: FindingKind
    first: int | None = None
    last: int | None = None
    record_id: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The finding as JSON values."""
        return {"kind": self.kind.value, "first": self.first, "last": self.last, "record_id": self.record_id}

    def __str__(self) -> str:
        place = (
            "" if self.first is None else f" {self.first}" if self.first == self.last else f" {self.first}-{self.last}"
        )
        return f"{self.kind.value}{place}" + (f" record {self.record_id}" if self.record_id else "")


@dataclass(slots=True)
class Verification:
    """The outcome. `size` records are in the tree, `pending` wait to be sealed; `checkpoint` is what was trusted."""

    size: int = 0
    pending: int = 0
    checkpoint: Checkpoint | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True when nothing is wrong."""
        return not self.findings

    def add(self, kind: FindingKind, first: int | None = None, last: int | None = None, record: object = None) -> None:
        """Add a finding; after a hundred of one kind more of it say nothing new."""
        if sum(finding.kind is kind for finding in self.findings) < _MAX_FINDINGS:
            identity = None if record is None else str(UUID(str(record))) if _is_uuid(record) else str(record)
            self.findings.append(Finding(kind, first, first if last is None else last, identity))

    def as_json(self) -> dict[str, Any]:
        """The outcome as JSON values."""
        trusted = self.checkpoint and {"origin": self.checkpoint.origin, "size": self.checkpoint.size}
        findings = [finding.as_json() for finding in self.findings]
        return {"ok": self.ok, "size": self.size, "pending": self.pending, "checkpoint": trusted, "findings": findings}


def verify_log(
    database: Database, municipality: str, keys: Sequence[VerifierKey], checkpoint: Checkpoint | None = None
) -> Verification:
    """Verify the log of `municipality`, from `checkpoint` when one was kept elsewhere.

    Without it the newest stored checkpoint is trusted, which finds less: who can change the database can take that
    away as well.
    """
    with database.reading() as session:
        return _Verifier(session, municipality, keys, checkpoint).run()


class _Verifier:
    def __init__(
        self, session: Session, municipality: str, keys: Sequence[VerifierKey], checkpoint: Checkpoint | None
    ) -> None:
        self._session = session
        self._municipality = municipality
        self._result = Verification(checkpoint=checkpoint)
        self._checkpoints = self._readable(keys)
        if checkpoint is None and self._checkpoints:
            self._result.checkpoint = max(self._checkpoints, key=lambda known: known.size)
        elif checkpoint is not None:
            self._checkpoints.append(checkpoint)
        self._trusted_size = self._result.checkpoint.size if self._result.checkpoint else 0
        self._roots: dict[int, bytes | None] = {known.size: None for known in self._checkpoints}
        self._edge: CompactRange | None = CompactRange()
        self._nodes: dict[tuple[int, int], bytes] = {}
        self._subjects = 0
        self._newest = 0  # the latest time that a record in the trusted checkpoint claims

    def run(self) -> Verification:
        """All of it."""
        if 0 in self._roots:
            self._roots[0] = EMPTY_ROOT
        for rows in self._batches():
            for row in rows:
                self._leaf(row)
            self._compare_nodes()
        self._compare_roots()
        self._find_unsealed()
        self._compare_subjects()
        return self._result

    def _readable(self, keys: Sequence[VerifierKey]) -> list[Checkpoint]:
        found = []
        for stored in stored_checkpoints(self._session, self._municipality):
            try:
                known = open_checkpoint(stored.note, keys)
            except NoteError:
                self._result.add(FindingKind.CHECKPOINT, stored.size)
                continue
            found.append(known)
        return found

    def _batches(self) -> Iterator[list[Any]]:
        begin = -1
        while rows := list(self._session.execute(_leaves(self._municipality, begin))):
            yield rows
            begin = rows[-1].leaf_index

    def _leaf(self, row: Any) -> None:
        index, sealed_id, digest, record_id, at, event, facts = row
        if index != self._result.size:
            self._result.add(FindingKind.DELETED, self._result.size, index - 1)
            self._edge = None  # without a leaf no hash above it can be made
        self._result.size = index + 1
        if record_id is None:
            self._result.add(FindingKind.DELETED, index, record=sealed_id)
        elif _hash(self._municipality, record_id, at, event, facts) != digest:
            self._result.add(FindingKind.EDITED, index, record=sealed_id)
        else:
            self._time(index, at, record_id)
            for reference in references_of_record(facts):
                self._subjects += _mark(reference, index)
        if self._edge is not None:
            self._edge.append(digest, self._merged)
            if self._edge.size in self._roots:
                self._roots[self._edge.size] = self._edge.root()

    def _time(self, index: int, at: int, record_id: Any) -> None:
        if index < self._trusted_size:
            self._newest = max(self._newest, at)
        elif at < self._newest - _LATE:
            self._result.add(FindingKind.INSERTED, index, record=record_id)

    def _merged(self, height: int, position: int, value: bytes) -> None:
        level, rest = divmod(height, TILE_HEIGHT)
        if not rest:
            self._nodes[level, position] = value

    def _compare_nodes(self) -> None:
        for (level, position), value in self._nodes.items():
            key = (audit_node.c.level == level) & (audit_node.c.position == position)
            own = audit_node.c.municipality == self._municipality
            if self._session.execute(select(audit_node.c.node_hash).where(own, key)).scalar() != value:
                unit = TILE_WIDTH**level
                self._result.add(FindingKind.TREE, position * unit, (position + 1) * unit - 1)
        self._nodes.clear()

    def _compare_roots(self) -> None:
        """The first checkpoint that does not fit says between which sizes the history was changed."""
        good = 0
        for known in sorted(self._checkpoints, key=lambda known: known.size):
            if known.size > self._result.size:
                self._result.add(FindingKind.TRUNCATED, self._result.size, known.size - 1)
                return
            if self._roots[known.size] != known.root:
                self._result.add(FindingKind.REWRITTEN, good, known.size - 1)
                return
            good = known.size

    def _find_unsealed(self) -> None:
        after = NIL
        while rows := list(self._session.execute(unsealed(self._municipality, after).limit(_ROWS))):
            for record_id, at, *_ in map(tuple, rows):
                self._result.pending += 1
                if not isinstance(at, int) or at < self._newest - _LATE:
                    self._result.add(FindingKind.INSERTED, record=record_id)
            if not _is_uuid(rows[-1][0]):
                return
            after = UUID(str(rows[-1][0]))

    def _compare_subjects(self) -> None:
        own = audit_subject.c.municipality == self._municipality
        wanted = select(audit_subject.c.reference, audit_subject.c.leaf_index).where(own)
        for row in self._session.execute(wanted.execution_options(yield_per=_ROWS)):
            self._subjects -= _mark(row.reference, row.leaf_index)
        damaged = any(finding.kind in {FindingKind.EDITED, FindingKind.DELETED} for finding in self._result.findings)
        if self._subjects and not damaged:  # a record that cannot be read leaves its own lines over
            self._result.add(FindingKind.SUBJECTS)


def _leaves(municipality: str, begin: int) -> Any:
    """Leaves after index `begin` with their records, as far as these are there."""
    return (
        select(
            audit_leaf.c.leaf_index,
            type_coerce(audit_leaf.c.record_id, RawUuid).label("sealed_id"),
            audit_leaf.c.leaf_hash,
            *RAW_COLUMNS,
        )
        .outerjoin(
            audit_record,
            (audit_record.c.municipality == audit_leaf.c.municipality) & (audit_record.c.id == audit_leaf.c.record_id),
        )
        .where(audit_leaf.c.municipality == municipality, audit_leaf.c.leaf_index > begin)
        .order_by(audit_leaf.c.leaf_index)
        .limit(_ROWS)
    )


def _hash(municipality: str, record_id: Any, at: Any, event: Any, facts: Any) -> bytes | None:
    """The leaf hash of a record; None for a row that no hub has written."""
    try:
        return leaf_hash(record_text(municipality, record_id, at, event, facts).encode())
    except (TypeError, ValueError, OverflowError, AttributeError):
        return None


def _mark(reference: str, index: int) -> int:
    """A line of the subject index as a number, so that two sets of lines can be compared by their sums."""
    return int.from_bytes(sha256(f"{reference} {index}".encode()).digest(), "big")


def _is_uuid(value: object) -> bool:
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True
