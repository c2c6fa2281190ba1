"""The part of a session with a security domain that changes nothing: select, authenticate, read, list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import IntEnum, unique
from typing import Any, Final

from mykey_cardap.apdu import SHORT_MAX_RESPONSE, SW, CommandApdu, ResponseApdu
from mykey_cardap.errors import BadCardDataError
from mykey_cardap.globalplatform.class_bytes import class_byte
from mykey_cardap.globalplatform.command_data import tlv
from mykey_cardap.globalplatform.errors import SecureChannelUseError, content_error
from mykey_cardap.globalplatform.keys import CardKeys
from mykey_cardap.globalplatform.parts import WholeApdus
from mykey_cardap.globalplatform.registry import (
    KeyInformation,
    RegistryEntry,
    Scope,
    parse_domain_information,
    parse_key_information,
    parse_registry,
)
from mykey_cardap.globalplatform.scp03 import Scp03Session
from mykey_cardap.tlv import TlvError, expect, parse
from mykey_cardap.transport import Transport

DEFAULT_AID: Final = bytes.fromhex("A000000151000000")
_SELECT, _GET_DATA, _GET_STATUS = 0xA4, 0xCA, 0xF2
_MORE_DATA: Final = 0x6310
_MAX_PAGES: Final = 256


@unique
class DataObject(IntEnum):
    """Objects of GET DATA that every security domain must have, and some that many have."""

    ISSUER_ID = 0x0042
    CARD_IMAGE_NUMBER = 0x0045
    RECOGNITION_DATA = 0x0066
    SEQUENCE_COUNTER = 0x00C1
    DIVERSIFICATION = 0x00CF
    KEY_INFORMATION = 0x00E0
    RESOURCES = 0xFF21


class DomainReader:
    """A session with a security domain; the constructor selects it.

    Reading objects and keys needs nothing more; the registry, and every change, needs `authenticate`.
    Refusals of the card are `ContentError`s whose class says what may happen next (`errors.failure_class`).
    """

    def __init__(self, transport: Transport, *, aid: bytes = DEFAULT_AID, channel: int = 0) -> None:
        self._transport = transport
        self._channel_number = channel
        self._secure: Scp03Session | None = None
        select = CommandApdu(class_byte(0x00, channel), _SELECT, 0x04, 0x00, aid, SHORT_MAX_RESPONSE)
        response = WholeApdus(transport, extended=False, channel=channel).exchange(select)
        if response.sw not in {SW.OK, SW.DF_LOCKED}:
            raise content_error("select the security domain", response.sw)
        self.card_locked = response.sw == SW.DF_LOCKED
        self.information = parse_domain_information(response.data, aid)

    def authenticate(self, keys: CardKeys | Callable[..., CardKeys], **options: Any) -> Scp03Session:
        """Open a secure channel (`Scp03Session.open`, with its options and errors); later commands go through it."""
        self._secure = None
        self._secure = Scp03Session.open(self._transport, keys, channel=self._channel_number, **options)
        return self._secure

    @property
    def secure_channel(self) -> Scp03Session:
        """The open channel; `SecureChannelUseError` before `authenticate`."""
        if self._secure is None:
            raise SecureChannelUseError("authenticate first")
        return self._secure

    # -- reading ------------------------------------------------------------------------------------------

    def get_data(self, tag: int) -> bytes:
        """The value of an object. `ReplanContentError` (6A88) when the card does not have it."""
        header = (0x80, _GET_DATA, tag >> 8, tag & 0xFF)
        response = self._exchange(CommandApdu(*header, le=SHORT_MAX_RESPONSE))
        data = accepted(f"read object {tag:04X}", response)
        try:
            return expect(parse(data), tag)
        except TlvError as error:
            raise BadCardDataError(f"object {tag:04X}: {error}") from error

    def key_information(self) -> tuple[KeyInformation, ...]:
        """Which keys the card has: numbers, types and lengths. Works without authentication."""
        return parse_key_information(self.get_data(DataObject.KEY_INFORMATION))

    def registry(self, scope: Scope, aid: bytes = b"") -> tuple[RegistryEntry, ...]:
        """The entries whose AID begins with `aid`; none is an empty tuple, as 6A88 is no failure."""
        entries: list[RegistryEntry] = []
        data = tlv(0x4F, aid)
        for page in range(_MAX_PAGES):
            header = (0x80, _GET_STATUS, scope, 0x03 if page else 0x02)
            response = self.send(CommandApdu(*header, data, SHORT_MAX_RESPONSE))
            if response.sw == SW.KEY_OR_OBJECT_NOT_FOUND and not page:
                return ()
            entries += parse_registry(accepted("list the registry", response, _MORE_DATA))
            if response.sw == SW.OK:
                return tuple(entries)
        raise BadCardDataError("the registry does not end")

    # -- sending ------------------------------------------------------------------------------------------

    def send(self, command: CommandApdu) -> ResponseApdu:
        """Send a command through the secure channel, whatever the card answers."""
        return ResponseApdu.from_bytes(self.secure_channel.send_apdu(bytes(command)))

    def _exchange(self, command: CommandApdu) -> ResponseApdu:
        """Through the channel when there is one; GET DATA needs none."""
        if self._secure is not None:
            return self.send(command)
        whole = WholeApdus(self._transport, extended=False, channel=self._channel_number)
        return whole.exchange(replace(command, cla=class_byte(command.cla, self._channel_number)))


def accepted(operation: str, response: ResponseApdu, *also: int) -> bytes:
    """The data of an answer with 9000 or one of `also`; a `ContentError` for any other status word."""
    if response.sw != SW.OK and response.sw not in also:
        raise content_error(operation, response.sw)
    return response.data
