"""The program that a card installs: the root instance, and instances that are only names of services.

The card's runtime (`emulator/globalplatform`) selects, installs and deletes them; commands are in `selection.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from mykey_cardap.apdu import SW, CommandApdu
from mykey_cardap.emulator.globalplatform.application import CardApplication
from mykey_cardap.emulator.globalplatform.contents import Instance
from mykey_cardap.emulator.memory import Memory, MemoryFault
from mykey_cardap.emulator.service_application import root_commands, service_commands
from mykey_cardap.emulator.service_application.contents import MEMORY_SIZE, Contents
from mykey_cardap.emulator.service_application.keys import KCV_SIZE, check_value
from mykey_cardap.emulator.service_application.payloads import KeyPair, StoredKey
from mykey_cardap.emulator.service_application.selection import Command, Selection
from mykey_cardap.emulator.service_application.storage import StorageError
from mykey_cardap.emulator.status import Refused
from mykey_cardap.service_application.numbers import AID, KEY_SIZE, ROOT_SERVICE, SERIAL_SIZE

MODULE: Final = AID + b"\x01"
"""AID of the executable module. The load file is `AID + 00`."""
LOAD_FILE: Final = AID + b"\x00"
_SET: Final = 3 * KEY_SIZE
_SERVICE_ID: Final = 2
_ISSUER: Final = 3


class ServiceApplication:
    """The service application of one card in its non-volatile `memory`.

    `factory` is what the card's runtime calls for each instance, at INSTALL and when power comes back.
    """

    def __init__(self, memory: Memory | None = None, *, random: Callable[[int], bytes] = os.urandom) -> None:
        self.memory = memory or Memory(MEMORY_SIZE)
        self._random = random
        self._contents: Contents | None = None

    @property
    def contents(self) -> Contents:
        """What the card stores, recovered after the last power-up. 6581 when the memory cannot be trusted."""
        if self._contents is None:
            contents = Contents(self.memory)
            try:
                contents.recover()
            except (StorageError, MemoryFault):
                raise Refused(SW.MEMORY_FAILURE) from None
            self._contents = contents
        return self._contents

    def power_up(self) -> None:
        """Power has come back: recovery runs before the next answer."""
        self._contents = None

    def factory(self, instance: Instance, fresh: bool) -> CardApplication:  # noqa: FBT001 - a Factory
        """The program behind `instance`: AID itself is the application, AID ‖ service the name of a service.

        Install parameters of the application are serial (7 bytes) ‖ issuer (3), those of a name are empty.
        """
        self.power_up()
        suffix = instance.aid[len(AID) :]
        if not instance.aid.startswith(AID) or len(suffix) not in {0, _SERVICE_ID}:
            raise Refused(SW.WRONG_DATA)
        service = int.from_bytes(suffix, "big")
        if fresh:
            self._install(instance, service)
        return _Installed(self, service)

    def select(self, service: int) -> Selection:
        """A selection of the root (0) or a service; 6A82 when the card does not have it."""
        return Selection(self.contents, service, tables=_commands, random=self._random)

    def personalize(self, data: bytes) -> None:
        """The card-level key set K0, once: `generation ‖ ENC ‖ MAC ‖ DEK ‖ three KCV`. 6985: there is one already."""
        if len(data) != 1 + _SET + 3 * KCV_SIZE or not data[0]:
            raise Refused(SW.WRONG_DATA)
        material, check_values = data[1 : 1 + _SET], data[1 + _SET :]
        keys = (material[at : at + KEY_SIZE] for at in range(0, _SET, KEY_SIZE))
        if b"".join(map(check_value, keys)) != check_values:
            raise Refused(SW.SECURITY_STATUS)
        root = self.contents.root
        if root.keys.current.generation:
            raise Refused(SW.CONDITIONS_OF_USE)
        pair = KeyPair(StoredKey(data[0], material))
        try:
            self.contents.change_root(replace(root, keys=pair, generation_floor=data[0]))
        except MemoryFault:
            raise Refused(SW.MEMORY_FAILURE) from None

    def erase(self) -> None:
        """The application was deleted: nothing of it stays, keys least of all."""
        self._contents = None
        self.memory.write(0, bytes(MEMORY_SIZE))

    def _install(self, instance: Instance, service: int) -> None:
        if service != ROOT_SERVICE:
            if instance.parameters:
                raise Refused(SW.WRONG_DATA)
            return
        if len(instance.parameters) != SERIAL_SIZE + _ISSUER:
            raise Refused(SW.WRONG_DATA)
        serial, issuer = instance.parameters[:SERIAL_SIZE], instance.parameters[SERIAL_SIZE:]
        try:
            Contents.install(self.memory, serial=serial, issuer=issuer, random=self._random)
        except MemoryFault:
            raise Refused(SW.MEMORY_FAILURE) from None


class _Installed:
    """One instance in the card's registry."""

    multiselectable = False

    def __init__(self, application: ServiceApplication, service: int) -> None:
        self._application, self._service = application, service

    def select(self) -> Selection:
        return self._application.select(self._service)

    def personalize(self, block: CommandApdu) -> None:
        if self._service != ROOT_SERVICE:
            raise Refused(SW.CONDITIONS_OF_USE)
        self._application.personalize(block.data)

    def erase(self) -> None:
        if self._service == ROOT_SERVICE:
            self._application.erase()


def _commands(service: int) -> Mapping[tuple[int, int], Command]:
    return root_commands.COMMANDS if service == ROOT_SERVICE else service_commands.COMMANDS
