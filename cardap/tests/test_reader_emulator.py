"""The sessions against the emulated card: whole flows, every persona, signatures checked by `cryptography`."""

from __future__ import annotations

import hashlib
from datetime import date

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from mykey_cardap.card_manager import CardManagerSession, DataObject
from mykey_cardap.certificate_attributes import CertificateAttributes, CertificateSex
from mykey_cardap.common_ap import CommonSession, ResidentRegisterSession
from mykey_cardap.emulator import personas
from mykey_cardap.emulator.cards import make_card
from mykey_cardap.emulator.in_process import InProcessTransport
from mykey_cardap.errors import (
    CardRemovedError,
    FileNotFoundOnCardError,
    IssuerSignatureError,
    LastAttemptError,
    PinBlockedError,
    PinError,
    SecurityStatusError,
)
from mykey_cardap.face_ap import FaceSession
from mykey_cardap.identity import card_identity
from mykey_cardap.issuer_signatures import verify_raw_signature
from mykey_cardap.jpki import JpkiSession, SigningAlgorithm, SignScheme
from mykey_cardap.kinds import CertificateKind
from mykey_cardap.overview import CertificateState, read_overview
from mykey_cardap.session import PinStatus
from mykey_cardap.text_ap import TextSession

AUTHENTICATION, SIGNATURE = CertificateKind.AUTHENTICATION, CertificateKind.SIGNATURE
TODAY = date(2026, 11, 1)
PINS = {AUTHENTICATION: b"1234", SIGNATURE: b"ABC123"}


def insert(persona: str = "adult") -> InProcessTransport:
    return InProcessTransport(make_card(persona, today=TODAY))


def public_key(der: bytes) -> rsa.RSAPublicKey:
    key = x509.load_der_x509_certificate(der).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    return key


@pytest.mark.parametrize("kind", list(CertificateKind))
def test_both_keys_sign_and_their_certificates_verify(kind: CertificateKind) -> None:
    """VERIFY, read the certificate, SIGN: an ordinary RS256 signature; the CA certificate signed the other."""
    session = JpkiSession(insert())
    session.verify_pin(kind.value, PINS[kind])
    certificate = session.read_certificate(kind)
    signature = session.sign_message(kind, b"message")
    public_key(certificate).verify(signature, b"message", padding.PKCS1v15(), hashes.SHA256())
    ca = x509.load_der_x509_certificate(session.read_ca_certificate(kind))
    x509.load_der_x509_certificate(certificate).verify_directly_issued_by(ca)


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512"])
def test_rsa_algorithms(algorithm: str) -> None:
    """The card does not look into the DigestInfo, so every hash works."""
    session = JpkiSession(insert())
    session.verify_pin("authentication", b"1234")
    signature = session.sign_message(AUTHENTICATION, b"message", algorithm)
    hash_algorithm = {"RS256": hashes.SHA256(), "RS384": hashes.SHA384(), "RS512": hashes.SHA512()}[algorithm]
    key = public_key(session.read_certificate(AUTHENTICATION))
    key.verify(signature, b"message", padding.PKCS1v15(), hash_algorithm)


def test_pss_by_the_card() -> None:
    """Scheme 04 takes the hash, scheme 05 the message."""
    session = JpkiSession(insert())
    session.verify_pin("authentication", b"1234")
    key = public_key(session.read_certificate(AUTHENTICATION))
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
    digest = hashlib.sha256(b"message").digest()
    for payload, scheme in ((digest, SignScheme.PSS_OF_SHA256), (b"message", SignScheme.PSS_OF_MESSAGE)):
        key.verify(session.sign(AUTHENTICATION, payload, scheme=scheme), b"message", pss, hashes.SHA256())


def test_the_next_generation_card_needs_no_other_code() -> None:
    """Found under its own name, P-384 told by the certificate, r ‖ s verified."""
    session = JpkiSession(insert("next-generation"))
    session.verify_pin("authentication", b"1234")
    assert session.signing_algorithm(AUTHENTICATION) == SigningAlgorithm.ES384.name
    signature = session.sign_message(AUTHENTICATION, b"message")
    key = x509.load_der_x509_certificate(session.read_certificate(AUTHENTICATION)).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    half = len(signature) // 2
    r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
    key.verify(utils.encode_dss_signature(r, s), b"message", ec.ECDSA(hashes.SHA384()))


def test_tries_go_down_and_a_success_restores_them() -> None:
    """3, wrong, 2, right, 3; the other PIN is not touched; asking costs nothing."""
    session = JpkiSession(insert())
    with pytest.raises(PinError) as caught:
        session.verify_pin("authentication", b"9999")
    assert caught.value.attempts_remaining == 2
    for _ in range(5):
        assert session.pin_status("authentication") == PinStatus(2)
    assert session.pin_status("signature") == PinStatus(5)
    session.verify_pin("authentication", b"1234")
    assert session.pin_status("authentication") == PinStatus(3)


def test_the_last_try_and_the_block() -> None:
    """At one left the session refuses; told to use it, it blocks the PIN, and then says so."""
    session = JpkiSession(insert("last-try"))
    with pytest.raises(LastAttemptError):
        session.verify_pin("authentication", b"9999")
    assert session.pin_status("authentication") == PinStatus(1)
    with pytest.raises(PinError) as caught:
        session.verify_pin("authentication", b"9999", allow_last_attempt=True)
    assert caught.value.attempts_remaining == 0
    with pytest.raises(PinBlockedError):
        session.verify_pin("authentication", b"1234", allow_last_attempt=True)
    assert session.pin_status("authentication") == PinStatus(0, blocked=True)


def test_logout_closes_what_a_pin_opened() -> None:
    """SIGN works after VERIFY and not after logout."""
    session = JpkiSession(insert())
    session.verify_pin("authentication", b"1234")
    session.sign_message(AUTHENTICATION, b"message", "RS256")
    session.logout()
    with pytest.raises(SecurityStatusError):
        session.sign_message(AUTHENTICATION, b"message", "RS256")


@pytest.mark.parametrize("persona", ["phone", "phone-ios"])
def test_a_phone_gives_its_certificate_after_the_pin_only(persona: str) -> None:
    """The token information says so in advance."""
    session = JpkiSession(insert(persona))
    assert session.token_info().kind.is_phone
    with pytest.raises(SecurityStatusError):
        session.read_certificate(AUTHENTICATION)
    session.verify_pin("authentication", b"1234")
    assert session.read_certificate(AUTHENTICATION)[:1] == b"\x30"


def test_change_pin_on_every_application_that_has_one() -> None:
    """The new value works and the old one does not; each application has a counter of its own."""
    transport = insert()
    JpkiSession(transport).change_pin("authentication", b"1234", b"5678")
    TextSession(transport).change_pin(b"1234", b"5678")
    CommonSession(transport).change_pin(b"1234", b"5678")
    ResidentRegisterSession(transport).change_pin(b"1234", b"5678")
    for session_class in (TextSession, CommonSession, ResidentRegisterSession, JpkiSession):
        session = session_class(transport)
        pin = next(iter(session.pins))
        session.verify_pin(pin, b"5678")
        with pytest.raises(PinError):
            session.verify_pin(pin, b"1234")


@pytest.mark.parametrize("persona", ["adult", "long-name", "rare-name", "former-name", "foreign-name", "child"])
def test_text_is_read_and_the_issuers_signature_fits(persona: str) -> None:
    """Names of any length and script, the number with its check digit, digests and signature."""
    session = TextSession(insert(persona))
    session.verify_pin("text", personas.load(persona, TODAY).text_pin.encode())
    number, attributes = session.read_number(), session.read_attributes()
    certificate, signatures = session.read_cv_certificate(), session.read_signatures()
    holder = personas.load(persona, TODAY).holder
    assert (attributes.name, attributes.address) == (holder.name_on_card, holder.address)
    assert (number.digits, attributes.birth_date) == (holder.number_a, holder.birth_date)
    signatures.verify(certificate.public_key, number=number, attributes=attributes)


def test_data_of_another_card_does_not_pass_as_signed() -> None:
    """Attributes and number of one person with the signature of another."""
    own, other = TextSession(insert("adult")), TextSession(insert("child"))
    for session, persona in ((own, "adult"), (other, "child")):
        session.verify_pin("text", personas.load(persona, TODAY).text_pin.encode())
    key, signatures = own.read_cv_certificate().public_key, own.read_signatures()
    with pytest.raises(IssuerSignatureError):
        signatures.verify(key, attributes=other.read_attributes())
    with pytest.raises(IssuerSignatureError):
        signatures.verify(key, number=other.read_number())


def test_numbers_a_and_b_open_what_they_should() -> None:
    """A opens the number but not the attributes, B the attributes but not the number."""
    transport = insert()
    holder = personas.load("adult", TODAY).holder
    session = TextSession(transport)
    session.verify_pin("number-a", holder.number_a.encode())
    assert session.read_number().digits == holder.number_a
    with pytest.raises(SecurityStatusError):
        session.read_attributes()
    session.logout()
    session.verify_pin("number-b", b"55021720352285")
    session.read_attributes()
    with pytest.raises(SecurityStatusError):
        session.read_number()


def test_presence_is_proven_by_the_keys_that_the_issuer_signed() -> None:
    """Text and face application each sign a challenge with a key from a verified record; no PIN for the face."""
    transport = insert()
    payload = SigningAlgorithm.RS256.payload(hashlib.sha256(b"challenge").digest())
    text = TextSession(transport)
    text.verify_pin("text", b"1234")
    text_key = text.read_card_key(text.read_cv_certificate().public_key)
    verify_raw_signature(text_key, text.sign_with_card_key(payload), payload)
    face = FaceSession(transport)
    face.verify_pin("birth-date", b"550217")
    record = face.read_age_record()
    record.verify(face.read_cv_certificate().public_key)
    verify_raw_signature(record.card_key, face.sign_with_card_key(payload), payload)
    with pytest.raises(IssuerSignatureError):
        verify_raw_signature(record.card_key, face.sign_with_card_key(payload), payload[:-1] + b"\0")


def test_the_face_and_its_signature() -> None:
    """Pictures by their signatures, the three hashes in one DigestInfo, number picture behind A only."""
    holder = personas.load("adult", TODAY).holder
    session = FaceSession(insert())
    session.verify_pin("number-a", holder.number_a.encode())
    face, number = session.read_face(), session.read_number_picture()
    key = session.read_cv_certificate().public_key
    face.verify(key)
    number.verify(key)
    assert (face.birth_date, face.expiry) == (holder.birth_date, holder.card_expiry)
    assert face.card_key.public_numbers() == number.card_key.public_numbers()
    assert session.read_application_info().municipality == "13221"
    session.logout()
    session.verify_pin("number-b", b"55021720352285")
    session.read_face()
    with pytest.raises(SecurityStatusError):
        session.read_number_picture()


def test_the_certificate_codes_sex_differently() -> None:
    """Attributes from the signature certificate: same person, other codings, era beside a Gregorian year."""
    session = JpkiSession(insert())
    session.verify_pin("signature", b"ABC123")
    attributes = CertificateAttributes.from_certificate(session.read_certificate(SIGNATURE))
    holder = personas.load("adult", TODAY).holder
    assert (attributes.birth_date, attributes.era.name) == (holder.birth_date, "SHOWA")
    assert attributes.sex is CertificateSex.FEMALE
    assert len(attributes.name_substitutes) == len(attributes.name)


@pytest.mark.parametrize("persona", personas.names())
def test_the_overview_of_every_persona_costs_no_try(persona: str) -> None:
    """Two overviews in a row tell the same counters; nothing is open afterwards."""
    transport = insert(persona)
    first, second = read_overview(transport), read_overview(transport)
    assert first == second
    assert {item.state for item in first.certificates} <= set(CertificateState) - {CertificateState.UNREADABLE}
    with pytest.raises(SecurityStatusError):
        JpkiSession(transport).sign_message(AUTHENTICATION, b"message", "RS256")


def test_the_card_manager_tells_who_issued_the_card() -> None:
    """Short objects, and a certificate that needs an extended Le."""
    session = CardManagerSession(insert())
    holder = personas.load("adult", TODAY).holder
    assert (session.municipality(), session.expiry()) == ("13221", holder.card_expiry)
    assert len(session.read(DataObject.UPPER_CV_CERTIFICATE)) > 256
    assert session.read(DataObject.CONTACT_ATR)


def test_identities_of_cards() -> None:
    """The same for one card, different for two, also for a phone that has no common application."""
    seen = [card_identity(insert(persona)) for persona in ("adult", "child", "phone", "adult")]
    assert seen[0] == seen[3]
    assert len(set(seen)) == 3
    assert None not in seen


def test_a_phone_has_no_text_application() -> None:
    """`FileNotFoundOnCardError`, not something vague."""
    with pytest.raises(FileNotFoundOnCardError):
        TextSession(insert("phone"))


@pytest.mark.parametrize("command", range(1, 16))
def test_a_card_pulled_at_any_command_of_a_signature(command: int) -> None:
    """`CardRemovedError` wherever it happens."""
    transport = InProcessTransport(make_card("adult", today=TODAY), pull_at=command)
    with pytest.raises(CardRemovedError):
        _sign_and_read(transport)


def _sign_and_read(transport: InProcessTransport) -> None:
    session = JpkiSession(transport)
    session.verify_pin("authentication", b"1234")
    session.sign_message(AUTHENTICATION, b"message")
    session.read_ca_certificate(AUTHENTICATION)
