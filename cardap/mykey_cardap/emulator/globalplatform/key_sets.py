"""Key sets as the card stores them, and what a secure channel needs of the memory that holds them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

MAX_COUNTER: Final = 0xFFFFFF


@dataclass(frozen=True, slots=True, eq=False)
class KeySet:
    """Three AES keys of one length under a version number. `repr` shows no key.

    `counter` is the sequence counter of pseudo-random challenges, `failures` the refused proofs since the last
    good one.
    """

    version: int
    enc: bytes = field(repr=False)
    mac: bytes = field(repr=False)
    dek: bytes = field(repr=False)
    counter: int = 0
    failures: int = 0


class KeyStore(Protocol):
    """The non-volatile memory of a card's key sets."""

    def key_set(self, version: int) -> KeySet | None:
        """The complete set with this version; version 0: the first one."""
        ...

    def set_counters(self, version: int, *, counter: int, failures: int) -> None:
        """Store the counters of a set before the card answers."""
        ...


class MemoryKeyStore:
    """Key sets that live as long as the object."""

    def __init__(self, key_sets: Iterable[KeySet] = ()) -> None:
        self._sets = {keys.version: keys for keys in key_sets}

    def key_set(self, version: int) -> KeySet | None:
        """The set with this version; version 0: the first one."""
        return self._sets.get(version) if version else next(iter(self._sets.values()), None)

    def set_counters(self, version: int, *, counter: int, failures: int) -> None:
        """Replace the counters of a set."""
        old = self._sets[version]
        self._sets[version] = KeySet(version, old.enc, old.mac, old.dek, counter, failures)
