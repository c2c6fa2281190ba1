"""What the database knows of a card: keyed hashes of its serial, one for each key epoch, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from mykey_core.identity.references import Label, references
from mykey_core.keys.provider import KeyProvider, Purpose


@dataclass(frozen=True, slots=True)
class CardReferences:
    """The references of cards under a municipality's keys; the re-keying job moves what is stored."""

    keys: KeyProvider

    @property
    def epoch(self) -> int:
        """The epoch under which new references are made."""
        return self.keys.epochs(Purpose.CREDENTIAL)[-1]

    def newest(self, serial: bytes) -> bytes:
        """The reference (32 bytes) that is stored for a card from now on."""
        return self.all(serial)[0]

    def all(self, serial: bytes) -> tuple[bytes, ...]:
        """The references under which a card may be stored, the newest first."""
        return references(self.keys, Label.CARD, serial)
