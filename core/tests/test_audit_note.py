"""Signed notes and checkpoints against published vectors, and Ed25519 against the openssl program."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mykey_core.audit.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from mykey_core.audit.errors import NoteError
from mykey_core.audit.keys import FileSigner, create_audit_key, load_audit_key, origin_line
from mykey_core.audit.note import VerifierKey, open_note, sign_note
from mykey_core.errors import ConfigurationError

# golang.org/x/mod/sumdb/note, note_test.go: the published key, text and signature.
VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNED = (
    TEXT
    + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
# c2sp.org/tlog-checkpoint: the example of the specification.
EXAMPLE = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
LOG = FileSigner("hub.example.jp/132217", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
WITNESS = FileSigner("witness.example.jp", Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
ROOT = bytes(range(32))


def test_the_published_note_is_made_and_opened() -> None:
    """Ed25519 has one signature for a key and a text: ours is byte for byte the one of Go's package."""
    signer = FileSigner("PeterNeumann", Ed25519PrivateKey.from_private_bytes(SEED))
    assert str(signer.verifier) == VERIFIER
    assert sign_note(TEXT, signer) == SIGNED
    assert open_note(SIGNED, [VerifierKey.parse(VERIFIER)]) == TEXT


@pytest.mark.parametrize(
    "line",
    [
        VERIFIER.replace("c74f20a3", "c74f20a4"),
        VERIFIER.replace("ARpc", "ARpd"),
        VERIFIER.removesuffix("W"),
        "PeterNeumann",
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "",
    ],
)
def test_damaged_verifier_keys_are_refused(line: str) -> None:
    """The mangled keys of Go's tests (wrong id, wrong length, unknown algorithm) are refused."""
    with pytest.raises(NoteError):
        VerifierKey.parse(line)


def test_the_example_checkpoint_of_the_specification() -> None:
    """The specification's example is read, and written again byte for byte."""
    checkpoint = Checkpoint.parse(EXAMPLE)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert str(checkpoint) == EXAMPLE
    assert Checkpoint.parse(EXAMPLE + "an extension\n") == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        "origin\n1\n",
        "\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\n01\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\n-1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\n1\nAAAA\n",
        "origin\n1\nno base64\n",
        "origin\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n",
    ],
)
def test_malformed_checkpoints_are_refused(text: str) -> None:
    """Missing lines, leading zeroes, signs, wrong lengths and empty lines are refused."""
    with pytest.raises(NoteError):
        Checkpoint.parse(text)


def test_openssl_verifies_a_checkpoint(tmp_path: Path) -> None:
    """The openssl program, which knows nothing of notes, verifies the signature over the checkpoint's three lines."""
    create_audit_key(tmp_path / "key.pem")
    signer = load_audit_key(tmp_path / "key.pem", LOG.name)
    text, _, line = sign_checkpoint(7, ROOT, signer).partition("\n\n")
    (tmp_path / "text").write_text(text + "\n", encoding="utf-8")
    (tmp_path / "signature").write_bytes(base64.b64decode(line.split(" ")[2])[4:])
    public = ["openssl", "pkey", "-in", "key.pem", "-pubout", "-out", "public.pem"]
    verify = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-rawin", "-in", "text"]
    subprocess.run(public, cwd=tmp_path, check=True)
    command = [*verify, "-sigfile", "signature"]
    assert b"Successfully" in subprocess.run(command, cwd=tmp_path, check=True, capture_output=True).stdout
    (tmp_path / "text").write_text(text.replace("7", "8") + "\n", encoding="utf-8")
    assert subprocess.run(command, cwd=tmp_path, check=False, capture_output=True).returncode != 0


def test_a_witness_signs_beside_the_log_and_not_instead_of_it() -> None:
    """Unknown signatures are passed over, but the log's own key must be among those that are right."""
    note = sign_checkpoint(7, ROOT, LOG)
    cosigned = note + sign_note(str(Checkpoint(LOG.name, 7, ROOT)), WITNESS).rpartition("\n\n")[2]
    assert open_checkpoint(cosigned, [LOG.verifier]) == Checkpoint(LOG.name, 7, ROOT)
    assert open_checkpoint(cosigned, [LOG.verifier, WITNESS.verifier]).size == 7
    alone = sign_note(str(Checkpoint(LOG.name, 7, ROOT)), WITNESS)
    with pytest.raises(NoteError, match="no known key"):
        open_checkpoint(alone, [LOG.verifier, WITNESS.verifier])


def test_no_bit_of_a_checkpoint_can_be_changed() -> None:
    """Whatever single bit of a signed checkpoint changes, it is refused."""
    note = sign_checkpoint(7, ROOT, LOG).encode()
    for position in range(len(note)):
        for bit in range(8):
            changed = bytearray(note)
            changed[position] ^= 1 << bit
            with pytest.raises((NoteError, UnicodeDecodeError)):
                open_checkpoint(changed.decode(), [LOG.verifier])


def test_a_note_with_a_bad_frame_is_refused() -> None:
    """No blank line, no signature, control characters and a text without end are refused."""
    for note in (TEXT, TEXT + "\n", SIGNED.replace("—", "-"), SIGNED.replace("you", "you\r"), SIGNED.rstrip("\n")):
        with pytest.raises(NoteError):
            open_note(note, [VerifierKey.parse(VERIFIER)])
    with pytest.raises(NoteError, match="newline"):
        sign_note("no newline", LOG)


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """Missing, open to others, damaged and overwritten key files are refused with what to do."""
    path = tmp_path / "key.pem"
    with pytest.raises(ConfigurationError, match="new-key"):
        load_audit_key(path, "log")
    create_audit_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        create_audit_key(path)
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="0600"):
        load_audit_key(path, "log")
    path.write_text("no key", encoding="ascii")
    with pytest.raises(ConfigurationError, match="PEM"):
        load_audit_key(path, "log")


def test_the_log_is_called_after_host_and_municipality() -> None:
    """The origin line has no scheme."""
    assert origin_line("https://hub.example.jp", "132217") == "hub.example.jp/132217"
    assert origin_line("http://localhost:8000", "132217") == "localhost:8000/132217"
