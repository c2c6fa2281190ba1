"""EMU-18: the common AP and the resident-register AP, over APDUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mykey_cardap.emulator.aps import common, juki
from mykey_cardap.emulator.card import VirtualCard, by_aid
from mykey_cardap.emulator.contents.keys import card_keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from mykey_cardap.emulator.contents.holder import CardHolder

APS = {"common": common.AID, "juki": juki.AID}
CARD_INFO = b"\x01\x1c4000000127198431322120350217"


@pytest.fixture
def card(test_card_holder: CardHolder) -> VirtualCard:
    """A powered card with both APs, nothing selected."""
    applications = [
        common.common_application(test_card_holder, pin=b"1234"),
        juki.juki_application(test_card_holder, pin=b"1234"),
    ]
    card = VirtualCard(by_aid(applications))
    card.power_on()
    return card


def _select(card: VirtualCard, name: str) -> None:
    assert card.process(b"\x00\xa4\x04\x0c\x0a" + APS[name]) == b"\x90\x00"


def _send(card: VirtualCard, command: str) -> str:
    return card.process(bytes.fromhex(command)).hex()


def test_card_info_is_free(card: VirtualCard) -> None:
    """Record 1 by current file and by short identifier, with nothing presented."""
    _select(card, "common")
    assert card.process(bytes.fromhex("00B2010C00")) == CARD_INFO + b"\x90\x00"
    assert _send(card, "00A4020C020001") == "9000"
    assert card.process(bytes.fromhex("00B2010400")) == CARD_INFO + b"\x90\x00"


@pytest.mark.parametrize("record", [0, 2, 255])
def test_there_is_one_record(card: VirtualCard, record: int) -> None:
    """6A83 for every other number."""
    _select(card, "common")
    assert _send(card, f"00B2{record:02X}0C00") == "6a83"


def test_record_files_are_not_read_by_offset(card: VirtualCard) -> None:
    """READ BINARY on a record file is a conflict with its structure."""
    _select(card, "common")
    assert _send(card, "00B0810000") == "6981"


def test_both_aps_hold_the_same_key_reference(card: VirtualCard) -> None:
    """EF 0002 is byte-identical; the resident-register AP has no EF 0001."""
    _select(card, "common")
    reference = _send(card, "00B2011400")
    _select(card, "juki")
    assert reference == _send(card, "00B2011400")
    assert reference.endswith("9000")
    assert _send(card, "00A4020C020001") == "6a82"


@pytest.mark.parametrize("size", [1, 16, 255])
def test_internal_authenticate_signs_the_challenge(
    card: VirtualCard,
    test_card_holder: CardHolder,
    openssl_verify: Callable[[RSAPublicKey, bytes, bytes], bool],
    size: int,
) -> None:
    """SHA-256 with PKCS#1 v1.5 over the challenge, without a PIN, with key 0019."""
    _select(card, "common")
    challenge = bytes(range(size))
    answer = card.process(bytes((0, 0x88, 0, 0x99, size)) + challenge + b"\x00")
    key = card_keys(test_card_holder.manufacture_serial).internal.public_key()
    assert answer[-2:].hex() == "9000"
    assert openssl_verify(key, challenge, answer[:-2])


@pytest.mark.parametrize(
    ("name", "command", "status"),
    [
        ("common", "0088009C 01 00 00", "6981"),
        ("common", "00880099", "6700"),
        ("common", "00880199 01 00 00", "6a86"),
        ("common", "802A0099 01 00 00", "6982"),
        ("juki", "00880099 01 00 00", "6985"),
        ("common", "80AE0000000100" + "00" * 256, "66f1"),
        ("juki", "80AE0000000100" + "00" * 256, "6982"),
    ],
)
def test_refusals(card: VirtualCard, name: str, command: str, status: str) -> None:
    """Keys are not PINs, key 0019 signs nothing else, and session keys differ between the APs."""
    _select(card, name)
    assert _send(card, command) == status


@pytest.mark.parametrize("name", APS)
def test_pin_is_changed_by_jicsap_change_key(card: VirtualCard, name: str) -> None:
    """EMU-12: `80 32 00 80` after VERIFY; CHANGE REFERENCE DATA is not of these APs."""
    new = b"5678".hex()
    _select(card, name)
    assert _send(card, "00A4020C02001C") == "9000"
    assert _send(card, f"8032008004{new}") == "6982"
    assert _send(card, "0020008004" + b"1234".hex()) == "9000"
    assert _send(card, f"0024018004{new}") == "6d00"
    assert _send(card, f"8032008004{new}") == "9000"
    _select(card, name)
    assert _send(card, "0020009C04" + b"1234".hex()) == "63c2"
    assert _send(card, f"0020009C04{new}") == "9000"


def test_the_two_pins_are_two_keys(card: VirtualCard) -> None:
    """What users see as one 住基用暗証番号: wrong tries on one leave the other."""
    _select(card, "common")
    assert [_send(card, "0020009C0430303030") for _ in range(4)] == ["63c2", "63c1", "63c0", "6984"]
    _select(card, "juki")
    assert _send(card, "0020009C") == "63c3"
