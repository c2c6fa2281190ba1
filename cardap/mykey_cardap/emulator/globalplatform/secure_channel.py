"""SCP03 as a card speaks it: an object that every application with a secure channel embeds.

Class bytes come without a channel number and with lengths as transmitted; that is the business of `runtime.py`.
Source: GlobalPlatform Card Specification, Amendment D 1.2, sections 5 to 7.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum, unique
from hmac import compare_digest
from typing import Final, NoReturn

from mykey_cardap.apdu import SW, CommandApdu, ResponseApdu
from mykey_cardap.emulator.globalplatform.card_messaging import BrokenError, CardMessaging
from mykey_cardap.emulator.globalplatform.key_sets import MAX_COUNTER, KeySet, KeyStore
from mykey_cardap.emulator.status import Refused
from mykey_cardap.globalplatform.derivation import (
    ScpMode,
    SessionKeys,
    card_cryptogram,
    host_cryptogram,
    pseudo_random_challenge,
    session_keys,
)

SCP_IDENTIFIER: Final = 0x03
INITIALIZE_UPDATE: Final = 0x50
EXTERNAL_AUTHENTICATE: Final = 0x82
S16, PSEUDO_RANDOM, R_MAC, R_ENC = 0x01, 0x10, 0x20, 0x40
FULL_PROTECTION: Final = 0x33

_LEVELS: Final = {0x00: 0, 0x01: 0, 0x03: 0, 0x11: R_MAC, 0x13: R_MAC, 0x33: R_MAC | R_ENC}
"""Security level -> bits of "i" that it needs (table 7-3)."""
_COMMAND_PROTECTION: Final = 0x01
_PLAIN, _SECURED = 0x80, 0x84
_SECURE_BIT: Final = 0x04
_COUNTER_SIZE: Final = 3

PlainHandler = Callable[[CommandApdu], ResponseApdu]
"""Answers a plain command, or raises `Refused`."""


@unique
class State(Enum):
    """Where a channel stands. ABORTED refuses everything but a new beginning."""

    CLOSED = "closed"
    CHALLENGED = "challenged"
    OPEN = "open"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class ChannelOptions:
    """How an application's secure channel behaves.

    `parameter` is "i" (01 S16, 10 pseudo-random challenge, 20 R-MAC, 40 R-ENC). `required_level` holds bits that
    every session must have. `failure_limit` refused proofs in a row block a key set (None: never).
    """

    parameter: int = PSEUDO_RANDOM | R_MAC | R_ENC
    diversification: bytes = bytes(10)
    required_level: int = 0
    failure_limit: int | None = None
    random: Callable[[int], bytes] = field(default=os.urandom, repr=False)

    @property
    def mode(self) -> ScpMode:
        """S8 or S16."""
        return ScpMode.S16 if self.parameter & S16 else ScpMode.S8


@dataclass(frozen=True, slots=True)
class _Challenge:
    """A half-open session: what EXTERNAL AUTHENTICATE is judged by."""

    key_set: KeySet
    context: bytes
    keys: SessionKeys


class SecureChannel:
    """One secure channel of one selected application (`aid`), with the key sets of `store`.

    `answer` does everything; applications with commands of their own before authentication use the single steps.
    `key_set` is the set that the open session was authenticated with (its DEK and its rights count).
    """

    def __init__(self, store: KeyStore, aid: bytes, options: ChannelOptions | None = None) -> None:
        self.options = options or ChannelOptions()
        self.state = State.CLOSED
        self.key_set: KeySet | None = None
        self._store = store
        self._aid = aid
        self._challenge: _Challenge | None = None
        self._messaging: CardMessaging | None = None

    @property
    def level(self) -> int | None:
        """Security level of the open session (00 to 33); None when there is none."""
        return self._messaging.level if self._messaging is not None else None

    def end(self) -> None:
        """End the session: on SELECT, reset, closing of the channel."""
        for keys in (self._challenge and self._challenge.keys, self._messaging and self._messaging.keys):
            if keys:
                keys.wipe()
        self.state, self.key_set = State.CLOSED, None
        self._challenge = self._messaging = None

    def answer(self, command: CommandApdu, handler: PlainHandler) -> ResponseApdu:
        """Answer one command: the two that open the channel, or a command of the application in any protection."""
        try:
            if command.cla & ~_SECURE_BIT == _PLAIN and command.ins == INITIALIZE_UPDATE:
                return ResponseApdu(self.initialize_update(command), SW.OK)
            if command.cla & ~_SECURE_BIT == _PLAIN and command.ins == EXTERNAL_AUTHENTICATE:
                self.external_authenticate(command)
                return ResponseApdu(b"", SW.OK)
            plain = self.unwrap(command)
        except Refused as refusal:
            return ResponseApdu(b"", refusal.sw)
        try:
            response = handler(plain)
        except Refused as refusal:
            response = ResponseApdu(b"", refusal.sw)
        return self.wrap(response)

    # -- opening ------------------------------------------------------------------------------------------

    def initialize_update(self, command: CommandApdu) -> bytes:
        """`80 50 KVN 00 Lc host-challenge`: the card's challenge and cryptogram. Ends any session first."""
        self.end()
        mode = self.options.mode
        if command.cla != _PLAIN:
            raise Refused(SW.CLASS_NOT_SUPPORTED)
        if command.p2:
            raise Refused(SW.WRONG_P1_P2)
        if len(command.data) != mode:
            raise Refused(SW.WRONG_LENGTH)
        keys, challenge = self._new_challenge(self._usable_key_set(command.p1))
        context = command.data + challenge
        session = session_keys(keys.enc, keys.mac, context)
        self._challenge = _Challenge(keys, context, session)
        self.state = State.CHALLENGED
        counter = keys.counter.to_bytes(_COUNTER_SIZE, "big") if self._is_pseudo_random() else b""
        head = self.options.diversification + bytes((keys.version, SCP_IDENTIFIER, self.options.parameter))
        return head + challenge + card_cryptogram(session, context, mode) + counter

    def _usable_key_set(self, version: int) -> KeySet:
        keys = self._store.key_set(version)
        if keys is None:
            raise Refused(SW.KEY_OR_OBJECT_NOT_FOUND)
        if self.options.failure_limit is not None and keys.failures >= self.options.failure_limit:
            raise Refused(SW.BLOCKED_ISO)
        return keys

    def _is_pseudo_random(self) -> bool:
        return bool(self.options.parameter & PSEUDO_RANDOM)

    def _new_challenge(self, keys: KeySet) -> tuple[KeySet, bytes]:
        """The counter is stepped and stored first, then used."""
        if not self._is_pseudo_random():
            return keys, self.options.random(self.options.mode)
        if keys.counter >= MAX_COUNTER:
            raise Refused(SW.CONDITIONS_OF_USE)
        keys = replace(keys, counter=keys.counter + 1)
        self._store.set_counters(keys.version, counter=keys.counter, failures=keys.failures)
        return keys, pseudo_random_challenge(keys.enc, keys.counter, self._aid, self.options.mode)

    def external_authenticate(self, command: CommandApdu) -> None:
        """`84 82 level 00 Lc host-cryptogram MAC`: opens the session, or leaves none."""
        if self.state is State.ABORTED:
            raise Refused(SW.SECURITY_STATUS)
        challenge = self._challenge
        if challenge is None:
            self.end()
            raise Refused(SW.CONDITIONS_OF_USE)
        messaging = CardMessaging(challenge.keys, mode=self.options.mode, level=command.p1)
        try:
            self._check_form(command)
            self._check_proof(command, challenge, messaging)
        except Refused:
            self.end()
            raise
        self._challenge, self._messaging = None, messaging
        self.state, self.key_set = State.OPEN, challenge.key_set

    def _check_form(self, command: CommandApdu) -> None:
        needed = _LEVELS.get(command.p1)
        if command.cla != _SECURED:
            raise Refused(SW.CLASS_NOT_SUPPORTED)
        if needed is None or needed & ~self.options.parameter or command.p2:
            raise Refused(SW.WRONG_P1_P2)
        if len(command.data) != 2 * self.options.mode:
            raise Refused(SW.WRONG_LENGTH)
        if command.p1 & self.options.required_level != self.options.required_level:
            raise Refused(SW.CONDITIONS_OF_USE)

    def _check_proof(self, command: CommandApdu, challenge: _Challenge, messaging: CardMessaging) -> None:
        """The failure is counted and stored before the comparison, so that a power cut cannot hide it."""
        mode = self.options.mode
        self._set_failures(challenge.key_set, challenge.key_set.failures + 1)
        expected = host_cryptogram(challenge.keys, challenge.context, mode)
        genuine = compare_digest(expected, command.data[:mode])
        try:
            messaging.check_mac(command)
        except BrokenError:
            raise Refused(SW.SECURITY_STATUS if genuine else SW.MISMATCH_UNLIMITED) from None
        if not genuine:
            raise Refused(SW.MISMATCH_UNLIMITED)
        self._set_failures(challenge.key_set, 0)

    def _set_failures(self, keys: KeySet, failures: int) -> None:
        if self.options.failure_limit is not None:
            self._store.set_counters(keys.version, counter=keys.counter, failures=failures)

    # -- messages -----------------------------------------------------------------------------------------

    def unwrap(self, command: CommandApdu) -> CommandApdu:
        """The plain command (class 00 or 80). Outside a session nothing is checked.

        Any fault of the protection, and a plain command where protection is agreed, is 6982 and aborts.
        """
        if self.state is State.ABORTED:
            raise Refused(SW.SECURITY_STATUS)
        if self._messaging is None:
            return replace(command, cla=command.cla & ~_SECURE_BIT) if command.cla & _SECURE_BIT else command
        secured = bool(command.cla & _SECURE_BIT)
        if secured is not bool(self._messaging.level & _COMMAND_PROTECTION):
            self._abort()
        if not secured:
            return command
        try:
            return self._messaging.unwrap(command)
        except BrokenError:
            self._abort()

    def wrap(self, response: ResponseApdu) -> ResponseApdu:
        """The protected answer. An error status goes bare, without data."""
        if self._messaging is None:
            return response
        return self._messaging.wrap(response)

    def _abort(self) -> NoReturn:
        self.end()
        self.state = State.ABORTED
        raise Refused(SW.SECURITY_STATUS)
