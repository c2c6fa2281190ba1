"""Commands and answers that are longer than a short APDU: sent in parts, collected in parts.

Below the secure channel, which protects whole commands and answers (GP 11.1.5; ISO/IEC 7816-4 §5.3.3 and 5.3.4).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from mykey_cardap.apdu import (
    EXTENDED_MAX_RESPONSE,
    SHORT_MAX_DATA,
    SHORT_MAX_RESPONSE,
    SW,
    CommandApdu,
    MalformedApduError,
    ResponseApdu,
)
from mykey_cardap.globalplatform.class_bytes import class_byte
from mykey_cardap.globalplatform.errors import ChainingRefusedError, ResponseProtectionError
from mykey_cardap.transport import Transport

_GET_RESPONSE: Final = 0xC0
_MORE_DATA: Final = 0x61
_PROPRIETARY: Final = 0x80
_CHAINED: Final = 0x10
_MORE: Final = 0x80
_CHAINED_BY_P1: Final = frozenset({0xE4, 0xE6, 0xD8})
"""DELETE, INSTALL and PUT KEY of class 80 say "more follows" in P1 (GP 11.1.5), all others in the class byte."""


class WholeApdus:
    """Exchanges whole commands and answers over a transport whose APDUs may be short.

    `extended` says that the card and the reader take extended length; otherwise long commands go in parts.
    """

    def __init__(self, transport: Transport, *, extended: bool, channel: int) -> None:
        self._transport = transport
        self._extended = extended
        self._channel = channel

    def prepare(self, command: CommandApdu) -> CommandApdu:
        """The form in which a plain command will travel; the MAC covers the form of its length."""
        return command if self._extended else _short(command)

    def exchange(self, command: CommandApdu) -> ResponseApdu:
        """Send one command and collect its answer. Raises `TransportError` and `SecureChannelError`s."""
        *parts, last = self._parts(command)
        for part in parts:
            response = self._send(part)
            if response != ResponseApdu(b"", SW.OK):
                raise ChainingRefusedError("the card refused a part of a long command", sw=response.sw)
        return self._collect(self._send(last))

    def _parts(self, command: CommandApdu) -> Iterator[CommandApdu]:
        if self._extended or len(command.data) <= SHORT_MAX_DATA:
            yield command if self._extended else _short(command)
            return
        pieces = [command.data[at : at + SHORT_MAX_DATA] for at in range(0, len(command.data), SHORT_MAX_DATA)]
        for piece in pieces[:-1]:
            yield _more_follows(replace(command, data=piece, le=None, extended=False))
        yield replace(_short(command), data=pieces[-1])

    def _collect(self, response: ResponseApdu) -> ResponseApdu:
        data = bytearray(response.data)
        while response.sw >> 8 == _MORE_DATA:
            get = CommandApdu(class_byte(0x00, self._channel), _GET_RESPONSE, 0, 0, le=response.sw & 0xFF or 0x100)
            response = self._send(get)
            if response.sw >> 8 == _MORE_DATA and not response.data:
                raise ResponseProtectionError("the card announces data and gives none")
            data += response.data
            if len(data) > EXTENDED_MAX_RESPONSE:
                raise ResponseProtectionError("the answer does not end")
        return ResponseApdu(bytes(data), response.sw)

    def _send(self, command: CommandApdu) -> ResponseApdu:
        answer = self._transport.send_apdu(bytes(command))
        try:
            return ResponseApdu.from_bytes(answer)
        except MalformedApduError as error:
            raise ResponseProtectionError("the card's answer has no status word") from error


def _short(command: CommandApdu) -> CommandApdu:
    if not command.extended and (command.le or 0) <= SHORT_MAX_RESPONSE:
        return command
    le = None if command.le is None else min(command.le, SHORT_MAX_RESPONSE)
    return replace(command, le=le, extended=False)


def _more_follows(command: CommandApdu) -> CommandApdu:
    if command.cla & _PROPRIETARY and command.ins in _CHAINED_BY_P1:
        return replace(command, p1=command.p1 | _MORE)
    return replace(command, cla=command.cla | _CHAINED)
