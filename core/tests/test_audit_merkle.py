"""The Merkle tree against the published vectors of Certificate Transparency and a second implementation."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mykey_core.audit import merkle

# google/certificate-transparency, merkletree tests: eight leaves and the root of each size from 0 to 8.
LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    bytes.fromhex(text)
    for text in (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
CONSISTENCY_6_8 = [
    bytes.fromhex(text)
    for text in (
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    )
]
INCLUSION_0_8 = [
    bytes.fromhex(text)
    for text in (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    )
]
SIZES = st.integers(1, 70)


def mth(entries: list[bytes]) -> bytes:
    """MTH of RFC 9162 §2.1.1, word for word: the second implementation."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return sha256(b"\x01" + mth(entries[:k]) + mth(entries[k:])).digest()


def entries_of(size: int) -> list[bytes]:
    """That many different entries."""
    return [number.to_bytes(4, "big") for number in range(size)]


def hash_of(entries: list[bytes]) -> merkle.HashOf:
    """The hash of any range of entries, by the second implementation."""
    return lambda begin, end: mth(entries[begin:end])


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_published_ones(size: int) -> None:
    """The growing tree has the published root at each size, and so has the second implementation."""
    tree = merkle.CompactRange()
    for entry in LEAVES[:size]:
        tree.append(merkle.leaf_hash(entry))
    assert tree.root() == ROOTS[size] == mth(LEAVES[:size])


def test_published_proofs() -> None:
    """The published inclusion and consistency proofs are made and accepted."""
    assert merkle.consistency_proof(6, 8, hash_of(LEAVES)) == CONSISTENCY_6_8
    assert merkle.consistent(6, ROOTS[6], 8, ROOTS[8], CONSISTENCY_6_8)
    assert merkle.inclusion_proof(0, 8, hash_of(LEAVES)) == INCLUSION_0_8
    assert merkle.root_from_inclusion(merkle.leaf_hash(LEAVES[0]), 0, 8, INCLUSION_0_8) == ROOTS[8]


@given(size=SIZES, data=st.data())
def test_inclusion_of_every_leaf_and_of_no_other(size: int, data: st.DataObject) -> None:
    """A leaf's proof leads to the root; for another leaf, index, size or a changed step it does not."""
    entries = entries_of(size)
    index = data.draw(st.integers(0, size - 1))
    root = mth(entries)
    leaf = merkle.leaf_hash(entries[index])
    proof = merkle.inclusion_proof(index, size, hash_of(entries))
    assert merkle.root_from_inclusion(leaf, index, size, proof) == root
    assert merkle.root_from_inclusion(merkle.leaf_hash(b"another"), index, size, proof) != root
    assert merkle.root_from_inclusion(leaf, index, size, [*proof, leaf]) != root
    other = data.draw(st.integers(0, size - 1))
    if other != index:
        assert merkle.root_from_inclusion(leaf, other, size, proof) != root
    if proof:
        step = data.draw(st.integers(0, len(proof) - 1))
        forged = [*proof[:step], sha256(proof[step]).digest(), *proof[step + 1 :]]
        assert merkle.root_from_inclusion(leaf, index, size, forged) != root
        assert merkle.root_from_inclusion(leaf, index, size, proof[:-1]) != root


@given(newer=SIZES, data=st.data())
def test_consistency_of_any_two_sizes_and_of_no_other_tree(newer: int, data: st.DataObject) -> None:
    """For any two sizes the proof holds; with another root or a changed, added or missing step it does not."""
    older = data.draw(st.integers(1, newer))
    entries = entries_of(newer)
    roots = mth(entries[:older]), mth(entries)
    proof = merkle.consistency_proof(older, newer, hash_of(entries))
    assert merkle.consistent(older, roots[0], newer, roots[1], proof)
    other = mth([b"another", *entries[1:older]])
    assert not merkle.consistent(older, other, newer, roots[1], proof)
    assert not merkle.consistent(older, roots[0], newer, other, proof)
    assert not merkle.consistent(older, roots[0], newer, roots[1], [*proof, roots[0]])
    if proof:
        step = data.draw(st.integers(0, len(proof) - 1))
        forged = [*proof[:step], sha256(proof[step]).digest(), *proof[step + 1 :]]
        assert not merkle.consistent(older, roots[0], newer, roots[1], forged)
        assert not merkle.consistent(older, roots[0], newer, roots[1], proof[:-1])


def test_every_tree_begins_with_the_empty_one() -> None:
    """The empty tree needs no proof, and nothing else passes for it."""
    assert merkle.consistent(0, merkle.EMPTY_ROOT, 8, ROOTS[8], [])
    assert not merkle.consistent(0, ROOTS[1], 8, ROOTS[8], [])
    assert not merkle.consistent(0, merkle.EMPTY_ROOT, 8, ROOTS[8], [ROOTS[1]])


@given(size=st.integers(0, 300), more=st.integers(0, 300))
def test_a_compact_range_goes_on_from_its_hashes(size: int, more: int) -> None:
    """A tree that goes on from the hashes of its perfect subtrees has the root of the whole."""
    entries = entries_of(size + more)
    hashes = [mth(entries[begin:end]) for begin, end in merkle.perfect_ranges(size)]
    tree = merkle.CompactRange(size, hashes)
    for entry in entries[size:]:
        tree.append(merkle.leaf_hash(entry))
    assert tree.root() == mth(entries)
    assert tree.size == size + more


def test_what_cannot_be_is_refused() -> None:
    """A leaf outside the tree, an older tree that is longer, and a range without its hashes are errors."""
    with pytest.raises(ValueError, match="not in the tree"):
        merkle.inclusion_proof(8, 8, hash_of(LEAVES))
    with pytest.raises(ValueError, match="not longer"):
        merkle.consistency_proof(9, 8, hash_of(LEAVES))
    with pytest.raises(ValueError, match="perfect subtree"):
        merkle.CompactRange(3, [ROOTS[1]])
    assert merkle.root_from_inclusion(ROOTS[1], 8, 8, INCLUSION_0_8) is None
