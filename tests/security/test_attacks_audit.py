"""AUD: tampering with the audit log behind the hub's back, found from a checkpoint that was kept elsewhere.

Each attack is made with the full rights of the database's administrator, and with the wits to repair what can be
repaired: hashes of leaves, the stored tree, even the stored checkpoints.
"""
# ruff: noqa: S608 - the attacker writes SQL

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from unittest.mock import ANY

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from mykey_core.audit import verify
from mykey_core.audit.checkpoint import sign_checkpoint
from mykey_core.audit.keys import FileSigner
from mykey_core.audit.merkle import leaf_hash
from mykey_core.audit.raw import RAW_COLUMNS, raw_text
from mykey_core.audit.tables import audit_leaf
from mykey_core.audit.verify import Finding, FindingKind
from mykey_core.storage.tables import audit_record
from mykey_testkit.audit import SIGNER, TABLES, TOWN, AuditTown

SIZE = 24
K = FindingKind
_SHIFT = 1_000_000  # out of the way of all indices


@pytest.fixture
def town(tmp_path: Path) -> Iterator[AuditTown]:
    """A SQLite log of 24 records; the database's own protection is out of the game."""
    made = AuditTown(tmp_path)
    yield made
    made.close()


def record_ids(town: AuditTown) -> list[str]:
    """The ids of the records, as SQLite has them, in the order of the tree."""
    own = audit_leaf.c.municipality == TOWN
    with town.database.reading() as session:
        found = session.execute(select(audit_leaf.c.record_id).where(own).order_by(audit_leaf.c.leaf_index)).scalars()
        return [record_id.hex for record_id in found]


def rehash(town: AuditTown, index: int) -> None:
    """What a clever intruder does after an edit: the leaf's hash fits the record again."""
    own = (audit_leaf.c.municipality == TOWN) & (audit_leaf.c.leaf_index == index)
    join = (audit_record.c.municipality == audit_leaf.c.municipality) & (audit_record.c.id == audit_leaf.c.record_id)
    with town.database.reading() as session:
        row = session.execute(select(*RAW_COLUMNS).select_from(audit_leaf).join(audit_record, join).where(own)).one()
    digest = leaf_hash(raw_text(TOWN, row).encode())
    town.tamper(("UPDATE audit_leaf SET leaf_hash = ? WHERE leaf_index = ?", (digest, index)))


def edit_code(town: AuditTown, index: int) -> None:
    facts = "replace(facts, 'library.lent', 'library.back')"
    town.tamper((f"UPDATE audit_record SET facts = {facts} WHERE id = ?", (record_ids(town)[index],)))


def edit_event(town: AuditTown, index: int) -> None:
    town.tamper(("UPDATE audit_record SET event = 'action.refused' WHERE id = ?", (record_ids(town)[index],)))


def edit_time(town: AuditTown, index: int) -> None:
    town.tamper(("UPDATE audit_record SET at = at + 1 WHERE id = ?", (record_ids(town)[index],)))


def edit_to_no_record(town: AuditTown, index: int) -> None:
    town.tamper(("UPDATE audit_record SET at = 'yesterday' WHERE id = ?", (record_ids(town)[index],)))


def edit_and_rehash(town: AuditTown, index: int) -> None:
    edit_code(town, index)
    rehash(town, index)


def edit_id(town: AuditTown, index: int) -> None:
    other = "0192a0b0c0d07000800000000000000f"
    old = record_ids(town)[index]
    town.tamper(
        ("UPDATE audit_record SET id = ? WHERE id = ?", (other, old)),
        ("UPDATE audit_leaf SET record_id = ? WHERE record_id = ?", (other, old)),
    )


def delete_record(town: AuditTown, index: int) -> None:
    town.tamper(("DELETE FROM audit_record WHERE id = ?", (record_ids(town)[index],)))


def delete_record_and_leaf(town: AuditTown, index: int) -> None:
    town.tamper(
        ("DELETE FROM audit_record WHERE id = ?", (record_ids(town)[index],)),
        ("DELETE FROM audit_leaf WHERE leaf_index = ?", (index,)),
    )


def delete_and_close_the_gap(town: AuditTown, index: int) -> None:
    delete_record_and_leaf(town, index)
    town.tamper(
        (f"UPDATE audit_leaf SET leaf_index = leaf_index + {_SHIFT} WHERE leaf_index > ?", (index,)),
        f"UPDATE audit_leaf SET leaf_index = leaf_index - {_SHIFT} - 1 WHERE leaf_index >= {_SHIFT}",
        (f"UPDATE audit_subject SET leaf_index = leaf_index + {_SHIFT} WHERE leaf_index > ?", (index,)),
        ("DELETE FROM audit_subject WHERE leaf_index = ?", (index,)),
        f"UPDATE audit_subject SET leaf_index = leaf_index - {_SHIFT} - 1 WHERE leaf_index >= {_SHIFT}",
    )


def insert_into_the_past(town: AuditTown, index: int) -> None:
    """A copy of a record under another id, in the table of records only: it would be sealed at the end."""
    values = "municipality, '0192a0b0c0d07000800000000000000e', at - 3600000000, event, facts"
    town.tamper(
        (f"INSERT INTO audit_record SELECT {values} FROM audit_record WHERE id = ?", (record_ids(town)[index],))
    )


def insert_and_let_it_be_sealed(town: AuditTown, index: int) -> None:
    insert_into_the_past(town, index)
    town.sealer.seal(sweep=True)


def insert_into_the_tree(town: AuditTown, index: int) -> None:
    """The same, with a place in the middle of the tree and everything after it moved by one."""
    insert_into_the_past(town, index)
    leaf = "municipality, ?, '0192a0b0c0d07000800000000000000e', leaf_hash FROM audit_leaf WHERE leaf_index = ?"
    town.tamper(
        (f"UPDATE audit_leaf SET leaf_index = leaf_index + {_SHIFT} WHERE leaf_index >= ?", (index,)),
        f"UPDATE audit_leaf SET leaf_index = leaf_index - {_SHIFT} + 1 WHERE leaf_index >= {_SHIFT}",
        (f"INSERT INTO audit_leaf SELECT {leaf}", (index, index + 1)),
    )
    rehash(town, index)


def swap_places(town: AuditTown, index: int) -> None:
    """Two records change places, each with its hash."""
    other = (index + 1) % SIZE
    town.tamper(
        (f"UPDATE audit_leaf SET leaf_index = {_SHIFT} WHERE leaf_index = ?", (index,)),
        ("UPDATE audit_leaf SET leaf_index = ? WHERE leaf_index = ?", (index, other)),
        (f"UPDATE audit_leaf SET leaf_index = ? WHERE leaf_index = {_SHIFT}", (other,)),
    )


def swap_records(town: AuditTown, index: int) -> None:
    """Two records change their content and keep their ids, and their hashes are made anew."""
    ids = record_ids(town)
    one, other = ids[index], ids[(index + 1) % SIZE]
    town.tamper(
        ("UPDATE audit_record SET id = 'x' WHERE id = ?", (one,)),
        ("UPDATE audit_record SET id = ? WHERE id = ?", (one, other)),
        ("UPDATE audit_record SET id = ? WHERE id = 'x'", (other,)),
    )
    rehash(town, index)
    rehash(town, (index + 1) % SIZE)


def truncate(town: AuditTown, index: int) -> None:
    """Everything from a record on is taken away, with its leaves, its subjects and its checkpoints."""
    for record_id in record_ids(town)[index:]:
        town.tamper(("DELETE FROM audit_record WHERE id = ?", (record_id,)))
    town.tamper(
        *((f"DELETE FROM {table} WHERE leaf_index >= ?", (index,)) for table in ("audit_leaf", "audit_subject")),
        ("DELETE FROM audit_checkpoint WHERE size > ?", (index,)),
    )


def start_again(town: AuditTown, index: int) -> None:
    """The whole log is thrown away, and another one of the same length is sealed and signed with the real key."""
    town.tamper(*(f"DELETE FROM {table}" for table in TABLES))
    town.filled(SIZE)
    assert index < SIZE


ATTACKS: dict[Callable[[AuditTown, int], None], set[FindingKind]] = {
    edit_code: {K.EDITED},
    edit_event: {K.EDITED},
    edit_time: {K.EDITED},
    edit_to_no_record: {K.EDITED},
    edit_and_rehash: {K.REWRITTEN},
    edit_id: {K.EDITED},
    delete_record: {K.DELETED},
    delete_record_and_leaf: {K.DELETED, K.REWRITTEN},
    delete_and_close_the_gap: {K.TRUNCATED, K.SUBJECTS},
    insert_into_the_past: {K.INSERTED},
    insert_and_let_it_be_sealed: {K.INSERTED},
    insert_into_the_tree: {K.REWRITTEN, K.SUBJECTS},
    swap_places: {K.REWRITTEN, K.SUBJECTS},
    swap_records: {K.REWRITTEN, K.SUBJECTS},
    truncate: {K.TRUNCATED},
    start_again: {K.REWRITTEN},
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
@pytest.mark.parametrize("index", [0, 11, SIZE - 2])
def test_aud_01_tampering_is_found(town: AuditTown, attack: Callable[[AuditTown, int], None], index: int) -> None:
    """AUD-01: each way to rewrite history is found from the kept checkpoint, and has its name."""
    kept = town.filled(SIZE)[0]
    assert town.verify(kept).ok
    attack(town, index)
    kinds = town.kinds(kept)
    assert kinds
    assert kinds & ATTACKS[attack]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    attack=st.sampled_from(sorted(ATTACKS, key=lambda attack: attack.__name__)),
    index=st.integers(0, SIZE - 2),
    after=st.integers(0, 5),
    again=st.booleans(),
)
def test_aud_02_any_tampering_before_any_later_growth(
    attack: Callable[[AuditTown, int], None], index: int, after: int, *, again: bool
) -> None:
    """AUD-02: wherever the tampering is, and however the log grew and was signed since, the old checkpoint tells."""
    with tempfile.TemporaryDirectory() as folder:
        town = AuditTown(Path(folder))
        kept = town.filled(SIZE)[0]
        if again:
            town.filled(after)
        else:
            town.add(after)
        attack(town, index)
        assert not town.verify(kept).ok
        town.close()


@settings(max_examples=10, deadline=None)
@given(counts=st.lists(st.integers(0, 40), min_size=1, max_size=4))
def test_aud_03_an_untouched_log_verifies(counts: Sequence[int]) -> None:
    """AUD-03: without tampering every earlier checkpoint verifies, whatever was added since."""
    with tempfile.TemporaryDirectory() as folder:
        town = AuditTown(Path(folder))
        for kept in [*town.filled(*counts), None]:
            assert town.verify(kept).findings == []
        town.close()


def test_aud_04_the_record_is_named(town: AuditTown) -> None:
    """AUD-04: an edit and a deletion name the record; other changes the range between two checkpoints."""
    kept = town.filled(10, 10, 10)[-1]
    ids = record_ids(town)
    edit_code(town, 3)
    assert [str(finding).replace("-", "") for finding in town.verify(kept).findings] == [f"edited 3 record {ids[3]}"]
    rehash(town, 3)
    assert town.verify(kept).findings == [Finding(K.REWRITTEN, 0, 9)]
    edit_and_rehash(town, 15)
    assert town.verify(kept).findings == [Finding(K.REWRITTEN, 0, 9)]


def test_aud_04_a_truncation_says_how_much(town: AuditTown) -> None:
    """AUD-04: the finding names the records that the checkpoint had and the log has no more."""
    kept = town.filled(SIZE)[0]
    truncate(town, 20)
    assert town.verify(kept).findings == [Finding(K.TRUNCATED, 20, SIZE - 1)]


def test_aud_05_what_only_a_kept_checkpoint_finds(town: AuditTown) -> None:
    """AUD-05: who cuts the log and all its stored checkpoints is found by the copy elsewhere, and only by it."""
    kept = town.filled(10, 14)[-1]
    truncate(town, 10)
    assert town.verify().ok
    assert town.kinds(kept) == {K.TRUNCATED}


def test_aud_06_a_checkpoint_of_another_key_is_no_checkpoint(town: AuditTown) -> None:
    """AUD-06: a stored checkpoint that was not signed by the log's key is found, and is not trusted."""
    town.filled(SIZE)
    forger = FileSigner(SIGNER.name, Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
    note = sign_checkpoint(SIZE, bytes(32), forger)
    town.tamper(("UPDATE audit_checkpoint SET note = ?", (note,)))
    assert town.verify().findings == [Finding(K.CHECKPOINT, SIZE, SIZE)]


def test_aud_07_the_citizens_list_cannot_be_thinned(town: AuditTown) -> None:
    """AUD-07: a line that was taken from, or added to, the index of subjects is found."""
    kept = town.filled(SIZE)[0]
    town.tamper("DELETE FROM audit_subject WHERE leaf_index = 5")
    assert town.kinds(kept) == {K.SUBJECTS}
    town.tamper(("INSERT INTO audit_subject VALUES (?, ?, 5)", (TOWN, "x" * 43)))
    assert town.kinds(kept) == {K.SUBJECTS}


def test_aud_08_a_false_hash_in_the_stored_tree(town: AuditTown) -> None:
    """AUD-08: a stored node that does not follow from its leaves is found, with the records below it."""
    kept = town.filled(600)[0]
    town.tamper("UPDATE audit_node SET node_hash = zeroblob(32) WHERE level = 1 AND position = 1")
    assert town.verify(kept).findings == [Finding(K.TREE, 256, 511)]


def test_aud_09_tampering_on_postgresql(audit_town: AuditTown) -> None:
    """AUD-09: the same on both databases, for an edit, a deletion and a truncation."""
    kept = audit_town.filled(SIZE)[0]
    newest = "SELECT max(leaf_index) FROM audit_leaf"
    last = f"(SELECT record_id FROM audit_leaf WHERE leaf_index = ({newest}))"
    audit_town.tamper(f"UPDATE audit_record SET event = 'action.refused' WHERE id = {last}")
    assert audit_town.verify(kept).findings[0].first == SIZE - 1
    audit_town.tamper(f"DELETE FROM audit_record WHERE id = {last}")
    assert audit_town.kinds(kept) == {K.DELETED}
    audit_town.tamper(f"DELETE FROM audit_leaf WHERE leaf_index = ({newest})")
    assert K.TRUNCATED in audit_town.kinds(kept)


def test_aud_10_without_the_walls_the_hub_could_delete(town: AuditTown) -> None:
    """AUD-10: once the triggers are gone a DELETE of the hub's own works: it was they that stood in the way."""
    kept = town.filled(3)[0]
    town.tamper()
    with town.database.writing() as session:
        session.execute(delete(audit_record).where(audit_record.c.municipality == TOWN))
    assert town.kinds(kept) == {K.DELETED}


def test_aud_11_each_part_of_verification_is_needed(town: AuditTown, monkeypatch: pytest.MonkeyPatch) -> None:
    """AUD-11: switched off, the comparison of records, of roots and of what is not sealed lets its attack pass."""
    kept = town.filled(SIZE)[0]
    insert_into_the_past(town, 3)
    with monkeypatch.context() as off:
        off.setattr(verify._Verifier, "_find_unsealed", lambda _self: None)
        assert town.verify(kept).ok
    town.tamper("DELETE FROM audit_record WHERE id = '0192a0b0c0d07000800000000000000e'")
    assert town.verify(kept).ok
    edit_and_rehash(town, 3)
    with monkeypatch.context() as off:
        off.setattr(verify._Verifier, "_compare_roots", lambda _self: None)
        assert town.verify(kept).ok
    assert town.kinds(kept) == {K.REWRITTEN}


def test_aud_11_comparing_records_is_needed(town: AuditTown, monkeypatch: pytest.MonkeyPatch) -> None:
    """AUD-11: a verifier that takes every record for what was sealed does not see an edit."""
    kept = town.filled(SIZE)[0]
    edit_event(town, 5)
    with monkeypatch.context() as off:
        off.setattr(verify, "_hash", lambda *_: ANY)
        assert town.verify(kept).ok
    assert town.kinds(kept) == {K.EDITED}
