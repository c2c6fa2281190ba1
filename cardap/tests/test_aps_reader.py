"""The reader's sessions against the emulated applications: two independent implementations of one format."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from mykey_cardap.common_ap import CommonSession
from mykey_cardap.emulator import personas
from mykey_cardap.emulator.cards import make_card
from mykey_cardap.emulator.contents.keys import IssuerKeyName, issuer_key
from mykey_cardap.emulator.in_process import InProcessTransport
from mykey_cardap.emulator.personas import CardType
from mykey_cardap.errors import IssuerSignatureError
from mykey_cardap.face_ap import FaceSession
from mykey_cardap.text_ap import TextSession

if TYPE_CHECKING:
    from collections.abc import Iterator

TODAY = date(2026, 11, 23)
PLASTIC = [name for name in personas.names() if personas.load(name, TODAY).card is CardType.MY_NUMBER]
TEXT_ROOT = issuer_key(IssuerKeyName.TEXT_ROOT).public_key()
FACE_ROOT = issuer_key(IssuerKeyName.FACE_ROOT).public_key()
CHALLENGE = b"a challenge that the reader chose"
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(CHALLENGE).digest()


@pytest.fixture(params=PLASTIC)
def persona(request: pytest.FixtureRequest) -> personas.Persona:
    """Every persona with a plastic card."""
    return personas.load(request.param, TODAY)


@pytest.fixture
def transport(persona: personas.Persona) -> Iterator[InProcessTransport]:
    """A connection to the persona's card."""
    with InProcessTransport(make_card(persona.name, today=TODAY)) as connection:
        yield connection


def test_text_ap_is_read_and_verified(persona: personas.Persona, transport: InProcessTransport) -> None:
    """Number and attributes are the persona's, signed by a key that the root certifies; the card is present."""
    session = TextSession(transport)
    session.verify_pin("number-a", persona.number_a.encode())
    session.verify_pin("number-b", persona.number_b.encode())
    certificate = session.read_cv_certificate()
    certificate.verify(TEXT_ROOT)
    number, attributes = session.read_number(), session.read_attributes()
    session.read_signatures().verify(certificate.public_key, number=number, attributes=attributes)
    assert number.digits == persona.number_a
    assert attributes.name == persona.holder.name_on_card
    assert attributes.address == persona.holder.address
    assert (attributes.birth_date, attributes.sex.value) == (persona.holder.birth_date, persona.holder.sex.value)
    key = session.read_card_key(certificate.public_key)
    key.verify(session.sign_with_card_key(DIGEST_INFO), CHALLENGE, PKCS1v15(), SHA256())


def test_face_ap_is_read_and_verified(persona: personas.Persona, transport: InProcessTransport) -> None:
    """All three records verify and name one card key, which signs the reader's challenge."""
    session = FaceSession(transport)
    session.verify_pin("birth-date", persona.holder.birth_key.encode())
    session.verify_pin("number-a", persona.number_a.encode())
    certificate = session.read_cv_certificate()
    certificate.verify(FACE_ROOT)
    age, face, picture = session.read_age_record(), session.read_face(), session.read_number_picture()
    for record in (age, face, picture):
        record.verify(certificate.public_key)
    assert age.birth_date == face.birth_date == persona.holder.birth_date
    assert age.card_key == face.card_key == picture.card_key
    age.card_key.verify(session.sign_with_card_key(DIGEST_INFO), CHALLENGE, PKCS1v15(), SHA256())
    assert session.read_application_info().municipality == persona.municipality.five_digits


def test_common_ap_is_read(persona: personas.Persona, transport: InProcessTransport) -> None:
    """Serial, municipality and expiry are the persona's."""
    record = CommonSession(transport).card_record()
    holder = persona.holder
    assert (record.serial, record.municipality, record.expiry) == (
        holder.manufacture_serial,
        holder.municipality_code_on_card,
        holder.card_expiry,
    )


def test_signatures_of_another_card_do_not_verify() -> None:
    """What verifies on its own card is refused beside another card's data."""
    sessions = []
    for name in ("adult", "other-town"):
        session = TextSession(InProcessTransport(make_card(name, today=TODAY)))
        session.verify_pin("number-b", personas.load(name, TODAY).number_b.encode())
        sessions.append(session)
    one, other = sessions
    key = one.read_cv_certificate().public_key
    with pytest.raises(IssuerSignatureError):
        one.read_signatures().verify(key, attributes=other.read_attributes())
    changed = replace(one.read_signatures(), signed=b"changed")
    with pytest.raises(IssuerSignatureError):
        changed.verify(key, attributes=one.read_attributes())
    with pytest.raises(IssuerSignatureError):
        one.read_cv_certificate().verify(FACE_ROOT)
