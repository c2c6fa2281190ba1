"""SCP03 for the host: a transport that protects whatever goes through it.

A processor in a chain: it has the one method of a `Transport`, so that any session runs on top of it.
"""

from __future__ import annotations

import secrets
from types import TracebackType
from typing import Final, Self

from mykey_cardap.apdu import CommandApdu, Ins, MalformedApduError
from mykey_cardap.globalplatform.class_bytes import MAX_CHANNEL
from mykey_cardap.globalplatform.derivation import ScpMode
from mykey_cardap.globalplatform.errors import SecureChannelClosedError, SecureChannelUseError
from mykey_cardap.globalplatform.handshake import (
    EXTERNAL_AUTHENTICATE,
    INITIALIZE_UPDATE,
    CardHello,
    HostHandshake,
    KeyLookup,
    RandomBytes,
)
from mykey_cardap.globalplatform.keys import CardKeys
from mykey_cardap.globalplatform.messaging import HostMessaging, SecurityLevel
from mykey_cardap.globalplatform.parts import WholeApdus
from mykey_cardap.transport import Transport

_MANAGE_CHANNEL: Final = 0x70
_GET_RESPONSE: Final = 0xC0
_SELECT_BY_NAME: Final = 0x04
_MAX_KEY_VERSION: Final = 0x7F


class Scp03Session:
    """An open secure channel to the application that is selected on `transport`; made by `open`.

    It is closed, and its keys are overwritten, by the first thing that goes wrong with it: a transport error, an
    answer without a valid MAC, an exception of any kind. A closed session sends nothing and raises
    `SecureChannelClosedError`. An error status of the command itself is an answer and closes nothing.
    `hello` is what the card told about itself, `keys` the static keys (their DEK wraps new ones).
    """

    def __init__(self, whole: WholeApdus, messaging: HostMessaging, hello: CardHello, keys: CardKeys) -> None:
        self._whole = whole
        self._messaging = messaging
        self.hello = hello
        self.keys = keys
        self.closed = False

    @classmethod
    def open(
        cls,
        transport: Transport,
        keys: CardKeys | KeyLookup,
        *,
        security_level: SecurityLevel = SecurityLevel.FULL,
        key_version: int = 0,
        mode: ScpMode = ScpMode.S8,
        channel: int = 0,
        extended: bool = False,
        random: RandomBytes = secrets.token_bytes,
    ) -> Self:
        """Authenticate with the card's key set `key_version` (0: its first) and return the open channel.

        `keys` is a key set, or finds one when the card has told its diversification data. `channel` is an open
        logical channel, `extended` allows extended length. Raises `HandshakeError` and `CardCryptogramError`
        before the card has seen a proof, `HostRefusedError` when it refused ours (never repeat it blindly), and
        `TransportError`.
        """
        if not 0 <= channel <= MAX_CHANNEL or not 0 <= key_version <= _MAX_KEY_VERSION:
            raise SecureChannelUseError("channels are 0 to 19, key versions 0 to 127")
        handshake = HostHandshake(
            mode=mode, level=security_level, key_version=key_version, channel=channel, random=random
        )
        whole = WholeApdus(transport, extended=extended, channel=channel)
        hello = handshake.hello(whole.exchange(handshake.first()))
        found = keys(hello) if callable(keys) else keys
        try:
            messaging = handshake.finish(whole.exchange(handshake.second(hello, found)))
        finally:
            handshake.abandon()
        return cls(whole, messaging, hello, found)

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return f"<Scp03Session {state} level={self.level:02X} key version {self.hello.key_version:02X}>"

    @property
    def level(self) -> SecurityLevel:
        """The security level of the whole session."""
        return self._messaging.level

    @property
    def max_command_data(self) -> int:
        """The longest plain data field of one short APDU in this session."""
        return self._messaging.max_command_data()

    def send_apdu(self, command: bytes) -> bytes:
        """Protect a plain command of class 00 or 80, send it, and return the plain answer with its status word.

        Raises `SecureChannelUseError` (nothing sent, the session stays open), and `TransportError` and
        `SecureChannelError`, which close the session.
        """
        if self.closed:
            raise SecureChannelClosedError("the secure channel is closed; open a new one")
        plain = _parse(command)
        _check(plain)
        protected = self._messaging.wrap(self._whole.prepare(plain))
        try:
            return bytes(self._messaging.unwrap(self._whole.exchange(protected)))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Forget the keys. The card forgets its own at the next SELECT, reset or INITIALIZE UPDATE."""
        self.closed = True
        self._messaging.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _parse(command: bytes) -> CommandApdu:
    try:
        return CommandApdu.from_bytes(command)
    except MalformedApduError as error:
        raise SecureChannelUseError("this is no command APDU") from error


def _check(command: CommandApdu) -> None:
    """Refuse what ends or bypasses a session: the card would answer without protection."""
    by_name = command.ins == Ins.SELECT and command.p1 == _SELECT_BY_NAME
    opens = command.ins in {INITIALIZE_UPDATE, EXTERNAL_AUTHENTICATE} and command.cla
    if by_name or opens or command.ins in {_MANAGE_CHANNEL, _GET_RESPONSE}:
        raise SecureChannelUseError("this command ends or bypasses the secure channel; send it outside")
