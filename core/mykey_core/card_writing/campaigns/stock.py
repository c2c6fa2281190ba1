"""A stock of simulated cards whose memories lie in one file: what a card has written survives the death of the process.

The cards are those of `mykey_cardap.emulator`: the service application itself, without the card manager around it.
The file is mapped, so a process that is killed leaves each memory torn exactly where it was.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any, Final, Self

from mykey_cardap.apdu import SW, CommandApdu, MalformedApduError, ResponseApdu
from mykey_cardap.emulator.memory import Memory
from mykey_cardap.emulator.service_application.card_application import ServiceApplication
from mykey_cardap.emulator.service_application.contents import MEMORY_SIZE, Contents
from mykey_cardap.emulator.service_application.selection import Selection
from mykey_cardap.emulator.status import Refused
from mykey_cardap.service_application.numbers import AID, SERIAL_SIZE

_SELECT: Final = 0xA4
_BY_NAME: Final = 0x04
_SIZE: Final = -(-MEMORY_SIZE // mmap.PAGESIZE) * mmap.PAGESIZE


class _MappedMemory(Memory):
    """A card's memory in a slice of the file. Blank pages that are blanked again stay holes in the file.

    No faults are armed here: what tears these cards is the death of the process.
    """

    def __init__(self, view: memoryview) -> None:
        super().__init__(0)
        self._content: Any = view  # behaves like the bytearray that it replaces

    def __len__(self) -> int:
        return len(self._content)

    def write(self, offset: int, data: bytes) -> None:
        end = offset + len(data)
        if offset < 0 or end > len(self._content):
            raise IndexError("outside the memory")
        if len(data) != MEMORY_SIZE or self._content[:MEMORY_SIZE] != data:
            self._content[offset:end] = data


class SimulatedCard:
    """One card in a reader: a `Transport`. Power comes with the first command."""

    def __init__(self, application: ServiceApplication) -> None:
        self._application = application
        self._selection: Selection | None = None

    def send_apdu(self, command: bytes) -> bytes:
        """Answer one short APDU on the basic channel."""
        try:
            return bytes(self._answer(CommandApdu.from_bytes(command)))
        except MalformedApduError:
            return SW.WRONG_LENGTH.to_bytes(2, "big")
        except Refused as refusal:
            return refusal.sw.to_bytes(2, "big")

    def _answer(self, command: CommandApdu) -> ResponseApdu:
        if command.ins == _SELECT and command.p1 == _BY_NAME:
            return self._select(command.data)
        if self._selection is None:
            raise Refused(SW.INS_NOT_SUPPORTED)
        return self._selection.process(command)

    def _select(self, name: bytes) -> ResponseApdu:
        if self._selection is not None:
            self._selection.end()
        if not name.startswith(AID):
            raise Refused(SW.FILE_NOT_FOUND)
        self._selection = self._application.select(int.from_bytes(name[len(AID) :], "big"))
        return ResponseApdu(self._selection.fci, SW.OK)


class CardStock:
    """`count` cards in the file `path`, numbered from 0; a card's memory is untouched until it is first put in."""

    def __init__(self, path: Path, count: int) -> None:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(handle, max(count, 1) * _SIZE)
            self._map = mmap.mmap(handle, max(count, 1) * _SIZE)
        finally:
            os.close(handle)
        self._view = memoryview(self._map)

    def insert(self, index: int, serial: bytes, issuer: int, personalization: bytes) -> SimulatedCard:
        """Put a card in. One that has never left the factory gets its serial, issuer and card-level key first.

        `personalization` is what the manufacturer stores: generation ‖ ENC ‖ MAC ‖ DEK ‖ check values.
        """
        memory = _MappedMemory(self._view[index * _SIZE : (index + 1) * _SIZE])
        if not any(memory.read(0, SERIAL_SIZE)):
            Contents.install(memory, serial=serial, issuer=issuer.to_bytes(3, "big"))
        application = ServiceApplication(memory)
        if not application.contents.root.keys.current.generation:
            application.personalize(personalization)
        return SimulatedCard(application)

    def contents(self, index: int) -> Contents:
        """What a card stores, for tests and statistics."""
        contents = Contents(_MappedMemory(self._view[index * _SIZE : (index + 1) * _SIZE]))
        contents.recover()
        return contents

    def close(self) -> None:
        """Give the file back."""
        self._view.release()
        self._map.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
