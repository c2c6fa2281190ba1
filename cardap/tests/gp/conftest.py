"""Fixtures of the GlobalPlatform tests: a card that is nothing but a secure channel, and keys of public vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mykey_cardap.apdu import SW, CommandApdu, ResponseApdu
from mykey_cardap.emulator.globalplatform.key_sets import KeySet, MemoryKeyStore
from mykey_cardap.emulator.globalplatform.secure_channel import ChannelOptions, SecureChannel
from mykey_cardap.globalplatform.keys import ScpKeys

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
        answer = bytes(self.channel.answer(CommandApdu.from_bytes(command), self._handle))
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
