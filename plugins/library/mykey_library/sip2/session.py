"""One connection of a self-check machine, without input and output: login, damaged and repeated messages, replies.

What a message does in the library stands in `service`; sockets and time-outs stand in `server`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mykey_library.sip2 import requests, responses
from mykey_library.sip2.charset import Charset
from mykey_library.sip2.errors import FramingError, MessageError
from mykey_library.sip2.framing import (
    RESEND_BY_CLIENT,
    RESEND_BY_SERVER,
    Envelope,
    ErrorDetection,
    Terminator,
    seal,
    unseal,
)
from mykey_library.sip2.settings import Account
from mykey_library.sip2.table import Codec, Message

_LOGIN, _SC_STATUS, _RESEND = "93", "99", RESEND_BY_CLIENT[:2].decode()
_BEFORE_LOGIN = Codec(Charset.UTF_8)


class Desk(Protocol):
    """What carries messages out, for the account that has logged in."""

    def __call__(self, message: Message, account: Account, memory: Memory) -> Message:
        """The answer to `message`, after it has been carried out and committed."""
        ...


@dataclass(slots=True)
class Memory:
    """What a connection remembers for its person and place. Nothing of it outlives the connection."""

    location: str = ""
    patron: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What to send (nothing, when empty), and whether the connection ends after it."""

    data: bytes = b""
    close: bool = False


@dataclass(frozen=True, slots=True)
class _Answered:
    """A request that was carried out and the answer to it: the same request again gets the same bytes."""

    frame: bytes
    body: bytes
    sequence: int | None


class ServerSession:
    """The state of one connection. `authenticate` gives the account of a login, or None."""

    def __init__(
        self,
        *,
        authenticate: Callable[[str, str], Account | None],
        desk: Desk,
        status_before_login: Callable[[], Message] | None = None,
    ) -> None:
        self._authenticate = authenticate
        self._desk = desk
        self._status_before_login = status_before_login
        self._sealed_seen = False
        self._answered: _Answered | None = None
        self._last: _Answered | None = None  # what 97 repeats: an answer, or None for 96
        self._memory = Memory()
        self.account: Account | None = None

    def receive(self, frame: bytes) -> Reply:
        """Carry out one message and give the answer to send."""
        try:
            envelope = unseal(frame, must_be_sealed=self._must_be_sealed())
        except FramingError:
            return self._resend_please()
        self._sealed_seen = self._sealed_seen or envelope.sealed
        if envelope.message_id == _RESEND:
            return self._repeat()
        if self._answered is not None and envelope.sealed and frame == self._answered.frame:
            self._last = self._answered
            return self._send(self._answered)
        return self._new(frame, envelope)

    def _must_be_sealed(self) -> bool:
        detection = self.account.error_detection if self.account else ErrorDetection.STICKY
        return detection is ErrorDetection.REQUIRED or (detection is ErrorDetection.STICKY and self._sealed_seen)

    def _new(self, frame: bytes, envelope: Envelope) -> Reply:
        codec = self.account.codec if self.account else _BEFORE_LOGIN
        if self.account is None and envelope.message_id not in self._allowed_before_login():
            return Reply(close=True)
        try:
            message = codec.decode(envelope)
        except MessageError:
            return self._resend_please()
        if isinstance(message, requests.Login):
            return self._login(message, frame, envelope)
        if envelope.message_id not in requests.RESPONSE_TO:  # an answer, sent by a machine
            return self._resend_please()
        return self._answer(self._execute(message), frame, envelope)

    def _allowed_before_login(self) -> set[str]:
        return {_LOGIN, _SC_STATUS} if self._status_before_login else {_LOGIN}

    def _execute(self, message: Message) -> Message:
        if self.account is None:
            if self._status_before_login is None:  # pragma: no cover - excluded by _allowed_before_login
                raise AssertionError
            return self._status_before_login()
        return self._desk(message, self.account, self._memory)

    def _login(self, login: requests.Login, frame: bytes, envelope: Envelope) -> Reply:
        plain = {login.uid_algorithm, login.password_algorithm} == {"0"}
        account = self._authenticate(login.user, login.password) if plain else None
        self.account = account
        self._memory = Memory(location=login.location or "")
        reply = self._answer(responses.LoginResponse(ok=account is not None), frame, envelope)
        return Reply(reply.data, close=account is None)

    def _answer(self, message: Message, frame: bytes, envelope: Envelope) -> Reply:
        codec = self.account.codec if self.account else _BEFORE_LOGIN
        answered = _Answered(frame, codec.encode(message), envelope.sequence if envelope.sealed else None)
        self._answered = self._last = answered
        return self._send(answered)

    def _send(self, answered: _Answered) -> Reply:
        data = answered.body if answered.sequence is None else seal(answered.body, answered.sequence)
        return Reply(data + self._terminator())

    def _repeat(self) -> Reply:
        if self._last is None:
            return self._resend_please()
        if self.account and not self.account.resend_with_sequence and self._last.sequence is not None:
            return Reply(seal(self._last.body, None) + self._terminator())
        return self._send(self._last)

    def _resend_please(self) -> Reply:
        self._last = None
        return Reply(RESEND_BY_SERVER + self._terminator())

    def _terminator(self) -> bytes:
        return (self.account.terminator if self.account else Terminator.CR).octets
