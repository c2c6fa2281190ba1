"""The four basic items in a signature certificate: codings, substitute characters, and what is refused."""

from __future__ import annotations

from contextlib import suppress
from datetime import date

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from mykey_cardap.certificate_attributes import CertificateSex, Era
from mykey_cardap.emulator.jpki import EmulatedJpki
from mykey_cardap.kinds import CertificateKind
from mykey_core.trust.signatures import read_attributes
from mykey_core.trust.signatures.attributes import AttributesError
from mykey_testkit.jpki.mini_pki import make

JPKI = EmulatedJpki(date(2026, 11, 2))
ARC = "1.2.392.200149.8.5.5"
SOUND = {1: "見本　花子", 4: "319800217", 3: "2", 5: "東京都清瀬市見本町１－２－３", 2: "00000", 6: "0" * 14}


def utf8(text: str) -> bytes:
    """DER of a UTF8String."""
    raw = text.encode()
    length = bytes((len(raw),)) if len(raw) < 128 else b"\x82" + len(raw).to_bytes(2, "big")
    return b"\x0c" + length + raw


def certificate(items: dict[int, str], *more: x509.GeneralName) -> x509.Certificate:
    """A certificate with these otherNames."""
    names = [x509.OtherName(x509.ObjectIdentifier(f"{ARC}.{number}"), utf8(text)) for number, text in items.items()]
    return make("Signer", extensions=[(x509.SubjectAlternativeName([*names, *more]), False)]).certificate


def test_the_codings_of_the_certificate_are_read() -> None:
    """EYYYYMMDD with a Gregorian year, sex 1 2 3, one mark a character."""
    found = read_attributes(certificate(SOUND | {2: "01000"}))
    assert (found.birth_date.era, found.birth_date.day) == (Era.SHOWA, date(1980, 2, 17))
    assert found.sex is CertificateSex.FEMALE
    assert found.name.text == "見本　花子"
    assert found.name.substituted == (1,)
    assert found.address.substituted == ()


@pytest.mark.parametrize("persona", ["adult", "long-name", "foreign-name", "former-name"])
def test_every_personas_certificate_is_read(persona: str) -> None:
    """What the test JPKI writes is read back."""
    person = JPKI.persona(persona)
    found = read_attributes(JPKI.certificate(person, CertificateKind.SIGNATURE))
    assert found.birth_date.day == person.holder.birth_date
    assert found.name.text == person.holder.name_on_card


def test_substitute_characters_are_told_by_their_positions() -> None:
    """髙𠮷﨑 and a variation selector: the certificate writes other characters and marks where."""
    person = JPKI.persona("rare-name")
    found = read_attributes(JPKI.certificate(person, CertificateKind.SIGNATURE)).name
    assert person.holder.name_on_card == "髙𠮷﨑\u3000葛\U000e0100乃"
    assert found.text == "高吉崎\u3000葛乃"
    assert found.substituted == (0, 1, 2, 4)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({3: "9"}, "attribute_sex"),
        ({3: ""}, "attribute_sex"),
        ({4: "19800217"}, "attribute_birth_date"),
        ({4: "919800217"}, "attribute_birth_date"),
        ({4: "3１９８００２１７"}, "attribute_birth_date"),
        ({1: ""}, "attribute_name"),
        ({5: ""}, "attribute_address"),
        ({2: "0000"}, "attribute_substitutes"),
        ({6: "2" * 14}, "attribute_substitutes"),
    ],
)
def test_an_unknown_coding_is_refused_by_name(change: dict[int, str], code: str) -> None:
    """The card's own coding (sex 9, eight-digit dates) and marks that do not fit are no certificate coding."""
    with pytest.raises(AttributesError) as refused:
        read_attributes(certificate(SOUND | change))
    assert refused.value.code == code


@pytest.mark.parametrize("missing", [1, 3, 4, 5])
def test_a_missing_item_is_refused(missing: int) -> None:
    """All four are needed; the marks may be left out."""
    with pytest.raises(AttributesError, match="attributes_missing"):
        read_attributes(certificate({number: text for number, text in SOUND.items() if number != missing}))


def test_an_item_that_stands_twice_is_refused() -> None:
    """Which of two names is the person's? Neither."""
    second = x509.OtherName(x509.ObjectIdentifier(f"{ARC}.1"), utf8("別人"))
    with pytest.raises(AttributesError, match="attributes_twice"):
        read_attributes(certificate(SOUND, second))


def test_a_birth_date_may_be_incomplete() -> None:
    """Unknown parts are zero: there is no date then, but the coded value stays."""
    found = read_attributes(certificate(SOUND | {4: "019800000"})).birth_date
    assert (found.era, found.day, found.coded) == (Era.UNKNOWN, None, "019800000")


def test_the_items_are_no_part_of_repr() -> None:
    """A log line with the object names nobody."""
    text = repr(read_attributes(certificate(SOUND)))
    assert "花子" not in text
    assert "清瀬" not in text
    assert "1980" not in text


@given(st.binary(max_size=40))
def test_arbitrary_bytes_in_an_item_are_refused_or_read(raw: bytes) -> None:
    """Any content of the name gives text or an AttributesError."""
    name = x509.OtherName(x509.ObjectIdentifier(f"{ARC}.1"), raw or b"\x05\x00")
    rest = {number: text for number, text in SOUND.items() if number not in {1, 2}}
    try:
        made = certificate(rest, name)
    except ValueError:
        return  # cryptography writes no such otherName
    with suppress(AttributesError):
        assert read_attributes(made).name.text
