"""Signing checkpoints and keeping them beside the log; copies kept elsewhere are what makes them worth something."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from mykey_core.audit.checkpoint import Checkpoint, sign_checkpoint
from mykey_core.audit.errors import LogBroken
from mykey_core.audit.note import NoteSigner
from mykey_core.audit.tables import audit_checkpoint
from mykey_core.audit.tree import TreeReader
from mykey_core.storage.database import Database
from mykey_core.storage.session import Session


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint as it was signed; `signed_at` is the hub's clock and not part of what is signed."""

    size: int
    signed_at: datetime
    note: str

    @property
    def unverified(self) -> Checkpoint:
        """What the note says, without a look at its signature."""
        return Checkpoint.parse(self.note.rpartition("\n\n")[0] + "\n")


def stored_checkpoints(session: Session, municipality: str) -> list[StoredCheckpoint]:
    """All checkpoints of the municipality, the smallest first."""
    own = audit_checkpoint.c.municipality == municipality
    rows = session.execute(select(audit_checkpoint).where(own).order_by(audit_checkpoint.c.size))
    return [StoredCheckpoint(row.size, row.signed_at, row.note) for row in rows]


def newest_checkpoint(session: Session, municipality: str) -> StoredCheckpoint | None:
    """The largest checkpoint, or None."""
    own = audit_checkpoint.c.municipality == municipality
    wanted = select(audit_checkpoint).where(own).order_by(audit_checkpoint.c.size.desc()).limit(1)
    row = session.execute(wanted).first()
    return None if row is None else StoredCheckpoint(row.size, row.signed_at, row.note)


def make_checkpoint(database: Database, municipality: str, signer: NoteSigner, now: datetime) -> StoredCheckpoint:
    """Sign the log as it stands; the newest checkpoint itself when nothing has come since.

    `LogBroken` when the log does not continue that one: a log signs no two histories (C2SP tlog-checkpoint).
    """
    try:
        return _sign(database, municipality, signer, now)
    except IntegrityError:  # PostgreSQL: another process of the hub has signed this size in the meantime
        return _sign(database, municipality, signer, now)


def _sign(database: Database, municipality: str, signer: NoteSigner, now: datetime) -> StoredCheckpoint:
    with database.writing() as session:
        tree = TreeReader(session, municipality)
        size = tree.size()
        newest = newest_checkpoint(session, municipality)
        if newest is not None:
            _check_continues(tree, size, newest.unverified)
            if newest.size == size:
                return newest
        made = StoredCheckpoint(size, now, sign_checkpoint(size, tree.edge(size).root(), signer))
        values = {"municipality": municipality, "size": size, "signed_at": now, "note": made.note}
        session.execute(insert(audit_checkpoint).values(**values))
        return made


def _check_continues(tree: TreeReader, size: int, earlier: Checkpoint) -> None:
    try:
        fits = earlier.size <= size and tree.edge(earlier.size).root() == earlier.root
    except LookupError:  # hashes are missing
        fits = False
    if not fits:
        raise LogBroken(earlier.size)
