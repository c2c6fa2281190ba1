"""A part of the log as a file that proves itself: JSON lines from one record to the end, under a checkpoint.

The first line holds the hashes of everything before, the last one the signed checkpoint; between them each line is the
canonical text of a record, so that the SHA-256 of 00 and the line is its leaf.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from mykey_core.audit.canonical import canonical_json
from mykey_core.audit.checkpoint import Checkpoint, open_checkpoint
from mykey_core.audit.checkpoints import newest_checkpoint
from mykey_core.audit.errors import NotSealed, ProofError
from mykey_core.audit.merkle import CompactRange, leaf_hash
from mykey_core.audit.note import VerifierKey, decode_base64
from mykey_core.audit.raw import RAW_COLUMNS, raw_text
from mykey_core.audit.tables import audit_leaf
from mykey_core.audit.tree import TreeReader
from mykey_core.storage.session import Session
from mykey_core.storage.tables import audit_record

_ROWS = 2048
_JOIN = (audit_record.c.municipality == audit_leaf.c.municipality) & (audit_record.c.id == audit_leaf.c.record_id)


def export_log(session: Session, municipality: str, since: datetime | None = None) -> Iterator[str]:
    """The lines, from the first record not before `since` to the newest checkpoint; `NotSealed` without one."""
    newest = newest_checkpoint(session, municipality)
    if newest is None:
        raise NotSealed
    first = min(_first(session, municipality, since), newest.size)
    left = TreeReader(session, municipality).edge(first).hashes
    head = {"first": first, "size": newest.size, "left": [base64.b64encode(part).decode("ascii") for part in left]}
    yield canonical_json(head)
    yield from _entries(session, municipality, first, newest.size)
    yield canonical_json({"checkpoint": newest.note})


def check_export(lines: Iterable[str], keys: Sequence[VerifierKey]) -> tuple[Checkpoint, int]:
    """(checkpoint, number of records) of exported lines; `ProofError` or `NoteError` unless these were signed."""
    edge: CompactRange | None = None
    held, first = "", 0
    for line in lines:
        if edge is None:
            edge = _head(line)
            first = edge.size
            continue
        if held:
            edge.append(leaf_hash(held.encode()))
        held = line.removesuffix("\n")
    if edge is None:
        raise ProofError("this is no export of an audit log")
    checkpoint = open_checkpoint(_note(held), keys)
    if (edge.size, edge.root()) != (checkpoint.size, checkpoint.root):
        raise ProofError("the records are not those of the checkpoint: lines were changed, added or taken away")
    return checkpoint, edge.size - first


def _first(session: Session, municipality: str, since: datetime | None) -> int:
    if since is None:
        return 0
    own = (audit_leaf.c.municipality == municipality) & (audit_record.c.at >= since)
    index = session.execute(select(func.min(audit_leaf.c.leaf_index)).join(audit_record, _JOIN).where(own)).scalar()
    return TreeReader(session, municipality).size() if index is None else int(index)


def _entries(session: Session, municipality: str, begin: int, end: int) -> Iterator[str]:
    while begin < end:
        place = audit_leaf.c.leaf_index
        own = (audit_leaf.c.municipality == municipality) & (place >= begin) & (place < min(end, begin + _ROWS))
        rows = session.execute(
            select(*RAW_COLUMNS).select_from(audit_leaf).join(audit_record, _JOIN).where(own).order_by(place)
        )
        for row in rows:
            yield raw_text(municipality, row)
        begin += _ROWS


def _head(line: str) -> CompactRange:
    content = _json(line)
    try:
        return CompactRange(int(content["first"]), [decode_base64(part) for part in content["left"]])
    except (ValueError, KeyError, TypeError) as error:
        raise ProofError("this is no export of an audit log") from error


def _note(line: str) -> str:
    try:
        return str(_json(line)["checkpoint"])
    except (KeyError, TypeError) as error:
        raise ProofError("the export has no end: its checkpoint is missing") from error


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise ProofError("this is no export of an audit log") from error
