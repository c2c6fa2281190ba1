"""EMU-19: GET DATA of the issuer security domain, at power-on state and after selecting it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mykey_cardap.emulator.aps import common, issuer_domain
from mykey_cardap.emulator.card import DEFAULT_ATR, VirtualCard, by_aid

if TYPE_CHECKING:
    from mykey_cardap.emulator.contents.holder import CardHolder

SELECT_COMMON = b"\x00\xa4\x04\x0c\x0a" + common.AID
SELECT_DOMAIN = bytes.fromhex("00A4040C07") + issuer_domain.AID
NOT_FOUND = "6a88"


@pytest.fixture
def card(test_card_holder: CardHolder) -> VirtualCard:
    """A powered card with the domain and the common AP, nothing selected."""
    domain = issuer_domain.issuer_domain_application(test_card_holder, contact_atr=DEFAULT_ATR)
    objects = issuer_domain.contact_atr_object(DEFAULT_ATR)
    application = common.common_application(test_card_holder, pin=b"1234", data_objects=objects)
    card = VirtualCard(by_aid([domain, application]), domain)
    card.power_on()
    return card


def _get(card: VirtualCard, tag: str, le: str = "00") -> str:
    return card.process(bytes.fromhex(f"00CA{tag}{le}")).hex()


@pytest.mark.parametrize(("tag", "value"), [("00F0", b"13221"), ("00F2", b"20350217")])
def test_small_objects_at_power_on_state(card: VirtualCard, tag: str, value: bytes) -> None:
    """Municipality and expiry, with nothing selected and with the domain selected."""
    assert _get(card, tag) == value.hex() + "9000"
    assert card.process(SELECT_DOMAIN) == b"\x90\x00"
    assert _get(card, tag) == value.hex() + "9000"


@pytest.mark.parametrize("tag", ["0042", "0045", "0066", "00F7", "5F51"])
def test_the_other_small_objects_are_there(card: VirtualCard, tag: str) -> None:
    """Each answers something and 9000."""
    answer = _get(card, tag)
    assert answer.endswith("9000")
    assert len(answer) > 4


@pytest.mark.parametrize("tag", ["00F8", "7F21"])
def test_large_objects_need_an_extended_le(card: VirtualCard, tag: str) -> None:
    """6700 with a short Le; the contents of the 7F21 template with an extended one."""
    assert _get(card, tag) == "6700"
    answer = _get(card, tag, "000000")
    assert answer.startswith("5f4e820129")
    assert len(bytes.fromhex(answer)) == 563 + 2


def test_an_application_hides_the_domain_and_selecting_it_brings_it_back(card: VirtualCard) -> None:
    """Only the contact ATR answers everywhere; the domain's AID restores the power-on state."""
    card.process(SELECT_COMMON)
    assert _get(card, "00F0") == NOT_FOUND
    assert _get(card, "5F51") == DEFAULT_ATR[1:].hex() + "9000"
    card.process(SELECT_DOMAIN)
    assert _get(card, "00F0").endswith("9000")
    assert card.process(bytes.fromhex("00B2010C00")).hex() == "6986"


@pytest.mark.parametrize("tag", ["0000", "00F1", "DF30", "7F22"])
def test_absent_objects(card: VirtualCard, tag: str) -> None:
    """6A88 for every other tag."""
    assert _get(card, tag) == NOT_FOUND


def test_an_older_card_has_no_lower_certificate(test_card_holder: CardHolder) -> None:
    """7F21 is absent, 00F8 is there."""
    domain = issuer_domain.issuer_domain_application(test_card_holder, contact_atr=DEFAULT_ATR, lower_certificate=False)
    card = VirtualCard(by_aid([domain]), domain)
    card.power_on()
    assert _get(card, "7F21", "000000") == NOT_FOUND
    assert _get(card, "00F8", "000000").endswith("9000")


def test_get_challenge_everywhere(card: VirtualCard) -> None:
    """1 to 256 random bytes in every state, not more."""
    for select in (b"", SELECT_DOMAIN, SELECT_COMMON):
        assert not select or card.process(select) == b"\x90\x00"
        one, two = (card.process(bytes.fromhex("0084000000")) for _ in range(2))
        assert len(one) == 258
        assert one != two
        assert len(card.process(bytes.fromhex("0084000001"))) == 3
        assert card.process(bytes.fromhex("00840000000101")).hex() == "6985"
