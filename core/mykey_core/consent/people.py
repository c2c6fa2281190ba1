"""`context.people`: what a plugin can learn of the person of a tap, and for whom that person may act.

Every answer needs the town's grant and the citizen's consent, and leaves an audit record without a value in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select

from mykey_core.audit.records import append
from mykey_core.consent import audit_events  # noqa: F401 - registers what is appended here
from mykey_core.consent.attributes import Attribute, Value, VerifiedAttributes, value_of
from mykey_core.consent.delegation import Delegation, Delegations
from mykey_core.consent.errors import ConsentCode, ConsentDenied
from mykey_core.consent.ledger import ConsentLedger
from mykey_core.identity.people import KnownPerson, People
from mykey_core.identity.states import CredentialStatus, PersonState
from mykey_core.storage.session import Session
from mykey_core.storage.tables import pairwise, person

if TYPE_CHECKING:
    from mykey_core.plugins.manifest import Manifest, Purpose


@dataclass(frozen=True, slots=True)
class DelegatedPerson:
    """Somebody for whom the person of the tap may act: their pairwise id, the ground, the services and the end."""

    subject: str
    kind: str
    services: frozenset[str]
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class TapPeople:
    """The people of one tap, as one plugin may see them."""

    manifest: Manifest
    grants: frozenset[str]
    people: People
    subject: str | None
    at: datetime
    session: Session = field(repr=False)
    presented: VerifiedAttributes | None = field(default=None, repr=False)

    def attributes(self, purpose: str) -> Mapping[Attribute, Value | None]:
        """The attributes of a declared purpose, or `ConsentDenied` with the reason; nothing is handed over in part."""
        wanted = self._purpose(purpose)
        self._check_granted(wanted)
        person_id = self._person()
        ledger = ConsentLedger(self.people.municipality)
        consent = ledger.check(self.session, person_id, self.manifest.name, wanted, self.at)
        values = {Attribute(name): self._value(Attribute(name), person_id) for name in sorted(wanted.attributes)}
        self._record(
            "attributes.read",
            {"purpose": purpose, "consent": str(consent.id), "attributes": [name.value for name in values]},
        )
        return values

    def delegations(self) -> tuple[DelegatedPerson, ...]:
        """For whom the person of the tap may act in this plugin now."""
        running = Delegations(self.people.municipality).running(
            self.session, self._person(), self.manifest.name, self.at
        )
        return tuple(self._delegated(delegation) for delegation in running)

    def acting_for(self, subject: str, service: str) -> DelegatedPerson:
        """The delegation to act for `subject` in `service`, or `ConsentDenied`."""
        for delegated in self.delegations():
            if delegated.subject == subject and service in delegated.services:
                self._record("delegation.used", {"for": subject, "service": service})
                return delegated
        raise ConsentDenied(ConsentCode.NO_DELEGATION)

    def subject_of_mykey_id(self, mykey_id: str) -> str | None:
        """The pairwise id of whoever is enrolled with this MyKey ID, for links that a service takes over; or None."""
        known = self.people.find_mykey_id(self.session, mykey_id, self.manifest.name)
        return None if known is None else self.people.subject_for(self.session, known, self.manifest.name, self.at)

    def _purpose(self, name: str) -> Purpose:
        found = next((purpose for purpose in self.manifest.purposes if purpose.name == name), None)
        if found is None:
            raise ConsentDenied(ConsentCode.PURPOSE_UNKNOWN)
        return found

    def _check_granted(self, purpose: Purpose) -> None:
        missing = sorted(name for name in purpose.attributes if f"attribute:{name}" not in self.grants)
        if missing:
            raise ConsentDenied(ConsentCode.NOT_GRANTED, ", ".join(missing))

    def _person(self) -> UUID:
        if self.subject is None:
            raise ConsentDenied(ConsentCode.NOT_PRESENTED, "no person is concerned")
        own = (pairwise.c.municipality == self.people.municipality) & (pairwise.c.plugin == self.manifest.name)
        row = self.session.execute(select(pairwise.c.person_id).where(own, pairwise.c.subject == self.subject)).first()
        if row is None:
            raise ConsentDenied(ConsentCode.NOT_PRESENTED, "the pairwise id has ended")
        return UUID(str(row.person_id))

    def _value(self, attribute: Attribute, person_id: UUID) -> Value | None:
        if attribute is Attribute.MUNICIPALITY:
            return self._residence(person_id)
        if self.presented is None or self._is_of_somebody_else(self.presented, person_id):
            raise ConsentDenied(ConsentCode.NOT_PRESENTED)
        return value_of(self.presented, attribute, self.at)

    def _residence(self, person_id: UUID) -> str | None:
        """The town's own code for its residents; None for whoever has left."""
        town = self.people.municipality
        own = (person.c.municipality == town) & (person.c.id == person_id)
        state = self.session.execute(select(person.c.state).where(own)).scalar_one()
        return town if state in {PersonState.ACTIVE, PersonState.HELD} else None

    def _is_of_somebody_else(self, presented: VerifiedAttributes, person_id: UUID) -> bool:
        """Two cards in one session: a signature certificate that we know must be this person's own."""
        if presented.certificate is None:
            return False
        known = self.people.credentials.find(self.session, presented.certificate)
        return known is not None and known.person_id != person_id

    def _delegated(self, delegation: Delegation) -> DelegatedPerson:
        principal = KnownPerson(delegation.principal_id, PersonState.ACTIVE, CredentialStatus.ACTIVE, None)
        subject = self._subject_of(delegation.principal_id) or self.people.subject_for(
            self.session, principal, self.manifest.name, self.at
        )
        return DelegatedPerson(subject, delegation.kind.value, frozenset(delegation.scope), delegation.ends_at)

    def _subject_of(self, person_id: UUID) -> str | None:
        own = (pairwise.c.municipality == self.people.municipality) & (pairwise.c.plugin == self.manifest.name)
        row = self.session.execute(select(pairwise.c.subject).where(own, pairwise.c.person_id == person_id)).first()
        return None if row is None else str(row.subject)

    def _record(self, event: str, facts: Mapping[str, object]) -> None:
        own = {"plugin": self.manifest.name, "subject": self.subject}
        append(self.session, self.people.municipality, self.at, event, {**own, **facts})
