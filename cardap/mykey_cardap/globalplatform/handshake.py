"""The two commands that open SCP03, as the host builds and judges them. No input or output.

Source: GlobalPlatform Card Specification, Amendment D 1.2, sections 5.1 and 7.1.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Final, TypeAlias

from mykey_cardap.apdu import SHORT_MAX_RESPONSE, SW, CommandApdu, ResponseApdu
from mykey_cardap.globalplatform.class_bytes import class_byte
from mykey_cardap.globalplatform.derivation import (
    COUNTER_SIZE,
    ScpMode,
    SessionKeys,
    card_cryptogram,
    host_cryptogram,
)
from mykey_cardap.globalplatform.errors import (
    CardCryptogramError,
    HandshakeError,
    HostRefusedError,
    ResponseProtectionError,
    SecureChannelUseError,
)
from mykey_cardap.globalplatform.keys import DIVERSIFICATION_SIZE, CardKeys
from mykey_cardap.globalplatform.messaging import HostMessaging, SecurityLevel

INITIALIZE_UPDATE: Final = 0x50
EXTERNAL_AUTHENTICATE: Final = 0x82
_SCP03: Final = 0x03
_HEAD: Final = DIVERSIFICATION_SIZE + 3
_S16, _PSEUDO_RANDOM, _R_MAC, _R_ENC = 0x01, 0x10, 0x20, 0x40
_KNOWN_BITS: Final = _S16 | _PSEUDO_RANDOM | _R_MAC | _R_ENC

RandomBytes: TypeAlias = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class CardHello:
    """The card's answer to INITIALIZE UPDATE.

    `parameter` is "i" (Amendment D 5.1): 01 S16, 10 pseudo-random challenge, 20 R-MAC, 40 R-ENC.
    `sequence_counter` is present with a pseudo-random challenge only. It restarts when keys are replaced, so it
    proves nothing about the age of a card's content.
    """

    diversification: bytes
    key_version: int
    parameter: int
    challenge: bytes
    cryptogram: bytes = field(repr=False)
    sequence_counter: int | None

    @classmethod
    def from_bytes(cls, data: bytes, mode: ScpMode) -> CardHello:
        """Read the answer's data field (29, 32, 45 or 48 bytes); `HandshakeError` when it is none."""
        if len(data) < _HEAD or data[_HEAD - 2] != _SCP03:
            raise HandshakeError("the card does not offer SCP03")
        parameter = data[_HEAD - 1]
        counted = bool(parameter & _PSEUDO_RANDOM)
        if parameter & ~_KNOWN_BITS or bool(parameter & _S16) is not (mode is ScpMode.S16):
            raise HandshakeError(f"the card speaks SCP03 with i = {parameter:02X}, which is not {mode.name}")
        if len(data) != _HEAD + 2 * mode + (COUNTER_SIZE if counted else 0):
            raise HandshakeError("the answer to INITIALIZE UPDATE has a wrong length")
        challenge, cryptogram = data[_HEAD : _HEAD + mode], data[_HEAD + mode : _HEAD + 2 * mode]
        counter = int.from_bytes(data[-COUNTER_SIZE:], "big") if counted else None
        return cls(data[:DIVERSIFICATION_SIZE], data[_HEAD - 3], parameter, challenge, cryptogram, counter)

    def offers(self, level: SecurityLevel) -> bool:
        """Whether the card supports this security level."""
        if level.has_response_encryption and not self.parameter & _R_ENC:
            return False
        return not level.has_response_mac or bool(self.parameter & _R_MAC)


KeyLookup: TypeAlias = Callable[[CardHello], CardKeys]
"""Finds the keys of a card by its diversification data and key version."""


class HostHandshake:
    """One attempt to open a channel: `first`, `second`, `finish`, each once and in this order.

    `key_version` 0 takes the card's first key set. A challenge of zeros is refused, because it is what a broken
    random source gives.
    """

    def __init__(
        self,
        *,
        mode: ScpMode = ScpMode.S8,
        level: SecurityLevel = SecurityLevel.FULL,
        key_version: int = 0,
        channel: int = 0,
        random: RandomBytes = secrets.token_bytes,
    ) -> None:
        self.mode = mode
        self.level = level
        self.key_version = key_version
        self.channel = channel
        self._challenge = random(mode)
        if len(self._challenge) != mode or not any(self._challenge):
            raise SecureChannelUseError("the random source gave no challenge")
        self._messaging: HostMessaging | None = None

    def first(self) -> CommandApdu:
        """INITIALIZE UPDATE."""
        cla = class_byte(0x80, self.channel)
        return CommandApdu(cla, INITIALIZE_UPDATE, self.key_version, 0x00, self._challenge, SHORT_MAX_RESPONSE)

    def hello(self, response: ResponseApdu) -> CardHello:
        """Judge the form of the answer to `first`. Raises `HandshakeError`; no key is used yet."""
        if response.sw != SW.OK:
            raise HandshakeError(f"INITIALIZE UPDATE: the card answered {response.sw:04X}", sw=response.sw)
        hello = CardHello.from_bytes(response.data, self.mode)
        if self.key_version not in {0, hello.key_version}:
            raise HandshakeError("the card answered with another key set than the one asked for")
        if not hello.offers(self.level):
            raise HandshakeError(f"the card (i = {hello.parameter:02X}) does not offer level {self.level:02X}")
        return hello

    def second(self, hello: CardHello, keys: CardKeys) -> CommandApdu:
        """Check that the card knows the keys, and return EXTERNAL AUTHENTICATE. Raises `CardCryptogramError`."""
        context = self._challenge + hello.challenge
        session = keys.session_keys(context)
        if not compare_digest(card_cryptogram(session, context, self.mode), hello.cryptogram):
            session.wipe()
            raise CardCryptogramError("the card does not have these keys; it was told nothing")
        self._messaging = HostMessaging(session, mode=self.mode, level=self.level, channel=self.channel)
        return self._external_authenticate(self._messaging, session, context)

    def _external_authenticate(self, messaging: HostMessaging, session: SessionKeys, context: bytes) -> CommandApdu:
        cryptogram = host_cryptogram(session, context, self.mode)
        return messaging.authenticate(CommandApdu(0x80, EXTERNAL_AUTHENTICATE, self.level, 0x00, cryptogram))

    def abandon(self) -> None:
        """Overwrite what keys there are, when no answer to `second` came."""
        if self._messaging is not None:
            self._messaging.close()
            self._messaging = None

    def finish(self, response: ResponseApdu) -> HostMessaging:
        """Judge the answer to `second`. Raises `HostRefusedError`: the card may have counted a failure."""
        messaging, self._messaging = self._messaging, None
        if messaging is None:
            raise SecureChannelUseError("EXTERNAL AUTHENTICATE was not sent")
        if response.sw != SW.OK or response.data:
            messaging.close()
        if response.sw != SW.OK:
            raise HostRefusedError(f"EXTERNAL AUTHENTICATE: the card answered {response.sw:04X}", sw=response.sw)
        if response.data:
            raise ResponseProtectionError("the answer to EXTERNAL AUTHENTICATE carries no data")
        return messaging
