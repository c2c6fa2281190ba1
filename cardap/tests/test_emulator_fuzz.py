"""Hostile commands into the emulated card: always a status word, never a fault, never a try given back."""

from __future__ import annotations

import random
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mykey_cardap.emulator.card import VirtualCard
from mykey_cardap.emulator.cards import make_card

AIDS = [
    bytes.fromhex(aid)
    for aid in (
        "D392F000260100000001",
        "D3921000310001010408",
        "D3921000310001010402",
        "D3921000310001010401",
        "D3921000310001010100",
        "A0000001510000",
        "F04D594B45594E01",
        "F04D594B45594E02",
    )
]
INSTRUCTIONS = bytes.fromhex("20242A32505254808486888AA2A4AEB0B2C0CACBFC00FF")
CLASSES = bytes.fromhex("0000000080800104080C10A0FF")
NIGHTLY_COMMANDS = 1_000_000


def encode(cla: int, ins: int, p1: int, p2: int, data: bytes, form: int) -> bytes:
    """A command in one of the encodings, one of them wrong on purpose."""
    header = bytes((cla, ins, p1, p2))
    lc = bytes((len(data),)) + data if data else b""
    forms = (
        header + lc,
        header + lc + b"\x00",
        header + b"\x00" + len(data).to_bytes(2, "big") + data,
        header + b"\x00\x00\x00",
        header + bytes((len(data) ^ 1,)) + data,
    )
    return forms[form]


apdu = st.builds(
    encode,
    st.sampled_from(list(CLASSES)),
    st.sampled_from(list(INSTRUCTIONS)),
    st.one_of(st.sampled_from([0, 1, 2, 4, 0x81, 0x8A]), st.integers(0, 255)),
    st.one_of(st.sampled_from([0, 0x0C, 4, 0x80, 0x97, 0x98, 0x9A, 0x9B]), st.integers(0, 255)),
    st.one_of(
        st.binary(max_size=255),
        st.sampled_from([*AIDS, b"1234", b"ABC123", b"900731297313"]),
        st.builds(lambda fid: bytes((0, fid)), st.integers(0, 31)),
    ),
    st.integers(0, 4),
)


class Watched:
    """A card, and what must hold after every command."""

    def __init__(self, persona: str) -> None:
        self.card: VirtualCard = make_card(persona, today=date(2026, 11, 23))
        self.card.power_on()
        self.pins = [pin for found in self.card.applications.values() for pin in found.pins()]

    def send(self, command: bytes) -> None:
        """Send a command and check the invariants."""
        before = [pin.remaining for pin in self.pins]
        answer = self.card.process(command)
        status = int.from_bytes(answer[-2:], "big")
        assert len(answer) >= 2
        assert status != 0x6F00, command.hex()
        assert status == 0x9000 or len(answer) == 2
        for pin, left in zip(self.pins, before, strict=True):
            assert 0 <= pin.remaining <= pin.tries
            assert pin.remaining <= left or status == 0x9000
            assert pin.remaining >= left - 1


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["adult", "phone", "next-generation"]), st.lists(apdu, max_size=40))
def test_command_lists_never_break_the_card(persona: str, commands: list[bytes]) -> None:
    """Plausible commands in any order."""
    watched = Watched(persona)
    for command in commands:
        watched.send(command)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=20))
def test_arbitrary_bytes_never_break_the_card(commands: list[bytes]) -> None:
    """Bytes that need not be commands at all."""
    watched = Watched("adult")
    for command in commands:
        watched.send(command)


@pytest.mark.nightly
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("persona", ["adult", "child", "phone", "next-generation"])
def test_a_million_commands(persona: str) -> None:
    """More than a million commands in all, from a fixed seed; SIGN is rare, because it costs the time."""
    chance = random.Random(persona)  # noqa: S311 - test data
    watched = Watched(persona)
    for number in range(NIGHTLY_COMMANDS // 4 + 1):
        if number % 5_000 == 0:
            watched = Watched(persona)  # fresh counters
        watched.send(_random_command(chance))
        if number % 997 == 0:
            watched.card.power_on()


def _random_command(chance: random.Random) -> bytes:
    if chance.random() < 0.1:
        return b"\x00\xa4\x04\x0c" + (aid := chance.choice(AIDS))[:0] + bytes((len(aid),)) + aid
    if chance.random() < 0.05:
        return chance.randbytes(chance.randrange(300))
    ins = chance.choice(INSTRUCTIONS)
    if ins == 0x2A and chance.random() < 0.9:
        ins = 0xB0
    data = chance.choice(
        [b"", chance.randbytes(chance.randrange(256)), bytes((0, chance.randrange(32))), b"1234", b"ABC123"]
    )
    return encode(
        chance.choice(CLASSES),
        ins,
        chance.choice([0, 1, 2, 4, chance.randrange(256)]),
        chance.choice([0, 0x0C, 0x80, 0x80 | chance.randrange(32), chance.randrange(256)]),
        data,
        chance.randrange(5),
    )
