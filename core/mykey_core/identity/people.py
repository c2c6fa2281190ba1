"""Finding and enrolling the person behind a credential, within the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, insert, select
from uuid_utils.compat import uuid7

from mykey_core.identity.keys import MunicipalityKeys
from mykey_core.identity.references import credential_reference, pairwise_id, sector_of
from mykey_core.storage.prepared import Prepared
from mykey_core.storage.session import Session
from mykey_core.storage.tables import credential, pairwise, person
from mykey_core.trust.types import ValidatedCertificate

STAFF_COUNTER = "STAFF_COUNTER"  # evidence code of authentication-hub §13

_find = Prepared(
    select(person.c.id, person.c.state, credential.c.status, pairwise.c.subject)
    .join(
        credential,
        (credential.c.municipality == person.c.municipality) & (credential.c.person_id == person.c.id),
    )
    .outerjoin(
        pairwise,
        (pairwise.c.municipality == person.c.municipality)
        & (pairwise.c.person_id == person.c.id)
        & (pairwise.c.plugin == bindparam("plugin")),
    )
    .where(
        credential.c.municipality == bindparam("municipality"),
        credential.c.reference == bindparam("reference"),
    )
)


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A person whom the core knows by the tapped credential; `subject` is None when the plugin does not know them."""

    person_id: UUID
    state: str
    credential_status: str
    subject: str | None


@dataclass(frozen=True, slots=True)
class People:
    """The persons of one municipality."""

    municipality: str
    keys: MunicipalityKeys

    def find(self, session: Session, certificate: ValidatedCertificate, plugin: str) -> KnownPerson | None:
        """The person behind `certificate`, or None: an unknown credential is 'not registered', never 'somebody else'."""
        reference = credential_reference(self.keys.credential_key, certificate)
        parameters = {"municipality": self.municipality, "reference": reference, "plugin": plugin}
        row = session.first(_find, parameters)
        return None if row is None else KnownPerson(*row)

    def enrol(self, session: Session, certificate: ValidatedCertificate, at: datetime) -> KnownPerson:
        """Make a person with this first credential; the evidence is the staff at the counter."""
        person_id: UUID = uuid7()
        own = {"municipality": self.municipality, "created_at": at}
        session.execute(insert(person).values(**own, id=person_id, state="active"))
        session.execute(
            insert(credential).values(
                **own,
                reference=credential_reference(self.keys.credential_key, certificate),
                person_id=person_id,
                kind=certificate.kind.value,
                status="active",
                not_after=certificate.not_after,
                evidence=STAFF_COUNTER,
            )
        )
        return KnownPerson(person_id, "active", "active", None)

    def subject_for(self, session: Session, known: KnownPerson, plugin: str, at: datetime) -> str:
        """The pairwise id of the person for `plugin`; it is stored when it is made, so that it can be ended."""
        if known.subject is not None:
            return known.subject
        subject = pairwise_id(self.keys.pairwise_pepper, sector_of(plugin, self.municipality), known.person_id)
        session.execute(
            insert(pairwise).values(
                municipality=self.municipality, plugin=plugin, person_id=known.person_id, subject=subject, created_at=at
            )
        )
        return subject
