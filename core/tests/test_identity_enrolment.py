"""Ways into the register: both certificates of a card, and the MyKey ID."""

from __future__ import annotations

import pytest

from mykey_cardap.kinds import CertificateKind
from mykey_core.identity.errors import IdentityRefused
from mykey_core.identity.states import EventKind
from mykey_testkit.identity import STAFF, Register, certificate, numbered

SIGNATURE = CertificateKind.SIGNATURE


def enrol_by_signature(register: Register, number: int, persona: str = "adult", session: str = "nonce-1") -> object:
    proofs = register.proof(numbered(number)), register.proof(certificate(persona, SIGNATURE), session)
    return register.do(lambda own: register.enrolment.by_signature(own, *proofs))


def test_both_certificates_enrol_one_person(register: Register) -> None:
    """Both are stored below one person with their evidence, and again is the same person."""
    person = enrol_by_signature(register, 1)
    assert enrol_by_signature(register, 1) == person
    found = register.find(numbered(1))
    assert found is not None
    assert found.person_id == person
    stored = register.do(lambda session: register.people.credentials.of_person(session, found.person_id))
    assert [(own.kind.value, own.evidence) for own in stored] == [
        ("authentication", "SIGNED_ENROLMENT"),
        ("signature", "SIGNED_ENROLMENT"),
    ]


def test_who_is_known_by_one_certificate_is_not_enrolled_twice(register: Register) -> None:
    """Enrolled at the desk first: by oneself later adds the signature certificate to the same person."""
    known = register.enrol(1)
    assert enrol_by_signature(register, 1) == known.person_id
    history = register.do(lambda session: register.life.history(session, known.person_id))
    assert [event.kind for event in history] == [EventKind.ENROLLED, EventKind.CREDENTIAL_ADDED]


def test_certificates_of_two_persons_are_refused(register: Register) -> None:
    """A known card with the known signature certificate of somebody else joins nobody."""
    enrol_by_signature(register, 1)
    register.enrol(2)
    with pytest.raises(IdentityRefused, match="credential_of_another_person"):
        enrol_by_signature(register, 2)


def test_two_sessions_enrol_nobody(register: Register) -> None:
    """The signature belongs to the same sitting as the authentication."""
    with pytest.raises(IdentityRefused, match="session_differs"):
        enrol_by_signature(register, 1, session="nonce-2")
    assert register.find(numbered(1)) is None


def test_a_stopped_card_enrols_nobody(register: Register) -> None:
    """A card that was reported lost cannot be used to add anything."""
    register.record(register.enrol(1).person_id, EventKind.CARD_LOST)
    with pytest.raises(IdentityRefused, match="credential_in_use"):
        enrol_by_signature(register, 1)


def test_each_certificate_in_its_place(register: Register) -> None:
    """Two authentication certificates are no enrolment by signature."""
    proofs = register.proof(numbered(1)), register.proof(numbered(2))
    with pytest.raises(IdentityRefused, match="credential_kind"):
        register.do(lambda session: register.enrolment.by_signature(session, *proofs))


def test_a_mykey_id_is_a_second_link(register: Register) -> None:
    """The person is found by card and by MyKey ID, under one pairwise id."""
    person = register.enrol(1).person_id
    subject = register.subject(1, "library")
    at = register.clock()
    for _ in range(2):
        register.do(lambda session: register.enrolment.add_mykey_id(session, person, "AB12CD34", at=at, actor=STAFF))
    found = register.do(lambda session: register.people.find_mykey_id(session, "AB12CD34", "library"))
    assert found is not None
    assert (found.person_id, found.subject) == (person, subject)
    assert register.do(lambda session: register.people.find_mykey_id(session, "ZZ12CD34", "library")) is None


def test_enrolled_by_mykey_id_only(register: Register) -> None:
    """Staff enrol by MyKey ID; the second time it is the same person, and it belongs to nobody else."""
    at = register.clock()
    first = register.do(lambda session: register.enrolment.by_mykey_id(session, "AB12CD34", at=at, actor=STAFF))
    again = register.do(lambda session: register.enrolment.by_mykey_id(session, "AB12CD34", at=at, actor=STAFF))
    other = register.enrol(1).person_id
    assert again == first
    with pytest.raises(IdentityRefused, match="credential_of_another_person"):
        register.do(lambda session: register.enrolment.add_mykey_id(session, other, "AB12CD34", at=at, actor=STAFF))
    with pytest.raises(IdentityRefused, match="staff_needed"):
        register.do(lambda session: register.enrolment.by_mykey_id(session, "AB12CD35", at=at, actor="person"))


@pytest.mark.parametrize(
    "wrong", ["", "ab12cd34", "AB12CD3", "AB12CD345", "AB12 D34", "ＡＢ１２ＣＤ３４", "AB12CD34\n"]
)
def test_what_is_no_mykey_id(register: Register, wrong: str) -> None:
    """Eight capital letters or digits, nothing else and nothing changed to fit."""
    with pytest.raises(IdentityRefused, match="mykey_id_form"):
        register.do(lambda session: register.enrolment.by_mykey_id(session, wrong, at=register.clock(), actor=STAFF))
