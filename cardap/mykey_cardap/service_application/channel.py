"""The ground under every session with the service application: select, authenticate, send, read a file.

What the commands of a service mean is in `session.py`, those of its administration in `administration.py`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

from mykey_cardap.apdu import SHORT_MAX_RESPONSE, SW, CommandApdu, MalformedApduError, ResponseApdu
from mykey_cardap.errors import BadCardDataError, FileNotFoundOnCardError, WrongCardError
from mykey_cardap.globalplatform.keys import CardKeys
from mykey_cardap.globalplatform.scp03 import Scp03Session
from mykey_cardap.service_application.errors import NotAuthenticatedError, ServiceNotOnCardError
from mykey_cardap.service_application.numbers import (
    AID,
    KEY_VERSION,
    PREVIOUS_KEY_VERSION,
    ROOT_SERVICE,
    Role,
    ServiceIns,
)
from mykey_cardap.service_application.profile import ServiceHeader
from mykey_cardap.status_words import error_for
from mykey_cardap.transport import Transport

_BY_NAME, _CHILD = 0x04, 0x01
_SHORT: Final = 0x80
_PIECE: Final = 224
_MAX_FILE: Final = 0x1000


class ServiceChannel:
    """A selected directory of the application, with or without a secure session; `service` 0 is the root.

    Raises `ServiceNotOnCardError` when the card does not have it. With `serial`, `WrongCardError` when it is
    another card. A session that failed is closed and stays closed: make a new object, which selects again.
    """

    def __init__(
        self,
        transport: Transport,
        service: int,
        *,
        serial: bytes | None = None,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._transport = transport
        self._random = random
        self._session: Scp03Session | None = None
        self._keys: CardKeys | None = None
        self.role: Role | None = None
        self.header = self._select(service)
        if self.header.service != service:
            raise BadCardDataError("the card selected another service")
        if serial is not None and serial != self.header.serial:
            raise WrongCardError("this is another card")

    def authenticate(self, role: Role, keys: CardKeys, *, previous: bool = False) -> None:
        """Open the secure session with the key set of `role`; `previous`: the one before the last rotation.

        Raises `HandshakeError` (no such key, or its generation is below the floor), `CardCryptogramError` and
        `HostRefusedError`. Never repeat a refused attempt blindly.
        """
        version = (PREVIOUS_KEY_VERSION if previous else KEY_VERSION) + role
        self._session = Scp03Session.open(self._transport, keys, key_version=version, random=self._random)
        self._keys, self.role = keys, role

    def close(self) -> None:
        """Forget the session's keys."""
        if self._session is not None:
            self._session.close()

    # -- for the sessions built on this -------------------------------------------------------------------

    def _send(self, operation: str, command: CommandApdu) -> bytes:
        """Send through the session, if there is one; the error of the status word unless it is 9000."""
        response = self._exchange(command)
        if response.sw != SW.OK:
            raise error_for(operation, response.sw)
        return response.data

    def _require_session(self) -> CardKeys:
        if self._session is None or self._keys is None:
            raise NotAuthenticatedError("open a session with one of the service's keys first")
        return self._keys

    def _read_file(self, short_identifier: int, operation: str) -> bytes:
        """A whole transparent file, in pieces that fit a protected answer."""
        content = self._read_piece(short_identifier, 0, operation)
        while len(content) % _PIECE == 0 and content and len(content) < _MAX_FILE:
            piece = self._read_piece(short_identifier, len(content), operation)
            if not piece:
                break
            content += piece
        return content

    def _read_piece(self, short_identifier: int, offset: int, operation: str) -> bytes:
        if offset <= 0xFF:  # noqa: PLR2004 - one byte of offset; the short identifier makes the file current
            command = CommandApdu(0x00, ServiceIns.READ_BINARY, _SHORT | short_identifier, offset, le=_PIECE)
        else:
            command = CommandApdu(0x00, ServiceIns.READ_BINARY, offset >> 8, offset & 0xFF, le=_PIECE)
        return self._send(operation, command)

    def _exchange(self, command: CommandApdu) -> ResponseApdu:
        through: Transport = self._session or self._transport
        return _response(through.send_apdu(bytes(command)))

    def _select(self, service: int) -> ServiceHeader:
        """By its full name in one command; on a card that knows only the application's name, by two."""
        name = AID + service.to_bytes(2, "big") if service else AID
        response = self._select_by(_BY_NAME, name)
        if response.sw == SW.FILE_NOT_FOUND and service != ROOT_SERVICE:
            if self._select_by(_BY_NAME, AID).sw != SW.OK:
                raise ServiceNotOnCardError(service)
            response = self._select_by(_CHILD, name[len(AID) :])
        if response.sw != SW.OK:
            error = error_for("select the service", response.sw)
            if isinstance(error, FileNotFoundOnCardError):
                raise ServiceNotOnCardError(service) from error
            raise error
        return ServiceHeader.from_bytes(response.data)

    def _select_by(self, p1: int, name: bytes) -> ResponseApdu:
        command = CommandApdu(0x00, ServiceIns.SELECT, p1, 0x00, name, SHORT_MAX_RESPONSE)
        return _response(self._transport.send_apdu(bytes(command)))


def _response(raw: bytes) -> ResponseApdu:
    try:
        return ResponseApdu.from_bytes(raw)
    except MalformedApduError as error:
        raise BadCardDataError("the card's answer has no status word") from error
