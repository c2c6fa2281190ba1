"""Linking a renewed certificate to the person of the old one, by four kinds of evidence (authentication-hub §13).

Every link is an event that can be reversed (`life`). A link changes no pairwise id: accounts do not notice it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, select

from mykey_cardap.kinds import CertificateKind
from mykey_core.identity.credentials import StoredCredential
from mykey_core.identity.enrolment import Proof, check_kind, check_same_session, check_staff
from mykey_core.identity.errors import IdentityRefused
from mykey_core.identity.events import Change, record_event
from mykey_core.identity.life import LifeRegister
from mykey_core.identity.marks import add_mark, has_mark
from mykey_core.identity.notices import CertificateId, Direction, RenewalNotices
from mykey_core.identity.people import People
from mykey_core.identity.references import Label, credential_content, credential_references, references
from mykey_core.identity.states import CredentialStatus, EventKind, Evidence, PersonState
from mykey_core.storage.database import Database
from mykey_core.storage.prepared import Prepared
from mykey_core.storage.session import Session
from mykey_core.storage.tables import credential
from mykey_core.trust.signatures.attributes import read_attributes
from mykey_core.trust.types import ValidatedCertificate

MAX_CHAIN: Final = 16
"""Renewals in a row that nobody told us of: eighty years of five-year certificates."""

_known = Prepared(
    select(credential.c.id).where(
        credential.c.municipality == bindparam("municipality"), credential.c.reference == bindparam("reference")
    )
)


@dataclass(frozen=True, slots=True)
class Linked:
    """The credential that now belongs to the person; `event` is None when it did already."""

    credential: UUID
    person: UUID
    event: UUID | None


@dataclass(frozen=True, slots=True)
class _Claim:
    evidence: Evidence
    at: datetime
    actor: str
    approved_by: str | None = None


@dataclass(frozen=True, slots=True)
class Renewals:
    """Renewal linking of one municipality. `notices` is None where no operator can be asked."""

    people: People
    notices: RenewalNotices | None = None

    # -- the four kinds of evidence ----------------------------------------------------------------------

    def by_staff(
        self,
        session: Session,
        old: UUID,
        new: ValidatedCertificate,
        *,
        at: datetime,
        actor: str,
        approved_by: str | None = None,
    ) -> Linked:
        """A member of staff has checked the identity of the person at the counter, and another one has approved."""
        check_staff(actor)
        claim = _Claim(Evidence.STAFF_COUNTER, at, actor, approved_by)
        return self._link(session, self._stored(session, old), new, claim)

    def by_session(self, session: Session, old: Proof, new: Proof) -> Linked:
        """Old and new certificate both signed in one session. The old one must be in good standing itself.

        Certificates of two kinds do not replace each other: then the new one is added.
        """
        check_same_session(old, new)
        known = self.people.credentials.find(session, old.certificate)
        if known is None:
            raise IdentityRefused("credential_unknown")
        if known.status is not CredentialStatus.ACTIVE:
            raise IdentityRefused("credential_in_use", f"the old one is {known.status}")
        claim = _Claim(Evidence.SAME_CARD_SESSION, new.at, "person")
        if known.kind.value != new.certificate.kind.value:
            return self._add(session, known.person_id, new.certificate, claim)
        return self._link(session, known, new.certificate, claim)

    def by_attributes(
        self, session: Session, old: UUID, authentication: Proof, signature: Proof, *, actor: str, approved_by: str
    ) -> Linked:
        """The new card's signature certificate says what the old one said, and a member of staff approves."""
        check_kind(authentication, CertificateKind.AUTHENTICATION)
        check_kind(signature, CertificateKind.SIGNATURE)
        check_same_session(authentication, signature)
        check_staff(approved_by, "approval_needed")
        stored = self._stored(session, old)
        attributes = read_attributes(signature.certificate.certificate)
        if not has_mark(session, self.people.municipality, self.people.keys, stored.person_id, attributes):
            raise IdentityRefused("attributes_differ")
        claim = _Claim(Evidence.SIGNED_4INFO_MATCH, signature.at, actor, approved_by)
        return self._link(session, stored, authentication.certificate, claim)

    def by_notice(self, database: Database, new: ValidatedCertificate, at: datetime) -> Linked | None:
        """The issuer's notice links `new` to a credential that we know; None when it replaces none of ours.

        Asks before and between transactions, never within one: a slow operator must not hold the database.
        """
        if self.notices is None:
            return None
        asked = CertificateId.of(new)
        claim = _Claim(Evidence.JPKI_OLDNEW_SERIAL, at, "issuer")
        for earlier in self._chain(asked, Direction.PREDECESSOR):
            with database.reading() as session:
                known = self._find(session, earlier)
            if known is not None:
                self._confirm(earlier, asked)
                return database.commit(partial(self._link, old=known, new=new, claim=claim))
        return None

    def before_tap(self, database: Database, certificate: ValidatedCertificate, at: datetime) -> None:
        """Silent migration: a card that is unknown so far is linked when the issuer says that it replaces a known one.

        `RenewalUnavailable` when nobody can say, so that nobody is enrolled a second time meanwhile.
        """
        if self.notices is not None and not self._is_known(database, certificate):
            self.by_notice(database, certificate, at)

    def _is_known(self, database: Database, certificate: ValidatedCertificate) -> bool:
        town = self.people.municipality
        wanted = credential_references(self.people.keys, certificate)
        return any(database.look_up(_known, {"municipality": town, "reference": one}) for one in wanted)

    def remember_attributes(self, session: Session, person: UUID, signature: Proof) -> None:
        """Keep the mark of what a signature certificate says, for a later `by_attributes`."""
        check_kind(signature, CertificateKind.SIGNATURE)
        attributes = read_attributes(signature.certificate.certificate)
        add_mark(session, self.people.municipality, self.people.keys, person, attributes, signature.at)

    # -- inside ------------------------------------------------------------------------------------------

    def _chain(self, start: CertificateId, direction: Direction) -> list[CertificateId]:
        """The certificates before or after `start`, the nearest first; a chain that bites its tail is refused."""
        assert self.notices is not None  # noqa: S101 - asked only where there is somebody to ask
        chain = [start]
        while (found := self.notices.neighbour(chain[-1], direction)) is not None:
            if found in chain:
                raise IdentityRefused("renewal_cycle")
            chain.append(found)
            if len(chain) > MAX_CHAIN:
                raise IdentityRefused("renewal_chain_too_long")
        return chain[1:]

    def _confirm(self, old: CertificateId, new: CertificateId) -> None:
        """Asked about the old certificate, which we know, the issuer must lead to `new` and no further."""
        forward = self._chain(old, Direction.SUCCESSOR)
        if not forward or forward[-1] != new:
            raise IdentityRefused("renewal_not_current")

    def _find(self, session: Session, certificate: CertificateId) -> StoredCredential | None:
        content = credential_content(certificate.issuer, certificate.serial_number)
        return self.people.credentials.by_references(session, references(self.people.keys, Label.CREDENTIAL, content))

    def _stored(self, session: Session, credential_id: UUID) -> StoredCredential:
        stored = self.people.credentials.get(session, credential_id)
        if stored is None:
            raise IdentityRefused("credential_unknown")
        return stored

    def _link(self, session: Session, old: StoredCredential, new: ValidatedCertificate, claim: _Claim) -> Linked:
        existing = self._existing(session, old.person_id, new)
        if existing is not None:
            return existing
        last = self._last(session, old)
        if last.kind.value != new.kind.value:
            raise IdentityRefused("credential_kind", "a certificate replaces one of its own kind")
        added = self.people.credentials.add(session, old.person_id, new, claim.evidence, claim.at)
        self.people.credentials.change(session, last.id, CredentialStatus.REPLACED, added.id)
        replaced = {"from": last.status.value, "to": CredentialStatus.REPLACED.value, "replaced_by": str(added.id)}
        changes: list[Change] = [{"credential": str(last.id), **replaced}, _addition(added)]
        return self._written(session, added, EventKind.RENEWED, claim, changes)

    def _add(self, session: Session, person: UUID, new: ValidatedCertificate, claim: _Claim) -> Linked:
        existing = self._existing(session, person, new)
        if existing is not None:
            return existing
        added = self.people.credentials.add(session, person, new, claim.evidence, claim.at)
        return self._written(session, added, EventKind.CREDENTIAL_ADDED, claim, [_addition(added)])

    def _existing(self, session: Session, person: UUID, new: ValidatedCertificate) -> Linked | None:
        """Linking twice is linking once; a credential of somebody else is never taken over."""
        if LifeRegister(self.people).state(session, person) is PersonState.DECEASED:
            raise IdentityRefused("transition_not_possible", "the person has died")
        stored = self.people.credentials.find(session, new)
        if stored is None:
            return None
        if stored.person_id != person:
            raise IdentityRefused("credential_of_another_person")
        return Linked(stored.id, person, None)

    def _last(self, session: Session, known: StoredCredential) -> StoredCredential:
        """The end of the chain that we know of."""
        seen = {known.id}
        while known.replaced_by is not None:
            known = self._stored(session, known.replaced_by)
            if known.id in seen:
                raise IdentityRefused("renewal_cycle")
            seen.add(known.id)
        return known

    def _written(
        self, session: Session, added: StoredCredential, kind: EventKind, claim: _Claim, changes: list[Change]
    ) -> Linked:
        event = record_event(
            session,
            self.people.municipality,
            added.person_id,
            kind,
            claim.at,
            evidence=claim.evidence,
            actor=claim.actor,
            approved_by=claim.approved_by,
            changes=changes,
        )
        return Linked(added.id, added.person_id, event.id)


def _addition(added: StoredCredential) -> Change:
    return {"credential": str(added.id), "from": None, "to": added.status.value}
