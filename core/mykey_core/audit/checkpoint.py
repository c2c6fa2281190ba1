"""A checkpoint: what a log was at one size, as C2SP tlog-checkpoint writes it (c2sp.org/tlog-checkpoint).

Three lines (origin, number of records, root hash) in a signed note. It holds no time and no personal data, and it can
be published.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from mykey_core.audit.errors import NoteError
from mykey_core.audit.merkle import HASH_BYTES
from mykey_core.audit.note import NoteSigner, VerifierKey, decode_base64, open_note, sign_note

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`size` records with the Merkle root `root` (32 bytes) in the log called `origin`."""

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode('ascii')}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a note; extension lines are passed over."""
        lines = text.removesuffix("\n").split("\n")
        if len(lines) < 3 or not all(lines) or not _SIZE.fullmatch(lines[1]):  # noqa: PLR2004 - the three lines
            raise NoteError("a checkpoint is an origin, a number of records and a root hash")
        root = decode_base64(lines[2])
        if len(root) != HASH_BYTES:
            raise NoteError("the root hash of the checkpoint has not 32 bytes")
        return cls(lines[0], int(lines[1]), root)


def sign_checkpoint(size: int, root: bytes, signer: NoteSigner) -> str:
    """The signed checkpoint of a log; its origin is the name of the signer's key."""
    return sign_note(str(Checkpoint(signer.name, size, root)), signer)


def open_checkpoint(note: str, keys: Sequence[VerifierKey]) -> Checkpoint:
    """The checkpoint in a note, signed by the log's own key; `NoteError` otherwise."""
    checkpoint = Checkpoint.parse(open_note(note, keys))
    open_note(note, [key for key in keys if key.name == checkpoint.origin])  # a witness alone does not speak for a log
    return checkpoint
