"""Merkle tree hashes and proofs of RFC 9162 §2.1 (the same as RFC 6962 §2.1), with SHA-256. No storage, no signatures.

A tree of n leaves is written D[0:n]. Proof making asks a function for the hash of any D[a:b], so that it does not
matter whether the leaves are in memory or in a database; proof checking needs nothing but the proof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
HashOf = Callable[[int, int], bytes]
"""The Merkle tree hash of the leaves from index a (included) to b (excluded), a < b."""
Merged = Callable[[int, int, bytes], None]
"""Told of each perfect subtree that was completed: its height, its position among those of this height, its hash."""


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(00 ‖ entry): 32 bytes."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(01 ‖ left ‖ right): 32 bytes."""
    return sha256(b"\x01" + left + right).digest()


def split(size: int) -> int:
    """The largest power of two that is smaller than `size` (at least 2): how many leaves stand left of the root."""
    return 1 << ((size - 1).bit_length() - 1)


def perfect_ranges(size: int) -> list[tuple[int, int]]:
    """D[0:size] as perfect subtrees from the left, each as (begin, end)."""
    begin, ranges = 0, []
    for height in reversed(range(size.bit_length())):
        if size >> height & 1:
            ranges.append((begin, begin + (1 << height)))
            begin += 1 << height
    return ranges


class CompactRange:
    """The right edge of a growing tree: one hash for each perfect subtree, at most 64."""

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size = size
        self.hashes = list(hashes)
        if len(self.hashes) != size.bit_count():
            raise ValueError("a compact range has one hash for each perfect subtree")

    def append(self, leaf: bytes, merged: Merged | None = None) -> None:
        """Add a leaf hash; `merged` is told of each subtree of height 1 and more that this completes."""
        position, height, current = self.size, 0, leaf
        while position & 1:
            current = sha256(b"\x01" + self.hashes.pop() + current).digest()
            position >>= 1
            height += 1
            if merged is not None:
                merged(height, position, current)
        self.hashes.append(current)
        self.size += 1

    def root(self) -> bytes:
        """The root hash; for no leaves SHA-256 of nothing."""
        if not self.hashes:
            return EMPTY_ROOT
        *rest, root = self.hashes
        for left in reversed(rest):
            root = node_hash(left, root)
        return root


def inclusion_proof(index: int, size: int, hash_of: HashOf) -> list[bytes]:
    """The hashes that lead from leaf `index` to the root of D[0:size], from the leaf upwards (RFC 9162 §2.1.3.1)."""
    if not 0 <= index < size:
        raise ValueError("the leaf is not in the tree")
    path, begin, end = [], 0, size
    while end - begin > 1:
        middle = begin + split(end - begin)
        if index < middle:
            path.append(hash_of(middle, end))
            end = middle
        else:
            path.append(hash_of(begin, middle))
            begin = middle
    return path[::-1]


def consistency_proof(older: int, newer: int, hash_of: HashOf) -> list[bytes]:
    """What shows that D[0:older] is the beginning of D[0:newer] (RFC 9162 §2.1.4.1); empty for equal or empty trees."""
    if not 0 <= older <= newer:
        raise ValueError("the older tree is not longer than the newer")
    if older in {0, newer}:
        return []
    path, begin, end = [], 0, newer
    while end != older:
        middle = begin + split(end - begin)
        if older <= middle:
            path.append(hash_of(middle, end))
            end = middle
        else:
            path.append(hash_of(begin, middle))
            begin = middle
    return ([hash_of(begin, end)] if begin else []) + path[::-1]


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """The root that the proof leads to; None for a proof that cannot be one (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        return None
    position, last, current = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return None
        if position & 1 or position == last:
            current = node_hash(step, current)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            current = node_hash(current, step)
        position, last = position >> 1, last >> 1
    return current if last == 0 else None


def consistent(older: int, older_root: bytes, newer: int, newer_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that the older tree is the beginning of the newer one (RFC 9162 §2.1.4.2).

    Every tree begins with the empty one, which needs no proof.
    """
    if older == 0:
        return older_root == EMPTY_ROOT and not proof
    if older == newer:
        return older_root == newer_root and not proof
    if not 0 < older < newer or not proof:
        return False
    steps = [older_root, *proof] if older & (older - 1) == 0 else list(proof)
    return _walk(older - 1, newer - 1, steps) == (older_root, newer_root)


def _walk(position: int, last: int, steps: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Both roots that the steps lead to, or None when they are too many or too few."""
    while position & 1:
        position, last = position >> 1, last >> 1
    first = second = steps[0]
    for step in steps[1:]:
        if last == 0:
            return None
        if position & 1 or position == last:
            first, second = node_hash(step, first), node_hash(step, second)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            second = node_hash(second, step)
        position, last = position >> 1, last >> 1
    return (first, second) if last == 0 else None
