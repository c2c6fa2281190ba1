"""Known answers of SCP03, AES-CMAC, key check values and key diversification (card-writing reference, §4).

Both roles are judged by the published bytes before they are let loose on each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from mykey_cardap.apdu import CommandApdu, ResponseApdu
from mykey_cardap.globalplatform.derivation import pseudo_random_challenge, session_keys
from mykey_cardap.globalplatform.keys import ScpKeys, key_check_value
from mykey_cardap.globalplatform.messaging import SecurityLevel
from mykey_cardap.globalplatform.scp03 import Scp03Session

Card = Callable[..., Any]
Keys = Callable[..., ScpKeys]
AID = bytes.fromhex("A0000005591010FFFFFFFF8900000100")


@dataclass(frozen=True)
class Vector:
    """One published session: the challenge, the opening answers, session keys, and commands plain and as sent."""

    level: SecurityLevel
    counter: int
    challenge: str
    hello: str
    external: str
    keys: tuple[str, str, str]
    commands: tuple[tuple[str, str], ...]
    first_answer: tuple[str, str]


LEVEL_11 = Vector(
    SecurityLevel.C_MAC_R_MAC,
    2,
    "b13e5f938fc108c4",
    "00000000000000000000 30 03 70 3eb51047495b249f 66c484c1d2ef1948 000002",
    "8482110010 7d5f5826a993ebc8 9eea24957fa0b3ce",
    ("c4e87149f2114da66bb015a567d751f9", "8b2635556e987a6b84f43d9ffc197d3f", "3f6b2ce3b3abd9a99bd4453afa54cc7b"),
    (
        ("80e2910006bf3e035c015a00", "84e291000ebf3e035c015a558d036518a2829700"),
        ("80f22002", "84f220020863a63f8959827fb2"),
        ("80ca006600", "84ca006608a0c6a4a74166f7ce00"),
        ("80f220020a4f0212345c054f9f70c5", "84f22002124f0212345c054f9f70c52249b50272656536"),
        ("80f28002024f0000", "84f280020a4f00e91443f6dce6b8ed00"),
    ),
    ("bf3e125a1089882119900000000000000000000005", "bf3e125a1089882119900000000000000000000005 971be68992dbbdfa"),
)
LEVEL_33 = Vector(
    SecurityLevel.FULL,
    3,
    "fdf38259a1e0de44",
    "00000000000000000000 30 03 70 3b1aca81e821f219 081cdc01c26b372d 000003",
    "8482330010 8c36f96bcc00724a 4e13ad591d7da3f0",
    ("bc5689f3a0b783a9ed6da1c5c6bc1f99", "0415f56cbb9e488bb171b2b66081f004", "1ee185123244e047bc9d68b914bd1fbe"),
    (
        ("80e2910006bf3e035c015a00", "84e2910018267a85dfe4a98fca6fb0527e0dfecce4914e40401433c87f00"),
        ("80f22002", "84f2200208ac6a59024bed84cc"),
        ("80ca006600", "84ca006608409912ad8fb7aed000"),
        ("80f220020a4f0212345c054f9f70c5", "84f22002185f3dafc3ac14c381536a488bf44e06d056df9d74dbd21e5a"),
        ("80f28002024f0000", "84f280021865165105be3373347d0424d4400af2ac393f569ec779389e00"),
    ),
    (
        "bf3e125a1089882119900000000000000000000005",
        "f3ba2b1013aa6224f5e1c138d71805c569e5439b47576260b75fc021b25097cb 2e68f8a0144975b9",
    ),
)
VECTORS = pytest.mark.parametrize("vector", [LEVEL_11, LEVEL_33], ids=["level-11", "level-33"])


class Recorded:
    """Answers as the vector's card did; only the first command has a recorded answer with a MAC."""

    def __init__(self, vector: Vector) -> None:
        self.vector = vector
        self.sent: list[str] = []

    def send_apdu(self, command: bytes) -> bytes:
        """The recorded answers in their order."""
        self.sent.append(command.hex())
        answers = [self.vector.hello, "", self.vector.first_answer[1]]
        return bytes.fromhex(answers[len(self.sent) - 1] + "9000")


@VECTORS
def test_the_host_sends_the_published_bytes(vector: Vector, scp_keys: Keys) -> None:
    """§4.1: INITIALIZE UPDATE, EXTERNAL AUTHENTICATE, the first command and its answer, byte for byte."""
    card = Recorded(vector)
    challenge = bytes.fromhex(vector.challenge)
    session = Scp03Session.open(
        card, scp_keys(), security_level=vector.level, key_version=0x30, random=lambda _: challenge
    )
    plain, sent = vector.commands[0]
    answer = session.send_apdu(bytes.fromhex(plain))
    assert answer.hex() == vector.first_answer[0] + "9000"
    expected = ["8050300008" + vector.challenge + "00", vector.external.replace(" ", ""), sent]
    assert card.sent == expected


@VECTORS
def test_the_host_chain_of_commands(vector: Vector, scp_keys: Keys) -> None:
    """§4.1: later commands move the chaining value and the counter, those without data too."""
    card = Recorded(vector)
    challenge = bytes.fromhex(vector.challenge)
    session = Scp03Session.open(card, scp_keys(), security_level=vector.level, random=lambda _: challenge)
    messaging = session._messaging
    for plain, sent in vector.commands:
        assert bytes(messaging.wrap(CommandApdu.from_bytes(bytes.fromhex(plain)))).hex() == sent


@VECTORS
def test_the_card_answers_the_published_bytes(vector: Vector, channel_card: Card) -> None:
    """§4.1 from the card's side: its challenge, cryptogram and answer, and it accepts every published command."""
    card = channel_card(counter=vector.counter - 1)
    card.handler = lambda _: ResponseApdu(bytes.fromhex(vector.first_answer[0]), 0x9000)
    hello = card.send_apdu(bytes.fromhex("8050300008" + vector.challenge + "00"))
    assert hello.hex() == vector.hello.replace(" ", "") + "9000"
    assert card.send_apdu(bytes.fromhex(vector.external)).hex() == "9000"
    answers = [card.send_apdu(bytes.fromhex(sent)) for _, sent in vector.commands]
    assert answers[0].hex() == vector.first_answer[1].replace(" ", "") + "9000"
    assert all(answer.endswith(b"\x90\x00") for answer in answers)
    assert [bytes(command).hex() for command in card.plain] == [plain for plain, _ in vector.commands]


@VECTORS
def test_session_keys_and_pseudo_random_challenge(vector: Vector, scp_keys: Keys) -> None:
    """§4.1: S-ENC, S-MAC, S-RMAC, and the challenge from the sequence counter and the application's AID."""
    keys = scp_keys()
    challenge = bytes.fromhex(vector.hello.split()[4])
    assert pseudo_random_challenge(keys.enc, vector.counter, AID, 8) == challenge  # type: ignore[arg-type]
    session = session_keys(keys.enc, keys.mac, bytes.fromhex(vector.challenge) + challenge)
    assert tuple(key.hex() for key in (session.enc, session.mac, session.rmac)) == vector.keys


@pytest.mark.parametrize(
    ("first", "size", "expected"),
    [
        (0x00, 16, "c35280"),
        (0x10, 16, "013808"),
        (0x20, 16, "840de5"),
        (0x40, 16, "504a77"),
        (0x00, 24, "38fcb6"),
        (0x00, 32, "75e208"),
    ],
)
def test_key_check_values(first: int, size: int, expected: str) -> None:
    """§4.2: the encrypted block 01…01, not zeros."""
    assert key_check_value(bytes(range(first, first + size))).hex() == expected


def test_kdf3_published_key() -> None:
    """§4.5: the ENC key of a 32-byte master key."""
    master = bytes.fromhex("8C72C72CF908411653018807950D82FBAD947562F0828A0B10B8B9606ABF3BCD")
    keys = ScpKeys.from_master(master, bytes.fromhex("D9B1DE5D0362DEDCE4FB"))
    assert keys.enc.hex() == "9aac5d0b3601f89438a0d9d0b6b256cfb47e6462dfa5228d3420c4ac7c224781"


@pytest.mark.parametrize(
    ("end", "expected"), [(0x50, ("e79c05", "d1bd77", "3fde8c")), (0x60, ("2972d2", "036f94", "5d57b8"))]
)
def test_kdf3_check_values(end: int, expected: tuple[str, str, str]) -> None:
    """§4.5: check values of the keys of masters 40..4F and 40..5F, diversified by 00..09."""
    keys = ScpKeys.from_master(bytes(range(0x40, end)), bytes(range(10)))
    assert tuple(value.hex() for value in keys.check_values()) == expected
