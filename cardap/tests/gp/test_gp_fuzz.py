"""Fuzzing both sides: the card's dispatcher with bent commands, the host's parsers with hostile cards.

The card must always answer a status word other than 6F00 (which hides an exception) and keep its invariants; the
host may raise errors of this package and nothing else. `make nightly` sends a million APDUs to each side.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from mykey_cardap.apdu import SW, CommandApdu, ResponseApdu
from mykey_cardap.emulator.globalplatform.runtime import OpenCard
from mykey_cardap.errors import CardError
from mykey_cardap.globalplatform.command_data import StoreFormat
from mykey_cardap.globalplatform.keys import ScpKeys
from mykey_cardap.globalplatform.messaging import SecurityLevel
from mykey_cardap.globalplatform.registry import CardState, Scope
from mykey_cardap.globalplatform.scp03 import Scp03Session
from mykey_cardap.globalplatform.security_domain import SecurityDomainSession

Make = Callable[..., Any]
CI_APDUS = 12_000
NIGHTLY_APDUS = 1_000_000
PACKAGE, MODULE, INSTANCE = (bytes.fromhex("F04D594B4559F0" + tail) for tail in ("", "01", "0101"))
CODE = b"\x01\x00\x04\xde\xca\xff\xed\x03\x00\x0c\x01\x08" + MODULE + b"\x00\x08"
SEEDS = [
    bytes.fromhex(seed)
    for seed in (
        "00A4040008A000000151000000",
        "00A4040000",
        "00A40400",
        "0070000001",
        "00708001",
        "8050300008010203040506070800",
        "8482330010" + "00" * 16,
        "80CA006600",
        "00CA00E000",
        "80CA2F00025C0000",
        "80F28002024F0000",
        "80F24002094F005C054F9F70C500",
        "80F24003024F0000",
        "80E60200" + "0C07F04D594B4559F000000000",
        "80E88000" + f"{len(CODE) + 2:02X}C4{len(CODE):02X}" + CODE.hex(),
        "80E60C00" + "2007F04D594B4559F008F04D594B4559F00108F04D594B4559F0010100" + "02C90000",
        "80E620000E000008F04D594B4559F001000000",
        "80E2900003420161",
        "80E2880008007005420361626300",
        "80D80081" + "46318811103D0FA4B855D2A5AA4954B8B5DF582A3A03C35280881110790ACCDA858B997029FA9AE50C9CD02803013808"
        "8811108CAA7F589AA0CEB6350A45E70A6E435B03840DE5",
        "80E400000A4F08F04D594B4559F001",
        "80E4000003D20131",
        "80F0408708F04D594B4559F001",
        "80F0800700",
        "00C0000000",
        "8010000000",
    )
]


class Bender:
    """Reproducible mutations of byte strings."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - reproducible fuzzing

    def command(self) -> bytes:
        """A seed, mostly bent, with a length field that is mostly right."""
        raw = bytearray(self.random.choice(SEEDS))
        for _ in range(self.random.choice([0, 1, 1, 2, 4])):
            self._bend(raw)
        if len(raw) > 5 and self.random.random() < 0.8:
            raw[4] = min(len(raw) - 5, 0xFF)
        return bytes(raw)

    def _bend(self, raw: bytearray) -> None:
        at = self.random.randrange(len(raw) + 1)
        kind = self.random.randrange(5)
        if kind == 0 and at < len(raw):
            raw[at] = self.random.randrange(256)
        elif kind == 1 and at < len(raw):
            raw[at] ^= 1 << self.random.randrange(8)
        elif kind == 2:
            raw[at:at] = self.random.randbytes(self.random.randint(1, 20))
        elif kind == 3 and len(raw) > 1:
            del raw[at:]
            raw += b"" if raw else b"\x00"
        else:
            raw += self.random.choice([b"\x00", b"\xff" * 3, bytes(240)])


def assert_sane(card: OpenCard) -> None:
    """What must hold whatever was sent."""
    contents = card.contents
    aids = [found.aid for found in (*contents.instances, *contents.load_files)]
    assert len(aids) == len(set(aids))
    assert contents.free() >= 0
    assert all(len(value) in {16, 24, 32} for keys in contents.keys for value in keys.keys.values())
    assert all(card.program(found.aid) is not None for found in contents.instances)
    assert {found.load_file for found in contents.instances} <= {found.aid for found in contents.load_files}


def fuzz_card(card: OpenCard, keys: ScpKeys, apdus: int, seed: int) -> tuple[int, set[int]]:
    """Send raw and well-protected bent commands; returns how many were protected, and what succeeded behind the MAC."""
    bender, protected = Bender(seed), 0
    succeeded: set[int] = set()
    keys_at_first = card.contents.keys
    session: Scp03Session | None = None
    for number in range(apdus):
        if number % 20 == 0:  # TERMINATED and lost keys would end the game
            card.memory.commit(replace(card.contents, state=CardState.OP_READY, keys=keys_at_first))
        if bender.random.random() < 0.02:
            card.power_on()
            with suppress(CardError):
                session = Scp03Session.open(
                    Powered(card), keys, security_level=bender.random.choice(list(SecurityLevel))
                )
        command = bender.command()
        if session is not None and not session.closed and bender.random.random() < 0.7:
            with suppress(CardError, ValueError):
                status = session.send_apdu(command)[-2:]
                assert status != b"\x6f\x00", command.hex()
                protected += 1
                if status == b"\x90\x00":
                    succeeded.add(command[1])
        else:
            answer = card.process(command)
            assert len(answer) >= 2
            assert answer[-2:] != b"\x6f\x00", command.hex()
        if number % 50 == 0:
            assert_sane(card)
    return protected, succeeded


class Powered:
    """A transport to a card that has power."""

    def __init__(self, card: OpenCard) -> None:
        self.send_apdu = card.process


def test_the_card_answers_whatever_is_sent(open_card: Make, default_keys: ScpKeys) -> None:
    """Bent commands with and without a session; many reach the commands behind the secure channel."""
    protected, succeeded = fuzz_card(open_card(), default_keys, CI_APDUS, seed=20260)
    assert protected > CI_APDUS // 10
    assert {0xCA, 0xE2, 0xE4, 0xE6, 0xE8, 0xF0, 0xF2, 0xD8} <= succeeded


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(10))
def test_the_card_answers_whatever_is_sent_for_long(open_card: Make, default_keys: ScpKeys, seed: int) -> None:
    """The long version: a million APDUs in all."""
    fuzz_card(open_card(), default_keys, NIGHTLY_APDUS // 10, seed)


# -- the host --------------------------------------------------------------------------------------------------


class HostileCard:
    """A card that answers honestly, bent, or with anything; below or above the secure channel.

    Above: it has the right keys and protects what it invents, so that the parsers behind the channel see it.
    """

    def __init__(self, card: OpenCard, seed: int, *, above: bool) -> None:
        self.bender = Bender(seed)
        self.card = card
        self.commands = 0
        self.honesty = self.bender.random.choice([0.2, 0.7, 0.9, 0.97])
        self.above = above

    def send_apdu(self, command: bytes) -> bytes:
        """Answer."""
        self.commands += 1
        answer = self.card.process(command)
        if self.above or self.bender.random.random() < self.honesty:
            return answer
        return self.lie(answer)

    def lie(self, honest: bytes) -> bytes:
        """Something else than the honest answer."""
        choice = self.bender.random.randrange(5)
        if choice == 0:
            raw = bytearray(honest)
            self.bender._bend(raw)
            return bytes(raw)
        if choice == 1:
            return honest[: self.bender.random.randrange(len(honest) + 1)]
        status = self.bender.random.choice(["9000", "6310", "6283", "6A88", "6982", "6C10", "6110", "6581", "63C1"])
        body = self.bender.random.randbytes(self.bender.random.choice([0, 1, 8, 29, 32, 60, 250]))
        return (body if choice > 2 else b"") + bytes.fromhex(status)

    def invent(self, honest: ResponseApdu) -> ResponseApdu:
        """What the application of a card with the right keys might say."""
        if self.bender.random.random() < self.honesty:
            return honest
        lie = self.lie(bytes(honest))
        return ResponseApdu.from_bytes(lie) if len(lie) >= 2 else ResponseApdu(b"", SW.OK)


def everything(transport: HostileCard, keys: ScpKeys, steps: random.Random) -> None:
    """A session with every operation, in any order, each of which may fail."""
    session = SecurityDomainSession(transport)
    session.key_information()
    session.authenticate(keys, security_level=steps.choice(list(SecurityLevel)))
    operations: list[Callable[[], object]] = [
        lambda: session.registry(steps.choice(list(Scope))),
        session.key_information,
        lambda: session.get_data(0x66),
        lambda: session.install_for_load(PACKAGE),
        lambda: session.load(CODE),
        lambda: session.install(PACKAGE, MODULE, INSTANCE),
        lambda: session.personalize(INSTANCE, b"data", form=StoreFormat.UNSTRUCTURED),
        lambda: session.store_data(b"\x42\x01a"),
        lambda: session.put_keys(keys, version=0x31),
        lambda: session.delete(INSTANCE),
        lambda: session.lock(INSTANCE),
    ]
    for operation in steps.choices(operations, k=8):
        with suppress(CardError):
            operation()


def fuzz_host(open_card: Make, keys: ScpKeys, apdus: int, seed: int) -> None:
    """Sessions against hostile cards until enough APDUs were answered."""
    sent = 0
    while sent < apdus:
        seed += 1
        card = open_card()
        hostile = HostileCard(card, seed, above=bool(seed % 2))
        if hostile.above:
            _put_above(card, hostile)
        with suppress(CardError):
            everything(hostile, keys, hostile.bender.random)
        sent += hostile.commands


def _put_above(card: OpenCard, hostile: HostileCard) -> None:
    """Let the domain's own answers be lied about before they are protected."""
    select = card._domain.select

    def selected() -> Any:
        selection: Any = select()
        plain = selection._plain
        selection._plain = lambda command: hostile.invent(_honest(plain, command))
        return selection

    card._domain.select = selected  # type: ignore[method-assign]
    card.power_on()


def _honest(plain: Callable[[CommandApdu], ResponseApdu], command: CommandApdu) -> ResponseApdu:
    from mykey_cardap.emulator.status import Refused

    try:
        return plain(command)
    except Refused as refusal:
        return ResponseApdu(b"", refusal.sw)


def test_the_host_survives_hostile_cards(open_card: Make, default_keys: ScpKeys) -> None:
    """Below the channel and above it: a result or a typed error (`suppress(CardError)` lets nothing else pass)."""
    fuzz_host(open_card, default_keys, CI_APDUS, seed=0)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(10))
def test_the_host_survives_hostile_cards_for_long(open_card: Make, default_keys: ScpKeys, part: int) -> None:
    """The long version: a million APDUs in all."""
    fuzz_host(open_card, default_keys, NIGHTLY_APDUS // 10, seed=1_000_000 * (part + 1))
