"""Writing services onto a card: the free directory, the card-level key's commands, and personalising one service.

Everything here can be repeated: a step that was done already does no harm or says so. Plans and journals are the
core's business.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

from mykey_cardap.apdu import SHORT_MAX_RESPONSE, CommandApdu
from mykey_cardap.globalplatform.errors import KeyCheckError
from mykey_cardap.service_application.channel import ServiceChannel
from mykey_cardap.service_application.numbers import (
    DIR_SHORT,
    KEY_VERSION,
    ROOT_SERVICE,
    DataObject,
    FileId,
    Role,
    RootFile,
    ServiceIns,
)
from mykey_cardap.service_application.profile import (
    AccessRules,
    DirectoryEntry,
    Meta,
    NewService,
    Parameters,
    check_profile,
)
from mykey_cardap.service_application.session import ServiceSession
from mykey_cardap.service_application.wrapped_keys import WrappedKeys
from mykey_cardap.transport import Transport

_WHOLE_SET, _SINGLE_KEY = 0x81, 0x01
_CURRENT_FILE: Final = 0x80


class ServiceDirectory(ServiceChannel):
    """The application as everybody may read it: which services there are, and how far they are written."""

    def __init__(
        self,
        transport: Transport,
        *,
        serial: bytes | None = None,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        super().__init__(transport, ROOT_SERVICE, serial=serial, random=random)

    def services(self) -> tuple[DirectoryEntry, ...]:
        """EF.DIR."""
        return DirectoryEntry.all_from(self._read_file(DIR_SHORT, "read EF.DIR"))

    def meta(self) -> Meta:
        """EF.META."""
        return Meta.from_bytes(self._read_file(RootFile.META, "read EF.META"))

    # -- with the card-level key ----------------------------------------------------------------------------

    def create(self, service: NewService, *, generation: int, admin: WrappedKeys) -> None:
        """Make a service with its first K0, wrapped under this session's Key-DEK.

        `ApduError` 6A8A: the card has it; 6A84: the card is full; 6985: the generation is below the floor.
        """
        self._require_session()
        data = service.to_bytes(generation, admin)
        self._send("create the service", CommandApdu(0x00, ServiceIns.CREATE, 0x00, 0x00, data))

    def delete(self, service: int) -> None:
        """Delete a service with all its data. 6985 while it is activated."""
        self._require_session()
        data = service.to_bytes(2, "big")
        self._send("delete the service", CommandApdu(0x00, ServiceIns.DELETE, 0x00, 0x00, data))

    def raise_floor(self, generation: int) -> None:
        """Refuse older key generations from now on, for ever. 6985: below the floor now, or above a K0 of the card."""
        self._require_session()
        tag = divmod(DataObject.GENERATION_FLOOR, 0x100)
        self._send("raise the generation floor", CommandApdu(0x80, ServiceIns.PUT_DATA, *tag, bytes((generation,))))

    def put_key(self, *, generation: int, keys: WrappedKeys) -> None:
        """Replace the card-level K0; the old one stays usable until the floor passes it."""
        _put_key(self, Role.ADMIN, generation, keys)


class ServiceAdministration(ServiceSession):
    """A service in a session with its K0: keys, profile, limits, life cycle."""

    def put_key(self, role: Role, *, generation: int, keys: WrappedKeys) -> None:
        """Give `role` its next key: a set for K0 to K3, one key for K4. The same key again is accepted.

        6985: the generation does not rise, or is below the floor. `KeyCheckError`: the card has another key.
        """
        _put_key(self, role, generation, keys)

    def write_profile(self, profile: bytes) -> None:
        """Replace the whole profile at once. `InvalidServiceDataError`, or 6A84: longer than was reserved."""
        check_profile(profile)
        self._require_session()
        command = CommandApdu(0x00, ServiceIns.UPDATE_BINARY, _CURRENT_FILE | FileId.PROFILE, 0x00, profile)
        self._send("write the profile", command)

    def parameters(self) -> Parameters:
        """The limits."""
        tag = divmod(DataObject.PARAMETERS, 0x100)
        command = CommandApdu(0x80, ServiceIns.GET_DATA, *tag, le=SHORT_MAX_RESPONSE)
        return Parameters.from_bytes(self._send("read the parameters", command))

    def write_parameters(self, parameters: Parameters) -> None:
        """Replace the limits."""
        self._put_data(DataObject.PARAMETERS, bytes(parameters))

    def write_access(self, access: AccessRules) -> None:
        """Replace the access rules."""
        self._put_data(DataObject.ACCESS, bytes(access))

    def activate(self) -> None:
        """Put the service into use, or back into use. 6985 while a key or the profile is missing."""
        self._change("activate the service", ServiceIns.ACTIVATE)

    def deactivate(self) -> None:
        """Suspend the service: readable, no transactions."""
        self._change("suspend the service", ServiceIns.DEACTIVATE)

    def terminate(self) -> None:
        """End the service for ever."""
        self._change("terminate the service", ServiceIns.TERMINATE)

    def _change(self, operation: str, instruction: ServiceIns) -> None:
        self._require_session()
        self._state = None
        self._send(operation, CommandApdu(0x00, instruction, 0x00, 0x00))

    def _put_data(self, tag: DataObject, data: bytes) -> None:
        self._require_session()
        self._state = None
        self._send(f"write {tag.name.lower()}", CommandApdu(0x80, ServiceIns.PUT_DATA, *divmod(tag, 0x100), data))


def _put_key(channel: ServiceChannel, role: Role, generation: int, keys: WrappedKeys) -> None:
    channel._require_session()  # noqa: SLF001 - one function for two sessions of this module
    version = bytes((KEY_VERSION + role,))
    p2 = _SINGLE_KEY if role is Role.TRANSACTION_MAC else _WHOLE_SET
    data = version + keys.put_key_blocks()
    command = CommandApdu(0x80, ServiceIns.PUT_KEY, generation, p2, data, SHORT_MAX_RESPONSE)
    answer = channel._send(f"put key K{role:d}", command)  # noqa: SLF001
    if answer != version + b"".join(keys.check_values):
        raise KeyCheckError(f"the card answered with other check values for K{role:d}")
