"""Fixtures of the GlobalPlatform tests: a card that is nothing but a secure channel, and keys of public vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mykey_cardap.apdu import SW, CommandApdu, MalformedApduError, ResponseApdu
from mykey_cardap.emulator.globalplatform.cards import DEFAULT_KEY, make_open_card
from mykey_cardap.emulator.globalplatform.contents import Instance
from mykey_cardap.emulator.globalplatform.key_sets import KeySet, MemoryKeyStore
from mykey_cardap.emulator.globalplatform.runtime import OpenCard
from mykey_cardap.emulator.globalplatform.secure_channel import ChannelOptions, SecureChannel
from mykey_cardap.emulator.status import Refused
from mykey_cardap.globalplatform.keys import ScpKeys
from mykey_cardap.globalplatform.security_domain import SecurityDomainSession

VECTOR_AID = bytes.fromhex("A0000005591010FFFFFFFF8900000100")


def key_material(size: int = 16) -> tuple[bytes, bytes, bytes]:
    """ENC 00…, MAC 10…, DEK 20… as in the published vectors, for any key length."""
    first, second, third = (bytes((start + step) % 256 for step in range(size)) for start in (0, 0x10, 0x20))
    return first, second, third


class ChannelCard:
    """A transport to a secure channel whose application echoes: INS 01 gives the data back, others an empty 9000.

    `log` keeps every command and answer as they travelled; `plain` the commands as the application saw them.
    """

    def __init__(self, size: int = 16, version: int = 0x30, counter: int = 0, **options: Any) -> None:
        self.store = MemoryKeyStore([KeySet(version, *key_material(size), counter=counter)])
        self.channel = SecureChannel(self.store, VECTOR_AID, ChannelOptions(**options))
        self.handler: Callable[[CommandApdu], ResponseApdu] = self.echo
        self.log: list[tuple[bytes, bytes]] = []
        self.plain: list[CommandApdu] = []

    def echo(self, command: CommandApdu) -> ResponseApdu:
        """INS 01 answers its data; 02 nothing; P1 P2 of INS 03 is the status word behind its data."""
        if command.ins == 0x03:
            return ResponseApdu(command.data, command.p1 << 8 | command.p2)
        return ResponseApdu(command.data if command.ins == 0x01 else b"", SW.OK)

    def send_apdu(self, command: bytes) -> bytes:
        """Answer like a card."""
        try:
            parsed = CommandApdu.from_bytes(command)
        except MalformedApduError:
            return SW.WRONG_LENGTH.to_bytes(2, "big")
        answer = bytes(self.channel.answer(parsed, self._handle))
        self.log.append((command, answer))
        return answer

    def _handle(self, command: CommandApdu) -> ResponseApdu:
        self.plain.append(command)
        return self.handler(command)


@pytest.fixture
def channel_card() -> type[ChannelCard]:
    """The class, to be made with options."""
    return ChannelCard


@pytest.fixture
def scp_keys() -> Callable[[int], ScpKeys]:
    """`(size) -> ScpKeys` of the same material as `ChannelCard`."""
    return lambda size=16: ScpKeys(*key_material(size))


MODULE = bytes.fromhex("F04D594B4559F001")


class NoteApplication:
    """A program for tests: answers INS 10 with what it was personalised with, by the domain or by INSTALL."""

    multiselectable = False

    def __init__(self, instance: Instance, fresh: bool) -> None:  # noqa: FBT001 - a Factory
        self.fci = bytes.fromhex("6F0A8408") + instance.aid[:8]
        self.notes = bytearray(instance.parameters)
        self.fresh = fresh
        self.erased = False

    def select(self) -> NoteApplication:
        """There is no volatile state."""
        return self

    def process(self, command: CommandApdu) -> ResponseApdu:
        """INS 10 reads the notes."""
        if command.ins != 0x10:
            return ResponseApdu(b"", SW.INS_NOT_SUPPORTED)
        return ResponseApdu(bytes(self.notes), SW.OK)

    def personalize(self, block: CommandApdu) -> None:
        """Keep what the domain hands over; FF is refused."""
        if block.data.startswith(b"\xff"):
            raise Refused(SW.WRONG_DATA)
        self.notes += block.data

    def end(self) -> None:
        """Nothing to forget."""

    def erase(self) -> None:
        """Remember that it happened."""
        self.erased = True


@pytest.fixture
def open_card() -> Callable[..., OpenCard]:
    """`(**options of make_open_card) -> OpenCard` that has a program behind the test module, under power."""

    def make(**options: Any) -> OpenCard:
        card = make_open_card(factories={MODULE: NoteApplication}, **options)
        card.power_on()
        return card

    return make


@pytest.fixture
def default_keys() -> ScpKeys:
    """The published test keys that a fresh card has."""
    return ScpKeys(DEFAULT_KEY, DEFAULT_KEY, DEFAULT_KEY)


class Cable:
    """A transport to a card under power that keeps what travelled and lets a test bend it.

    `bend(command, answer)` may change an answer, `bend_command(command)` a command; None swallows it and answers
    a bare 9000.
    """

    def __init__(self, card: OpenCard | ChannelCard) -> None:
        self.card = card
        self.log: list[tuple[bytes, bytes]] = []
        self.bend: Callable[[bytes, bytes], bytes] = lambda _command, answer: answer
        self.bend_command: Callable[[bytes], bytes | None] = lambda command: command

    def send_apdu(self, command: bytes) -> bytes:
        """Carry a command to the card and its answer back."""
        bent = self.bend_command(command)
        answer = b"\x90\x00" if bent is None else self._to_card(bent)
        answer = self.bend(command, answer)
        self.log.append((command, answer))
        return answer

    def _to_card(self, command: bytes) -> bytes:
        return self.card.process(command) if isinstance(self.card, OpenCard) else self.card.send_apdu(command)


@pytest.fixture
def cable() -> type[Cable]:
    """The class, to be made with a card."""
    return Cable


@pytest.fixture
def domain(open_card: Callable[..., OpenCard], default_keys: ScpKeys) -> Callable[..., SecurityDomainSession]:
    """`(card=None, **options) -> SecurityDomainSession`, authenticated; its transport is a `Cable`."""

    def make(card: OpenCard | None = None, **options: Any) -> SecurityDomainSession:
        session = SecurityDomainSession(Cable(card or open_card()))
        session.authenticate(options.pop("keys", default_keys), **options)
        return session

    return make
