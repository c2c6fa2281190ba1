"""The personas' whole cards: what their text and face APs say, and that no font is needed to make them."""

from __future__ import annotations

from datetime import date
from importlib import resources
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from mykey_cardap import tlv
from mykey_cardap.emulator import personas
from mykey_cardap.emulator.aps import face, text
from mykey_cardap.emulator.cards import make_card
from mykey_cardap.emulator.contents import drawing, pictures
from mykey_cardap.emulator.contents.holder import CardSex
from mykey_cardap.emulator.contents.make_pictures import draw_all, write
from mykey_cardap.emulator.personas import CardType

if TYPE_CHECKING:
    from pathlib import Path

    from mykey_cardap.emulator.card import VirtualCard

TODAY = date(2026, 11, 23)
PLASTIC = [name for name in personas.names() if personas.load(name, TODAY).card is CardType.MY_NUMBER]
SIGNING_SEX = "1.2.392.200149.8.5.5.3"
SIGNING_BIRTH_DATE = "1.2.392.200149.8.5.5.4"


def _select(card: VirtualCard, aid: bytes) -> str:
    return card.process(bytes((0, 0xA4, 4, 0x0C, len(aid))) + aid).hex()


def _verify(card: VirtualCard, key: int, value: str) -> str:
    return card.process(bytes((0, 0x20, 0, 0x80 | key, len(value))) + value.encode()).hex()


def _read(card: VirtualCard, fid: int) -> bytes:
    answer = card.process(bytes((0, 0xB0, 0x80 | fid, 0, 0, 0, 0)))
    assert answer[-2:].hex() == "9000"
    return answer[:-2]


@pytest.mark.parametrize("name", PLASTIC)
def test_text_and_face_ap_agree_with_the_persona(name: str) -> None:
    """A and B from the persona's list open both APs; name, number and birth date are the persona's."""
    persona, card = personas.load(name, TODAY), make_card(name, today=TODAY)
    card.power_on()
    assert _select(card, text.AID) == "9000"
    assert _verify(card, 0x14, persona.number_a) == _verify(card, 0x15, persona.number_b) == "9000"
    assert tlv.parse(_read(card, 1)[:-2]).value.decode() == persona.number_a
    attributes = {member.tag: member.value for member in tlv.parse(_read(card, 2)).children()}
    assert attributes[0xDF22].decode() == persona.holder.name_on_card
    assert _select(card, face.AID) == "9000"
    assert _verify(card, 0x12, persona.number_b) == "9000"
    members = {member.tag: member.value for member in tlv.parse(_read(card, 2)).children()}
    assert members[0xDF22] == attributes[0xDF24]
    assert members[0xDF25] == pictures.name_png(persona.holder.name_on_card)


@pytest.mark.parametrize("name", personas.names())
def test_pictures_of_personas_need_no_font(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are stored; run `make_pictures` after a persona's name or address changed."""

    def no_drawing(text: str) -> bytes:
        pytest.fail(f"a picture of {len(text)} characters is not stored")

    monkeypatch.setattr(drawing, "text_picture", no_drawing)
    pictures._stored_or_drawn.cache_clear()
    holder = personas.load(name, TODAY).holder
    assert pictures.name_png(holder.name_on_card)
    assert pictures.address_png(holder.address)


def test_no_picture_is_stored_for_nobody() -> None:
    """The folder holds what the generator makes, and nothing else."""
    folder = resources.files("mykey_cardap.emulator.contents") / "data" / "pictures"
    wanted = draw_all(personas.load(name, TODAY).holder for name in personas.names())
    assert {stored.name for stored in folder.iterdir()} == set(wanted)


def test_generator_removes_pictures_of_former_personas(tmp_path: Path) -> None:
    """Writing makes the folder hold exactly the drawn pictures."""
    (tmp_path / "old.png").write_bytes(b"old")
    write(tmp_path, {"new.png": b"new"})
    assert [path.name for path in tmp_path.iterdir()] == ["new.png"]


def test_two_codings_of_sex_and_birth_date() -> None:
    """EMU-21: the card's file and the signing certificate of the same person write both differently."""
    name = next(n for n in PLASTIC if personas.load(n, TODAY).holder.sex is CardSex.FEMALE)
    persona, card = personas.load(name, TODAY), make_card(name, today=TODAY)
    card.power_on()
    _select(card, text.AID)
    _verify(card, 0x15, persona.number_b)
    on_card = {member.tag: member.value.decode() for member in tlv.parse(_read(card, 2)).children()[1:]}
    _select(card, bytes.fromhex("D392F000260100000001"))
    assert _verify(card, 0x1B, persona.sign_pin) == "9000"
    certificate = x509.load_der_x509_certificate(_read(card, 1))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    others = {name.type_id.dotted_string: name.value[2:].decode() for name in names if isinstance(name, x509.OtherName)}
    era_digit = others[SIGNING_BIRTH_DATE][0]
    assert on_card[0xDF25] == others[SIGNING_SEX] == "2"
    assert others[SIGNING_BIRTH_DATE] == era_digit + on_card[0xDF24]
    assert era_digit in "12345"


def test_a_card_without_pins_still_opens_by_what_is_printed_on_it() -> None:
    """顔認証マイナンバーカード: the four-digit PINs of the text, common and resident-register APs are blocked."""
    persona, card = personas.load("pinless", TODAY), make_card("pinless", today=TODAY)
    card.power_on()
    _select(card, text.AID)
    assert card.process(bytes.fromhex("00200091")).hex() == "63c0"
    assert _verify(card, 0x14, persona.number_a) == "9000"
