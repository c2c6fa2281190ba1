"""Enrolling: by oneself with both certificates of the card, and by MyKey ID. At the desk it is `People.enrol`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from mykey_cardap.kinds import CertificateKind
from mykey_core.identity.credentials import StoredCredential
from mykey_core.identity.errors import IdentityRefused
from mykey_core.identity.events import Change, record_event
from mykey_core.identity.marks import add_mark
from mykey_core.identity.people import People
from mykey_core.identity.states import EventKind, Evidence
from mykey_core.storage.session import Session
from mykey_core.trust.signatures.attributes import read_attributes
from mykey_core.trust.types import ValidatedCertificate

SESSION_LENGTH: Final = timedelta(minutes=5)  # the life of a nonce (authentication-hub §2.1)
_MYKEY_ID: Final = re.compile(r"[A-Z0-9]{8}")


@dataclass(frozen=True, slots=True)
class Proof:
    """A certificate whose private key signed in a session: revocation was asked, the nonce is used up.

    `session` is the nonce (or another name of one sitting with one card); two proofs of one session belong together.
    """

    certificate: ValidatedCertificate
    session: str
    at: datetime


def check_same_session(one: Proof, other: Proof) -> None:
    """`session_differs` unless both keys signed in one session of at most five minutes."""
    if one.session != other.session or abs(one.at - other.at) > SESSION_LENGTH:
        raise IdentityRefused("session_differs")


def check_kind(proof: Proof, kind: CertificateKind) -> None:
    """`credential_kind` unless the proof is by a certificate of this kind."""
    if proof.certificate.kind is not kind:
        raise IdentityRefused("credential_kind", f"a certificate for {kind} is needed")


def check_staff(actor: str, code: str = "staff_needed") -> None:
    """`staff_needed` (or `code`) unless `actor` is a member of staff."""
    if not actor.startswith("staff:") or actor == "staff:":
        raise IdentityRefused(code, "name the member of staff as staff:NAME")


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Ways into the register. All within the caller's transaction."""

    people: People

    def by_signature(self, session: Session, authentication: Proof, signature: Proof) -> UUID:
        """Enrol by oneself: both certificates of one card, proven in one session. Returns the person.

        Whoever is known by one of the two certificates gets the other added, so that nobody is enrolled twice.
        """
        check_kind(authentication, CertificateKind.AUTHENTICATION)
        check_kind(signature, CertificateKind.SIGNATURE)
        check_same_session(authentication, signature)
        person = self._known(session, authentication, signature) or self.people.add_person(session, signature.at)
        self._complete(session, person, (authentication, signature))
        attributes = read_attributes(signature.certificate.certificate)
        add_mark(session, self.people.municipality, self.people.keys, person, attributes, signature.at)
        return person

    def _known(self, session: Session, *proofs: Proof) -> UUID | None:
        found = [self.people.credentials.find(session, proof.certificate) for proof in proofs]
        persons = {stored.person_id for stored in found if stored is not None}
        if len(persons) > 1:
            raise IdentityRefused("credential_of_another_person", "the two certificates belong to two persons")
        if any(stored is not None and stored.status != "active" for stored in found):
            raise IdentityRefused("credential_in_use", "a certificate of the card is stopped here")
        return persons.pop() if persons else None

    def _complete(self, session: Session, person: UUID, proofs: tuple[Proof, ...]) -> None:
        credentials = self.people.credentials
        known = credentials.of_person(session, person)
        evidence = Evidence.SAME_CARD_SESSION if known else Evidence.SIGNED_ENROLMENT
        missing = [proof for proof in proofs if credentials.find(session, proof.certificate) is None]
        added = [credentials.add(session, person, proof.certificate, evidence, proof.at) for proof in missing]
        if added:
            kind = EventKind.CREDENTIAL_ADDED if known else EventKind.ENROLLED
            self._record(session, person, kind, proofs[0].at, evidence, "person", added)

    def add_mykey_id(self, session: Session, person: UUID, mykey_id: str, *, at: datetime, actor: str) -> UUID:
        """Give a known person a MyKey ID as a second way to be found; returns the credential's id."""
        check_staff(actor)
        stored = self._mykey_id_credential(session, mykey_id)
        if stored is not None and stored.person_id != person:
            raise IdentityRefused("credential_of_another_person")
        if stored is not None:
            return stored.id
        added = self.people.credentials.add_mykey_id(session, person, mykey_id, Evidence.STAFF_COUNTER, at)
        self._record(session, person, EventKind.CREDENTIAL_ADDED, at, Evidence.STAFF_COUNTER, actor, [added])
        return added.id

    def by_mykey_id(self, session: Session, mykey_id: str, *, at: datetime, actor: str) -> UUID:
        """The person of this MyKey ID, enrolled by staff when there is none yet."""
        check_staff(actor)
        stored = self._mykey_id_credential(session, mykey_id)
        if stored is not None:
            return stored.person_id
        person = self.people.add_person(session, at)
        added = self.people.credentials.add_mykey_id(session, person, mykey_id, Evidence.STAFF_COUNTER, at)
        self._record(session, person, EventKind.ENROLLED, at, Evidence.STAFF_COUNTER, actor, [added])
        return person

    def _mykey_id_credential(self, session: Session, mykey_id: str) -> StoredCredential | None:
        if _MYKEY_ID.fullmatch(mykey_id) is None:
            raise IdentityRefused("mykey_id_form", "eight capital letters or digits")
        return self.people.credentials.find_mykey_id(session, mykey_id)

    def _record(
        self,
        session: Session,
        person: UUID,
        kind: EventKind,
        at: datetime,
        evidence: Evidence,
        actor: str,
        added: list[StoredCredential],
    ) -> None:
        changes: list[Change] = [{"credential": str(own.id), "from": None, "to": own.status.value} for own in added]
        town = self.people.municipality
        record_event(session, town, person, kind, at, evidence=evidence, actor=actor, changes=changes)
