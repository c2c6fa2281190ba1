"""EMU-15 and EMU-17 for the text AP: which PIN opens which file, counters, blocked key, the AP's own key."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from mykey_cardap import tlv
from mykey_cardap.emulator.aps.text import AID, text_application
from mykey_cardap.emulator.card import VirtualCard, by_aid

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from mykey_cardap.emulator.contents.holder import CardHolder

SELECT_AP = b"\x00\xa4\x04\x0c\x0a" + AID
SHA256_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
PIN, NUMBER_A, NUMBER_B = (0x11, b"1234"), (0x14, b"537686677188"), (0x15, b"55021720352285")
FILES = range(1, 9)
FREE_FILES = {4, 5}


@pytest.fixture
def card(test_card_holder: CardHolder) -> VirtualCard:
    """A powered card with the text AP selected."""
    card = VirtualCard(by_aid([text_application(test_card_holder, pin=b"1234")]))
    card.power_on()
    assert card.process(SELECT_AP) == b"\x90\x00"
    return card


def _verify(card: VirtualCard, key: int, value: bytes) -> str:
    return card.process(bytes((0, 0x20, 0, 0x80 | key, len(value))) + value).hex()


def _tries(card: VirtualCard, key: int) -> str:
    return card.process(bytes((0, 0x20, 0, 0x80 | key))).hex()


def _readable(card: VirtualCard) -> set[int]:
    answers = {fid: card.process(bytes((0, 0xB0, 0x80 | fid, 0, 0)))[-2:].hex() for fid in FILES}
    assert set(answers.values()) <= {"9000", "6982"}
    return {fid for fid, status in answers.items() if status == "9000"}


@pytest.mark.parametrize(
    ("key", "opens"),
    [(PIN, {1, 2, 3, 6, 7, 8}), (NUMBER_A, {1, 3, 6, 7, 8}), (NUMBER_B, {2, 3, 6, 7, 8})],
)
def test_each_key_opens_its_files_and_no_others(card: VirtualCard, key: tuple[int, bytes], opens: set[int]) -> None:
    """The access table: A opens the number and not the attributes, B the reverse, the PIN both."""
    assert _readable(card) == FREE_FILES
    assert _verify(card, *key) == "9000"
    assert _readable(card) == FREE_FILES | opens


def test_the_three_counters_are_separate(card: VirtualCard) -> None:
    """A wrong try on one key costs the others nothing."""
    assert [_tries(card, key) for key, _ in (PIN, NUMBER_A, NUMBER_B)] == ["63c3", "63ca", "63ca"]
    assert _verify(card, PIN[0], b"0000") == "63c2"
    assert _verify(card, NUMBER_B[0], b"00000000000000") == "63c9"
    assert [_tries(card, key) for key, _ in (PIN, NUMBER_A, NUMBER_B)] == ["63c2", "63ca", "63c9"]
    assert _verify(card, *PIN) == "9000"
    assert [_tries(card, key) for key, _ in (PIN, NUMBER_A, NUMBER_B)] == ["63c3", "63ca", "63c9"]


def test_pin_blocks_after_three_and_a_still_opens_the_number(card: VirtualCard) -> None:
    """63C0 on the blocking try, 6984 later even for the right PIN; A has its own counter."""
    assert [_verify(card, PIN[0], b"9999") for _ in range(4)] == ["63c2", "63c1", "63c0", "6984"]
    assert _verify(card, *PIN) == "6984"
    assert _verify(card, *NUMBER_A) == "9000"
    assert 1 in _readable(card)


def test_a_and_b_have_the_configured_number_of_tries(test_card_holder: CardHolder) -> None:
    """How many tries real cards give is not known, so it is a parameter."""
    card = VirtualCard(by_aid([text_application(test_card_holder, pin=b"1234", reference_tries=2)]))
    card.power_on()
    card.process(SELECT_AP)
    assert [_verify(card, 0x14, b"0" * 12) for _ in range(3)] == ["63c1", "63c0", "6984"]
    assert _tries(card, 0x15) == "63c2"


def test_key_0012_is_blocked_on_every_card(card: VirtualCard) -> None:
    """The question answers 63C0, every VERIFY 6984, and nothing opens by it."""
    assert _tries(card, 0x12) == "63c0"
    assert _verify(card, 0x12, b"1234") == "6984"
    assert _readable(card) == FREE_FILES


def test_a_card_without_pin_has_it_blocked(test_card_holder: CardHolder) -> None:
    """No value was ever set: no four digits can open it, and A and B go on working."""
    card = VirtualCard(by_aid([text_application(test_card_holder, pin=None)]))
    card.power_on()
    card.process(SELECT_AP)
    assert _tries(card, 0x11) == "63c0"
    assert _verify(card, 0x11, b"1234") == "6984"
    assert _verify(card, *NUMBER_B) == "9000"


def test_number_file_is_read_with_its_filler(card: VirtualCard) -> None:
    """Seventeen physical bytes, and 6B00 behind them."""
    _verify(card, *PIN)
    card.process(bytes.fromhex("00A4020C020001"))
    assert card.process(bytes.fromhex("00B0000000")).hex() == "ff100c353337363836363737313838ffff9000"
    assert card.process(bytes.fromhex("00B0001100")).hex() == "6b00"


def test_change_pin_with_the_new_value_only(card: VirtualCard) -> None:
    """`00 24 01 80` needs VERIFY; then the old value is wrong; JICSAP's command is not of this AP."""
    change = bytes.fromhex("0024018004") + b"5678"
    card.process(bytes.fromhex("00A4020C020011"))
    assert card.process(change).hex() == "6982"
    assert _verify(card, *PIN) == "9000"
    assert card.process(bytes.fromhex("8032008004") + b"5678").hex() == "6d00"
    assert card.process(change).hex() == "9000"
    card.process(SELECT_AP)
    assert _verify(card, 0x11, b"1234") == "63c2"
    assert _verify(card, 0x11, b"5678") == "9000"


@pytest.mark.parametrize("new", [b"123", b"12345", b"12A4", b""])
def test_a_pin_has_four_digits(card: VirtualCard, new: bytes) -> None:
    """Anything else is refused and the old PIN stays."""
    _verify(card, *PIN)
    lc = bytes((len(new),)) if new else b""
    assert card.process(bytes.fromhex("00240191") + lc + new)[-2:].hex() in {"6a80", "6700"}
    assert _verify(card, *PIN) == "9000"


@pytest.mark.parametrize("key", [NUMBER_A, NUMBER_B])
def test_what_is_printed_on_the_card_cannot_be_changed(card: VirtualCard, key: tuple[int, bytes]) -> None:
    """A and B are facts of the card, even while verified."""
    assert _verify(card, *key) == "9000"
    assert card.process(bytes((0, 0x24, 1, 0x80 | key[0], 4)) + b"1111").hex() == "6a80"
    assert _verify(card, *key) == "9000"


def test_own_key_signs_a_challenge_without_any_pin(
    card: VirtualCard, openssl_verify: Callable[[RSAPublicKey, bytes, bytes], bool]
) -> None:
    """EMU-17: the signature verifies with the key that EF 0007 carries, which needs a PIN to read."""
    challenge = os.urandom(32)
    payload = SHA256_DIGEST_INFO + hashlib.sha256(challenge).digest()
    signed = card.process(bytes((0x80, 0x2A, 0, 0, len(payload))) + payload + b"\x00")
    assert signed[-2:].hex() == "9000"
    _verify(card, *PIN)
    record = card.process(bytes.fromhex("00B08700000300"))[:-2]
    key = tlv.parse(record).children()[0].value
    public = RSAPublicNumbers(65537, int.from_bytes(key[-256:], "big")).public_key()
    assert openssl_verify(public, challenge, signed[:-2])


def test_selecting_the_ap_again_closes_everything(card: VirtualCard) -> None:
    """Selecting it again is the card's log-out."""
    _verify(card, *PIN)
    card.process(SELECT_AP)
    assert _readable(card) == FREE_FILES
