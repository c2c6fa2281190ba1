"""Proofs and exports as files: checked without the hub, refused when anything in them was changed."""

from __future__ import annotations

import base64
import json

import pytest
import rfc8785
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mykey_core.audit.errors import AuditError, NoteError, NotSealed, ProofError
from mykey_core.audit.export import check_export, export_log
from mykey_core.audit.merkle import leaf_hash
from mykey_core.audit.proofs import (
    ConsistencyProof,
    InclusionProof,
    parse_proof,
    prove_consistency,
    prove_inclusion,
)
from mykey_testkit.audit import SIGNER, TOWN, AuditTown, opened

KEYS = [SIGNER.verifier]


def test_a_record_is_proven_by_a_file(audit_town: AuditTown) -> None:
    """The file holds the record itself, and leads to the first checkpoint that covers it."""
    record = audit_town.add(300)[270]
    notes = [audit_town.checkpoint(), *audit_town.filled(5)]
    with audit_town.database.reading() as session:
        proof = prove_inclusion(session, TOWN, record.id)
    again = parse_proof(str(proof))
    assert again == proof
    assert again.check(KEYS) == opened(notes[0])
    assert proof.index == 270
    assert json.loads(proof.entry)["id"] == str(record.id)
    assert rfc8785.dumps(json.loads(proof.entry)) == proof.entry


def test_the_file_is_a_tlog_proof(audit_town: AuditTown) -> None:
    """It has the lines of c2sp.org/tlog-proof: head, extra, index, hashes, empty line, checkpoint."""
    record = audit_town.add(5)[2]
    note = audit_town.checkpoint()
    with audit_town.database.reading() as session:
        lines = str(prove_inclusion(session, TOWN, record.id)).split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[1].startswith("extra ")
    assert lines[2] == "index 2"
    assert [len(base64.b64decode(line)) for line in lines[3:6]] == [32, 32, 32]
    assert "\n".join(lines[6:]) == "\n" + note


def test_what_is_not_sealed_cannot_be_proven(audit_town: AuditTown) -> None:
    """A record that no checkpoint covers has no proof yet."""
    record = audit_town.add()[0]
    with audit_town.database.reading() as session, pytest.raises(NotSealed):
        prove_inclusion(session, TOWN, record.id)
    audit_town.sealer.seal()
    with audit_town.database.reading() as session, pytest.raises(NotSealed):
        prove_inclusion(session, TOWN, record.id)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 100_000), bit=st.integers(0, 7))
def test_no_bit_of_a_proof_can_be_changed(proof_text: bytes, position: int, bit: int) -> None:
    """Whatever single bit changes, the proof is refused."""
    changed = bytearray(proof_text)
    changed[position % len(changed)] ^= 1 << bit
    with pytest.raises((AuditError, UnicodeDecodeError)):
        parse_proof(changed.decode()).check(KEYS)


@pytest.fixture(scope="module")
def proof_text(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A proof of one of twenty records."""
    town = AuditTown(tmp_path_factory.mktemp("proof"))
    record = town.add(20)[7]
    town.checkpoint()
    with town.database.reading() as session:
        text = str(prove_inclusion(session, TOWN, record.id))
    town.close()
    return text.encode()


def test_a_proof_of_another_key_is_refused(proof_text: bytes) -> None:
    """Without the log's public key a proof proves nothing."""
    with pytest.raises(NoteError, match="no known key"):
        parse_proof(proof_text.decode()).check([])


def test_consistency_of_two_checkpoints(audit_town: AuditTown) -> None:
    """The proof between any two checkpoints holds and survives being written down; the other way round is refused."""
    notes = audit_town.filled(0, 3, 40, 300)
    with audit_town.database.reading() as session:
        for number, older in enumerate(notes):
            for newer in notes[number:]:
                proof = prove_consistency(session, TOWN, older, newer, KEYS)
                assert parse_proof(str(proof)) == proof
                assert proof.check(KEYS) == opened(newer)
        with pytest.raises(ProofError, match="wrong way round"):
            prove_consistency(session, TOWN, notes[2], notes[1], KEYS)


def test_a_history_that_was_changed_has_no_consistency_proof(audit_town: AuditTown) -> None:
    """After an edit with all its hashes made anew, no proof leads from the kept checkpoint to the log."""
    kept, newer = audit_town.filled(5, 5)
    with audit_town.database.reading() as session:
        proof = prove_consistency(session, TOWN, kept, newer, KEYS)
    steps = (leaf_hash(b"forged"), *proof.steps[1:])
    with pytest.raises(ProofError, match="history was changed"):
        ConsistencyProof(kept, newer, steps).check(KEYS)
    with pytest.raises(ProofError, match="history was changed"):
        ConsistencyProof(kept, newer, proof.steps[1:]).check(KEYS)


@pytest.mark.parametrize("text", ["", "{}", "[]", "c2sp.org/tlog-proof@v1\n\n", '{"older": 1, "newer": 2}'])
def test_what_is_no_proof_is_refused(text: str) -> None:
    """Anything else is a clear error."""
    with pytest.raises(AuditError):
        parse_proof(text).check(KEYS)


def test_an_inclusion_proof_is_bounded() -> None:
    """More steps than a tree can have are refused before anything is hashed."""
    step = base64.b64encode(bytes(32)).decode()
    text = "\n".join(["c2sp.org/tlog-proof@v1", "extra AA==", "index 0", *[step] * 65]) + "\n\nnote"
    with pytest.raises(ProofError, match="damaged"):
        InclusionProof.parse(text)


@pytest.fixture
def exported(audit_town: AuditTown) -> list[str]:
    """The last 90 of 100 records."""
    first = audit_town.add(10)[-1]
    audit_town.add(90)
    audit_town.checkpoint()
    with audit_town.database.reading() as session:
        return list(export_log(session, TOWN, first.at.replace(microsecond=1)))


def test_an_export_proves_itself(audit_town: AuditTown, exported: list[str]) -> None:
    """Its lines are the records; with the hashes before and the checkpoint after they are what was signed."""
    checkpoint, count = check_export([line + "\n" for line in exported], KEYS)
    assert (checkpoint.size, count, len(exported)) == (100, 90, 92)
    assert all(json.loads(line)["event"] == "action.done" for line in exported[1:-1])
    with audit_town.database.reading() as session:
        everything = list(export_log(session, TOWN))
    assert check_export(everything, KEYS)[1] == 100


def test_an_export_that_was_changed_is_refused(exported: list[str]) -> None:
    """A line edited, taken away, added, moved, or the end cut off: refused."""
    edited = [*exported[:5], exported[5].replace("library.lent", "library.back"), *exported[6:]]
    swapped = [*exported[:5], exported[6], exported[5], *exported[7:]]
    for lines in (edited, swapped, exported[:5] + exported[6:], exported[:5] + exported[4:], exported[:-1], [], ["{}"]):
        with pytest.raises(AuditError):
            check_export(lines, KEYS)


def test_a_log_without_checkpoint_has_no_export(audit_town: AuditTown) -> None:
    """There is nothing that such a file could be checked against."""
    audit_town.add(3)
    with audit_town.database.reading() as session, pytest.raises(NotSealed):
        list(export_log(session, TOWN))
