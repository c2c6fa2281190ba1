"""Where the application's records lie in the card's memory: creating, finding, changing and deleting services.

Every method that changes something does it by one commit of one record. Who may call them is decided elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import Final, Generic, TypeVar

from mykey_cardap.apdu import SW
from mykey_cardap.emulator.memory import BLANK, Memory
from mykey_cardap.emulator.service_application.payloads import SLOTS, KeyPair, Purse, Root, Service
from mykey_cardap.emulator.service_application.storage import PAGE, Record, StorageError, StorageMac, pages
from mykey_cardap.emulator.status import Refused
from mykey_cardap.service_application.numbers import SCHEMA_VERSION

Content = TypeVar("Content", Root, Service, Purse)

_HEADER: Final = b"MYKEYSA1"
_STORAGE_KEY: Final = 16
_ROOT_AT: Final = pages(len(_HEADER) + _STORAGE_KEY)
_SLOTS_AT: Final = _ROOT_AT + Record.space(Root.SIZE)
_PURSE_AT: Final = Record.space(Service.SIZE)
_SLOT: Final = _PURSE_AT + Record.space(Purse.SIZE)

_BLANK_SLOT: Final = bytes((BLANK,)) * _SLOT

MEMORY_SIZE: Final = _SLOTS_AT + SLOTS * _SLOT
"""Bytes of non-volatile memory that the application needs."""
EXISTS: Final = 0x6A8A


class Stored(Generic[Content]):
    """A record and what its payload means; a command looks at it many times, so it is read once a payload."""

    def __init__(self, record: Record, read: Callable[[bytes], Content]) -> None:
        self.record = record
        self._read: Callable[[bytes], Content] = read
        self._payload: bytes | None = None
        self._content: Content

    @property
    def content(self) -> Content:
        """What the record holds now."""
        payload = self.record.payload
        if payload is not self._payload:
            self._content, self._payload = self._read(payload), payload
        return self._content

    def commit(self, content: Content) -> None:
        """Replace it."""
        payload = content.to_bytes()
        self.record.commit(payload)
        self._content, self._payload = content, payload


class Slot:
    """The place of one service: what changes rarely, and what every transaction changes."""

    def __init__(self, memory: Memory, index: int, key: StorageMac) -> None:
        self._memory, self._offset = memory, _SLOTS_AT + index * _SLOT
        self._key = key

    @cached_property
    def _service(self) -> Record:
        return Record(self._memory, self._offset, Service.SIZE, self._key)

    @cached_property
    def _purse(self) -> Record:
        return Record(self._memory, self._offset + _PURSE_AT, Purse.SIZE, self._key)

    @cached_property
    def _stored_service(self) -> Stored[Service]:
        return Stored(self._service, Service.from_bytes)

    @cached_property
    def _stored_purse(self) -> Stored[Purse]:
        return Stored(self._purse, Purse.from_bytes)

    @property
    def service(self) -> Service:
        """Life cycle, limits, profile and keys."""
        return self._stored_service.content

    @property
    def purse(self) -> Purse:
        """Value, rides, log and the last MAC."""
        return self._stored_purse.content

    @property
    def counter(self) -> int:
        """The transaction counter TMC: it is the number of the purse's last commit, which storage never lets fall."""
        return self._purse.sequence

    def change(self, service: Service) -> None:
        """Replace the service's data."""
        self._stored_service.commit(service)

    def transact(self, purse: Purse) -> None:
        """Replace the state; the counter grows by one."""
        self._stored_purse.commit(purse)

    def format(self, service: Service, purse: Purse) -> None:
        """Prepare a free slot; it counts only when the directory names it."""
        self._service.format(service.to_bytes())
        self._purse.format(purse.to_bytes(), service.first_counter)

    def recover(self) -> None:
        """After power-up, for a slot in use."""
        self._service.recover()
        self._purse.recover()

    def wipe(self) -> None:
        """Erase a free slot, its keys above all; nothing is written where all is blank."""
        if self._memory.read(self._offset, _SLOT) != _BLANK_SLOT:
            self._memory.write(self._offset, _BLANK_SLOT)


class Contents:
    """All records of the application in one memory. `recover` must run after each power-up, before anything else."""

    def __init__(self, memory: Memory) -> None:
        if len(memory) < MEMORY_SIZE or PAGE % memory.page:
            raise ValueError(f"the application needs {MEMORY_SIZE} bytes in pages of a divisor of {PAGE} bytes")
        self._memory = memory
        self._root: Record
        self._stored_root: Stored[Root]
        self._slots: list[Slot]

    @classmethod
    def install(
        cls, memory: Memory, *, serial: bytes, issuer: bytes, random: Callable[[int], bytes] = os.urandom
    ) -> Contents:
        """Format `memory` for a card with this serial (7 bytes) and issuer (3); it has no services and no key yet.

        Not safe against cuts: the card registers the application only afterwards.
        """
        contents = cls(memory)
        memory.write(0, bytes((BLANK,)) * MEMORY_SIZE)
        storage_key = random(_STORAGE_KEY)
        root = Root(serial, issuer, 0, SCHEMA_VERSION, 0, KeyPair())
        Record(memory, _ROOT_AT, Root.SIZE, storage_key).format(root.to_bytes())
        memory.write(0, _HEADER + storage_key)
        return contents

    def recover(self) -> None:
        """Bring every record to its old or new state. `StorageError` when the memory is not this application's."""
        head = self._memory.read(0, len(_HEADER) + _STORAGE_KEY)
        if not head.startswith(_HEADER):
            raise StorageError("nothing is installed")
        key = StorageMac(head[len(_HEADER) :])
        self._root = Record(self._memory, _ROOT_AT, Root.SIZE, key)
        self._stored_root = Stored(self._root, Root.from_bytes)
        self._slots = [Slot(self._memory, index, key) for index in range(SLOTS)]
        self._root.recover()
        if self.root.schema > SCHEMA_VERSION:
            raise StorageError("written by a later version of the application")
        for slot, service in zip(self._slots, self.root.slots, strict=True):
            if service:
                slot.recover()
            else:
                slot.wipe()

    @property
    def root(self) -> Root:
        """Serial, floors, card-level key and directory."""
        return self._stored_root.content

    @property
    def card_counter(self) -> int:
        """Transactions that this card ever committed, deleted services included."""
        return self.root.retired + sum(slot.counter - slot.service.first_counter for slot in self.slots())

    def slots(self) -> Iterator[Slot]:
        """The slots in use."""
        return (slot for slot, service in zip(self._slots, self.root.slots, strict=True) if service)

    def slot(self, service: int) -> Slot | None:
        """The slot of a service, if the card has it."""
        return self._slots[self.root.slots.index(service)] if service and service in self.root.slots else None

    def change_root(self, root: Root) -> None:
        """Replace what concerns the whole card."""
        self._stored_root.commit(root)

    def create(self, service: Service, purse: Purse) -> None:
        """Add a service; its counter goes on where deleted services stopped. 6A8A: there already, 6A84: no room."""
        root = self.root
        if service.service in root.slots:
            raise Refused(EXISTS)
        if 0 not in root.slots:
            raise Refused(SW.NO_SPACE)
        index = root.slots.index(0)
        self._slots[index].format(replace(service, first_counter=root.retired), purse)
        self.change_root(replace(root, slots=_with(root.slots, index, service.service)))

    def delete(self, service: int) -> None:
        """Remove a service and erase its slot. 6A82: no such service."""
        root, slot = self.root, self.slot(service)
        if slot is None:
            raise Refused(SW.FILE_NOT_FOUND)
        retired = root.retired + slot.counter - slot.service.first_counter
        slots = _with(root.slots, root.slots.index(service), 0)
        self.change_root(replace(root, retired=retired, slots=slots))
        slot.wipe()


def _with(slots: tuple[int, ...], index: int, service: int) -> tuple[int, ...]:
    return (*slots[:index], service, *slots[index + 1 :])
