"""What the core asks of whoever holds a municipality's keys: a keyed hash, and nothing that gives a key away.

Each purpose has numbered epochs. New things are made under the newest; older epochs stay until a re-keying job has
moved everything (`identity.rekey`).
"""

from __future__ import annotations

from enum import StrEnum, unique
from typing import Protocol

from mykey_core.errors import MykeyError

FIRST_EPOCH = 1


@unique
class Purpose(StrEnum):
    """What a key is for. Two purposes never share a key."""

    CREDENTIAL = "credential"  # references of credentials, of their keys, and marks of attributes
    PAIRWISE = "pairwise"  # the ids under which plugins know a person


class KeyUnavailable(MykeyError):
    """The key cannot be used now: the token is gone, its PIN is wrong, the file was taken away."""

    def __init__(self, purpose: Purpose, reason: str) -> None:
        super().__init__(f"the {purpose} key cannot be used: {reason}")
        self.purpose = purpose
        self.reason = reason


class KeyProvider(Protocol):
    """The keys of one municipality. Safe to use from many threads."""

    def epochs(self, purpose: Purpose) -> tuple[int, ...]:
        """The epochs of this purpose, oldest first; never empty."""
        ...

    def mac(self, purpose: Purpose, epoch: int, data: bytes) -> bytes:
        """HMAC-SHA256 over `data` (32 bytes); `KeyUnavailable` when it cannot be made."""
        ...

    def refresh(self) -> bool:
        """Look for epochs that another process has added; True when there are some."""
        ...

    def add_epoch(self, purpose: Purpose) -> int:
        """Make a new key for `purpose` and return the number of its epoch."""
        ...
