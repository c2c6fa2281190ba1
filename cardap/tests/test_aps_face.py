"""EMU-16 and EMU-17 for the face AP: three keys, three amounts of data, and the AP's own key."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from mykey_cardap import tlv
from mykey_cardap.emulator.aps.face import AID, face_application
from mykey_cardap.emulator.card import VirtualCard, by_aid

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from mykey_cardap.emulator.contents.holder import CardHolder

SELECT_AP = b"\x00\xa4\x04\x0c\x0a" + AID
SHA256_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
BIRTH_DATE, NUMBER_B, NUMBER_A = (0x11, b"550217"), (0x12, b"55021720352285"), (0x13, b"537686677188")
FREE_FILES = {3, 4}


@pytest.fixture
def card(test_card_holder: CardHolder) -> VirtualCard:
    """A powered card with the face AP selected."""
    card = VirtualCard(by_aid([face_application(test_card_holder)]))
    card.power_on()
    assert card.process(SELECT_AP) == b"\x90\x00"
    return card


def _verify(card: VirtualCard, key: int, value: bytes) -> str:
    return card.process(bytes((0, 0x20, 0, 0x80 | key, len(value))) + value).hex()


def _readable(card: VirtualCard) -> set[int]:
    answers = {fid: card.process(bytes((0, 0xB0, 0x80 | fid, 0, 0)))[-2:].hex() for fid in range(1, 7)}
    assert set(answers.values()) <= {"9000", "6982"}
    return {fid for fid, status in answers.items() if status == "9000"}


@pytest.mark.parametrize(
    ("key", "opens"), [(BIRTH_DATE, {1}), (NUMBER_B, {2, 6}), (NUMBER_A, {2, 5, 6})], ids=["birth", "b", "a"]
)
def test_each_key_opens_its_amount(card: VirtualCard, key: tuple[int, bytes], opens: set[int]) -> None:
    """Birth date: the age record only. B: the face. A: the face and the picture of the number."""
    assert _readable(card) == FREE_FILES
    assert _verify(card, *key) == "9000"
    assert _readable(card) == FREE_FILES | opens


def test_a_and_b_are_the_other_way_round_than_in_the_text_ap(card: VirtualCard) -> None:
    """A presented to B's file is a wrong try of B, and costs A nothing."""
    assert _verify(card, NUMBER_B[0], NUMBER_A[1]) == "63c9"
    assert _verify(card, NUMBER_A[0], NUMBER_B[1]) == "63c9"
    assert _verify(card, *NUMBER_A) == _verify(card, *NUMBER_B) == "9000"


@pytest.mark.parametrize("wrong", [b"800217", b"19800217"])
def test_birth_key_uses_the_era_year(card: VirtualCard, wrong: bytes) -> None:
    """昭和55, not 1980."""
    assert _verify(card, BIRTH_DATE[0], wrong) == "63c9"


def test_birth_date_tries_are_configured_alone(test_card_holder: CardHolder) -> None:
    """Its count is not known, so it is a parameter of its own."""
    card = VirtualCard(by_aid([face_application(test_card_holder, birth_date_tries=1)]))
    card.power_on()
    card.process(SELECT_AP)
    assert [_verify(card, 0x11, b"000000") for _ in range(2)] == ["63c0", "6984"]
    assert _verify(card, *NUMBER_A) == "9000"


def test_nothing_can_be_changed_here(card: VirtualCard) -> None:
    """The AP has no PIN of its own: neither way to change exists."""
    _verify(card, *BIRTH_DATE)
    assert card.process(bytes.fromhex("0024019106") + b"000000").hex() == "6d00"
    assert card.process(bytes.fromhex("8032009106") + b"000000").hex() == "6d00"


def test_own_key_proves_the_presence_of_the_card(
    card: VirtualCard, openssl_verify: Callable[[RSAPublicKey, bytes, bytes], bool]
) -> None:
    """EMU-17: a challenge signed without any key verifies with DF12 of the signed age record."""
    challenge = os.urandom(32)
    payload = SHA256_DIGEST_INFO + hashlib.sha256(challenge).digest()
    signed = card.process(bytes((0x80, 0x2A, 0, 0, len(payload))) + payload + b"\x00")
    assert signed[-2:].hex() == "9000"
    _verify(card, *BIRTH_DATE)
    record = card.process(bytes.fromhex("00B08100000300"))[:-2]
    key = {member.tag: member.value for member in tlv.parse(record).children()}[0xDF12]
    public = RSAPublicNumbers(65537, int.from_bytes(key[-256:], "big")).public_key()
    assert openssl_verify(public, challenge, signed[:-2])


def test_session_keys_do_not_exist_here(card: VirtualCard) -> None:
    """SET SESSION KEY answers 66F1 in this AP."""
    assert card.process(bytes.fromhex("80AE000000 0100") + bytes(256)).hex() == "66f1"
