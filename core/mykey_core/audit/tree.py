"""Reading the Merkle tree of one municipality from its stored leaves and nodes; nothing is written here.

Stored are the hash of every leaf and that of every full group of 256, 256², … leaves (the levels of C2SP tlog-tiles),
so that any hash of the tree costs a few hundred rows at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select

from mykey_core.audit.merkle import (
    CompactRange,
    consistency_proof,
    inclusion_proof,
    node_hash,
    perfect_ranges,
    split,
)
from mykey_core.audit.tables import audit_leaf, audit_node
from mykey_core.storage.session import Session

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT


class TreeReader:
    """The tree of `municipality` as `session` sees it. It believes what is stored; `verify` does not."""

    def __init__(self, session: Session, municipality: str) -> None:
        self._session = session
        self._municipality = municipality

    def size(self) -> int:
        """How many records the tree has."""
        last = select(func.max(audit_leaf.c.leaf_index)).where(audit_leaf.c.municipality == self._municipality)
        highest = self._session.execute(last).scalar()
        return 0 if highest is None else int(highest) + 1

    def index_of(self, record_id: UUID) -> int | None:
        """The place of a record in the tree; None when it has none (yet)."""
        own = (audit_leaf.c.municipality == self._municipality) & (audit_leaf.c.record_id == record_id)
        index = self._session.execute(select(audit_leaf.c.leaf_index).where(own)).scalar()
        return None if index is None else int(index)

    def edge(self, size: int) -> CompactRange:
        """The right edge of the tree of the first `size` records."""
        return CompactRange(size, [self.hash_of(begin, end) for begin, end in perfect_ranges(size)])

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The proof that leaf `index` is in the tree of `size` records."""
        return inclusion_proof(index, size, self.hash_of)

    def consistency(self, older: int, newer: int) -> list[bytes]:
        """The proof that the tree of `older` records is the beginning of that of `newer`."""
        return consistency_proof(older, newer, self.hash_of)

    def hash_of(self, begin: int, end: int) -> bytes:
        """The hash of D[begin:end]; a range that begins at a multiple of its width is read from the level above."""
        width = end - begin
        if width & (width - 1) or width > TILE_WIDTH // 2:
            return self._wide(begin, end, width)
        return combine(self._stored(0, begin, end))

    def tile(self, level: int, position: int) -> list[bytes]:
        """The hashes of a tile of C2SP tlog-tiles: 256, or fewer at the right edge."""
        begin = position * TILE_WIDTH
        return self._stored(level, begin, begin + TILE_WIDTH, partial=True)

    def _wide(self, begin: int, end: int, width: int) -> bytes:
        level = (width.bit_length() - 1) // TILE_HEIGHT
        unit = TILE_WIDTH**level
        if width & (width - 1) == 0:
            return combine(self._stored(level, begin // unit, end // unit))
        middle = begin + split(width)
        return node_hash(self.hash_of(begin, middle), self.hash_of(middle, end))

    def _stored(self, level: int, begin: int, end: int, *, partial: bool = False) -> list[bytes]:
        table, place, value = (
            (audit_leaf, audit_leaf.c.leaf_index, audit_leaf.c.leaf_hash)
            if level == 0
            else (audit_node, audit_node.c.position, audit_node.c.node_hash)
        )
        wanted = [table.c.municipality == self._municipality, place >= begin, place < end]
        if level:
            wanted.append(audit_node.c.level == level)
        hashes = list(self._session.execute(select(value).where(*wanted).order_by(place)).scalars())
        if len(hashes) != end - begin and not partial:
            raise LookupError(f"level {level} has not all hashes from {begin} to {end}")
        return hashes


def combine(hashes: Sequence[bytes]) -> bytes:
    """The hash over a power of two of neighbouring hashes."""
    while len(hashes) > 1:
        hashes = [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]
