"""Proofs as files: that a record is in the log (C2SP tlog-proof), and that one checkpoint continues another.

Checking needs the file and the log's public key; no database, no network.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from sqlalchemy import select

from mykey_core.audit.checkpoint import Checkpoint, open_checkpoint
from mykey_core.audit.checkpoints import stored_checkpoints
from mykey_core.audit.errors import NoteError, NotSealed, ProofError
from mykey_core.audit.merkle import consistent, leaf_hash, root_from_inclusion
from mykey_core.audit.note import VerifierKey, decode_base64
from mykey_core.audit.raw import RAW_COLUMNS, raw_text
from mykey_core.audit.tree import TreeReader
from mykey_core.storage.session import Session
from mykey_core.storage.tables import audit_record

INCLUSION_HEAD = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")
_MAX_STEPS = 64


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That `entry` (the canonical text of a record) is leaf `index` of the checkpoint in `note`."""

    entry: bytes
    index: int
    steps: tuple[bytes, ...]
    note: str

    def __str__(self) -> str:
        lines = [INCLUSION_HEAD, f"extra {_base64(self.entry)}", f"index {self.index}", *map(_base64, self.steps)]
        return "\n".join(lines) + "\n\n" + self.note

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a `.tlog-proof` file whose extra data are the record; `ProofError` when it is none."""
        head, blank, note = text.partition("\n\n")
        lines = head.split("\n")
        if not blank or len(lines) < 3 or lines[0] != INCLUSION_HEAD or not lines[1].startswith("extra "):  # noqa: PLR2004
            raise ProofError("this is no inclusion proof of a record")
        index = _INDEX.fullmatch(lines[2])
        if index is None or len(lines) - 3 > _MAX_STEPS:
            raise ProofError("the inclusion proof is damaged")
        entry, *steps = map(_decoded, [lines[1].removeprefix("extra "), *lines[3:]])
        return cls(entry, int(index[1]), tuple(steps), note)

    def check(self, keys: Sequence[VerifierKey]) -> Checkpoint:
        """The checkpoint that the record is in; `ProofError` or `NoteError` when it is not."""
        checkpoint = open_checkpoint(self.note, keys)
        root = root_from_inclusion(leaf_hash(self.entry), self.index, checkpoint.size, self.steps)
        if root != checkpoint.root:
            raise ProofError("the proof does not lead to the checkpoint's root: the record is not what was sealed")
        return checkpoint


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """That the log of the note `older` is the beginning of the log of the note `newer`."""

    older: str
    newer: str
    steps: tuple[bytes, ...]

    def __str__(self) -> str:
        content = {"older": self.older, "newer": self.newer, "consistency": [_base64(step) for step in self.steps]}
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` has written; `ProofError` when it is something else."""
        try:
            content: Any = json.loads(text)
            older, newer, steps = content["older"], content["newer"], content["consistency"]
            return cls(str(older), str(newer), tuple(_decoded(str(step)) for step in steps))
        except (ValueError, KeyError, TypeError) as error:
            raise ProofError("this is no consistency proof") from error

    def check(self, keys: Sequence[VerifierKey]) -> Checkpoint:
        """The newer checkpoint; `ProofError` or `NoteError` when it does not continue the older one."""
        older, newer = open_checkpoint(self.older, keys), open_checkpoint(self.newer, keys)
        fits = older.origin == newer.origin and consistent(older.size, older.root, newer.size, newer.root, self.steps)
        if not fits:
            raise ProofError("the newer checkpoint does not continue the older one: history was changed")
        return newer


def parse_proof(text: str) -> InclusionProof | ConsistencyProof:
    """Read a proof of either kind."""
    return InclusionProof.parse(text) if text.startswith(INCLUSION_HEAD) else ConsistencyProof.parse(text)


def prove_inclusion(session: Session, municipality: str, record_id: UUID) -> InclusionProof:
    """The proof of a record to the oldest checkpoint that covers it; `NotSealed` when there is none."""
    own = (audit_record.c.municipality == municipality) & (audit_record.c.id == record_id)
    row = session.execute(select(*RAW_COLUMNS).where(own)).first()
    tree = TreeReader(session, municipality)
    index = tree.index_of(record_id)
    covering = [
        known for known in stored_checkpoints(session, municipality) if index is not None and known.size > index
    ]
    if row is None or index is None or not covering:
        raise NotSealed
    entry = raw_text(municipality, row).encode()
    return InclusionProof(entry, index, tuple(tree.inclusion(index, covering[0].size)), covering[0].note)


def prove_consistency(
    session: Session, municipality: str, older: str, newer: str, keys: Sequence[VerifierKey]
) -> ConsistencyProof:
    """The proof between two signed checkpoints; `ProofError` when the stored tree cannot give one that holds."""
    sizes = open_checkpoint(older, keys).size, open_checkpoint(newer, keys).size
    tree = TreeReader(session, municipality)
    if not sizes[0] <= sizes[1] <= tree.size():
        raise ProofError("the log is shorter than the newer checkpoint, or the checkpoints are the wrong way round")
    proof = ConsistencyProof(older, newer, tuple(tree.consistency(*sizes)))
    proof.check(keys)
    return proof


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _decoded(text: str) -> bytes:
    try:
        return decode_base64(text)
    except NoteError as error:
        raise ProofError("the proof is damaged") from error
