"""All that a card's issuer security domain stores, as one value: every command stores it whole, once, or not at all.

Pure data with the questions one can ask of it; commands change it in `commands_*.py`, memories keep it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum, unique
from typing import Final, Protocol

from mykey_cardap.emulator.globalplatform.key_sets import KeySet

_ENC, _MAC, _DEK = 1, 2, 3
_ENTRY_OVERHEAD: Final = 64
LOCKED: Final = 0x80


@unique
class CardState(IntEnum):
    """Life cycle of the card, which its issuer domain shows (GP 2.3.1, table 11-6)."""

    OP_READY = 0x01
    INITIALIZED = 0x07
    SECURED = 0x0F
    CARD_LOCKED = 0x7F
    TERMINATED = 0xFF


@unique
class ApplicationState(IntEnum):
    """Life cycle of an application (GP 2.3.1, table 11-4); bits 4 to 7 are its own, bit 8 is the lock."""

    LOADED = 0x01
    INSTALLED = 0x03
    SELECTABLE = 0x07


@dataclass(frozen=True, slots=True, eq=False)
class StoredKeys:
    """The keys of one version by key identifier (1 ENC, 2 MAC, 3 DEK), and their counters."""

    version: int
    keys: dict[int, bytes] = field(repr=False)
    counter: int = 0
    failures: int = 0

    def as_key_set(self) -> KeySet | None:
        """The set for a secure channel; None while one of its three keys is missing."""
        if not {_ENC, _MAC, _DEK} <= self.keys.keys():
            return None
        return KeySet(self.version, self.keys[_ENC], self.keys[_MAC], self.keys[_DEK], self.counter, self.failures)


@dataclass(frozen=True, slots=True)
class LoadFile:
    """An executable load file with the AIDs of its modules; `size` in bytes of memory."""

    aid: bytes
    modules: tuple[bytes, ...]
    size: int = 0


@dataclass(frozen=True, slots=True)
class Instance:
    """An application in the registry. `parameters` are those of INSTALL (the value of its C9)."""

    aid: bytes
    load_file: bytes
    module: bytes
    privileges: bytes = bytes(3)
    parameters: bytes = field(default=b"", repr=False)
    state: int = ApplicationState.SELECTABLE

    @property
    def selectable(self) -> bool:
        """Whether SELECT finds it: made selectable and not locked."""
        return not self.state & LOCKED and self.state != ApplicationState.INSTALLED


@dataclass(frozen=True, slots=True)
class CardContents:
    """Keys, registry and data objects. `capacity` bytes are there for load files, instances and objects."""

    state: CardState = CardState.OP_READY
    keys: tuple[StoredKeys, ...] = ()
    load_files: tuple[LoadFile, ...] = ()
    instances: tuple[Instance, ...] = ()
    objects: dict[int, bytes] = field(default_factory=dict, repr=False)
    capacity: int = 0x10000

    def free(self) -> int:
        """Bytes left."""
        code = sum(file.size + _ENTRY_OVERHEAD for file in self.load_files)
        data = sum(len(instance.parameters) + _ENTRY_OVERHEAD for instance in self.instances)
        return self.capacity - code - data - sum(map(len, self.objects.values()))

    def stored_keys(self, version: int) -> StoredKeys | None:
        """The keys of a version."""
        return next((keys for keys in self.keys if keys.version == version), None)

    def load_file(self, aid: bytes) -> LoadFile | None:
        """The load file with exactly this AID."""
        return next((file for file in self.load_files if file.aid == aid), None)

    def instance(self, aid: bytes) -> Instance | None:
        """The application with exactly this AID."""
        return next((found for found in self.instances if found.aid == aid), None)

    def with_instance(self, instance: Instance) -> CardContents:
        """Add or replace an application."""
        others = tuple(other for other in self.instances if other.aid != instance.aid)
        return replace(self, instances=(*others, instance))

    def with_keys(self, keys: StoredKeys) -> CardContents:
        """Add keys, or replace those of the same version in their place."""
        if self.stored_keys(keys.version) is None:
            return replace(self, keys=(*self.keys, keys))
        kept = tuple(keys if old.version == keys.version else old for old in self.keys)
        return replace(self, keys=kept)


class ContentsMemory(Protocol):
    """The non-volatile memory of a card's contents. `commit` stores the whole value atomically."""

    @property
    def contents(self) -> CardContents:
        """What was committed last."""
        ...

    def commit(self, contents: CardContents) -> None:
        """Store; `Refused` 6581 when the memory is worn."""
        ...

    def recover(self) -> None:
        """Power-up: repair what a power cut has left."""
        ...


class VolatileMemory:
    """Contents that live as long as the object; a commit is one assignment."""

    def __init__(self, contents: CardContents) -> None:
        self.contents = contents

    def commit(self, contents: CardContents) -> None:
        """Keep the new value."""
        self.contents = contents

    def recover(self) -> None:
        """There is nothing to repair."""


class ContentsKeyStore:
    """The key sets of contents in a memory, for a secure channel."""

    def __init__(self, memory: ContentsMemory) -> None:
        self._memory = memory

    def key_set(self, version: int) -> KeySet | None:
        """The complete set with this version; version 0: the first complete one."""
        sets = (keys.as_key_set() for keys in self._memory.contents.keys if version in {0, keys.version})
        return next((found for found in sets if found is not None), None)

    def set_counters(self, version: int, *, counter: int, failures: int) -> None:
        """Commit the counters of a set."""
        keys = self._memory.contents.stored_keys(version)
        if keys is not None:
            changed = replace(keys, counter=counter, failures=failures)
            self._memory.commit(self._memory.contents.with_keys(changed))
