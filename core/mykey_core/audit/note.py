"""Signed notes: text with Ed25519 signatures, as C2SP signed-note has it (c2sp.org/signed-note).

A verifier key is one line, `name+keyid+base64(01 ‖ public key)`, the form of golang.org/x/mod/sumdb/note.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from mykey_core.audit.errors import NoteError

ED25519 = b"\x01"
MAX_SIGNATURES = 100
MAX_NOTE_BYTES = 1_000_000
_DASH = "— "
_KEY_BYTES = 32
_ID_BYTES = 4


class NoteSigner(Protocol):
    """Whoever holds a log's private key: a file in development, a token of a key provider elsewhere."""

    @property
    def name(self) -> str:
        """The key's name, which is the log's origin line."""
        ...

    @property
    def public_key(self) -> bytes:
        """The Ed25519 public key (32 bytes, RFC 8032)."""
        ...

    def sign(self, data: bytes) -> bytes:
        """The Ed25519 signature of `data` (64 bytes)."""
        ...


def is_key_name(name: str) -> bool:
    """Whether a note's key may be called so: not empty, no spaces, no plus, no control characters."""
    return bool(name) and "+" not in name and not any(char.isspace() or char < " " for char in name)


def key_id(name: str, public_key: bytes) -> bytes:
    """SHA-256(name ‖ 0A ‖ 01 ‖ public key)[:4]."""
    return sha256(name.encode() + b"\n" + ED25519 + public_key).digest()[:_ID_BYTES]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key that signatures of notes are checked with. `public_key` is 32 bytes."""

    name: str
    public_key: bytes

    @property
    def id(self) -> bytes:
        """The four bytes that stand before its signatures."""
        return key_id(self.name, self.public_key)

    def __str__(self) -> str:
        encoded = base64.b64encode(ED25519 + self.public_key).decode("ascii")
        return f"{self.name}+{self.id.hex()}+{encoded}"

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read `name+keyid+base64`; `NoteError` when it is damaged or of another algorithm."""
        name, _, rest = line.strip().partition("+")
        identity, _, encoded = rest.partition("+")
        raw = decode_base64(encoded)
        key = cls(name, raw[1:])
        if raw[:1] != ED25519 or len(key.public_key) != _KEY_BYTES or not is_key_name(name):
            raise NoteError("a verifier key is name+keyid+base64 of an Ed25519 public key")
        if identity != key.id.hex():
            raise NoteError("the verifier key is damaged: its id does not fit")
        return key

    def verify(self, text: bytes, signature: bytes) -> bool:
        """Whether `signature` (64 bytes) is this key's over `text`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, text)
        except InvalidSignature:
            return False
        return True


def sign_note(text: str, signer: NoteSigner) -> str:
    """The note of `text` (which ends in a newline) with one signature."""
    if not text.endswith("\n") or not is_key_name(signer.name):
        raise NoteError("a note's text ends in a newline, and its key's name has no spaces and no plus")
    blob = key_id(signer.name, signer.public_key) + signer.sign(text.encode())
    return f"{text}\n{_DASH}{signer.name} {base64.b64encode(blob).decode('ascii')}\n"


def open_note(note: str, keys: Sequence[VerifierKey]) -> str:
    """The text of a note that at least one of `keys` has signed; `NoteError` otherwise.

    Signatures of other keys are passed over; a wrong signature of a known key refuses the note.
    """
    text, lines = _parts(note)
    known = {(key.name, key.id): key for key in keys}
    verified = False
    for name, blob in map(_signature, lines):
        key = known.get((name, blob[:_ID_BYTES]))
        if key is None:
            continue
        if not key.verify(text.encode(), blob[_ID_BYTES:]):
            raise NoteError(f"the signature of {name} is wrong")
        verified = True
    if not verified:
        raise NoteError("no known key has signed this note")
    return text


def _parts(note: str) -> tuple[str, list[str]]:
    """(text with its final newline, signature lines) of a well-formed note."""
    if len(note) > MAX_NOTE_BYTES or any(char < " " and char != "\n" for char in note):
        raise NoteError("a note is short text without control characters")
    text, blank, block = note.rpartition("\n\n")
    if not blank or not block.endswith("\n"):
        raise NoteError("a note is text, an empty line and signature lines")
    lines = block[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteError(f"a note has no more than {MAX_SIGNATURES} signatures")
    return text + "\n", lines


def _signature(line: str) -> tuple[str, bytes]:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    blob = decode_base64(encoded)
    if not line.startswith(_DASH) or not space or not is_key_name(name) or len(blob) <= _ID_BYTES:
        raise NoteError("a signature line is a dash, a key name and base64")
    return name, blob


def decode_base64(encoded: str) -> bytes:
    """The bytes of canonical base64; `NoteError` for anything else, so that no bit of a note is without meaning."""
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("the base64 is damaged") from error
    if base64.b64encode(raw).decode("ascii") != encoded:
        raise NoteError("the base64 is damaged")
    return raw
