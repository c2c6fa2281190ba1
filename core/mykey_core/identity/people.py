"""Finding and enrolling the person behind a credential, within the caller's transaction: what a tap needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, insert, select
from uuid_utils.compat import uuid7

from mykey_core.identity.changes import tell_linked
from mykey_core.identity.credentials import Credentials
from mykey_core.identity.events import record_event
from mykey_core.identity.references import Label, credential_references, pairwise_id, references, sector_of
from mykey_core.identity.states import EventKind, Evidence, PersonState, refusal_code
from mykey_core.keys.provider import KeyProvider, Purpose
from mykey_core.storage.prepared import Prepared
from mykey_core.storage.session import Session
from mykey_core.storage.tables import credential, pairwise, person
from mykey_core.trust.types import ValidatedCertificate

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


_subject = Prepared(
    select(pairwise.c.subject).where(
        pairwise.c.municipality == bindparam("municipality"),
        pairwise.c.plugin == bindparam("plugin"),
        pairwise.c.person_id == bindparam("person_id"),
    )
)


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A person whom the core knows by the tapped credential; `subject` is None when the plugin does not know them."""

    person_id: UUID
    state: str
    credential_status: str
    subject: str | None

    def refusal(self, *, residents_only: bool) -> str | None:
        """The code of why this person is refused here with this credential, or None."""
        return refusal_code(self.state, self.credential_status, residents_only=residents_only)


@dataclass(frozen=True, slots=True)
class People:
    """The persons of one municipality."""

    municipality: str
    keys: KeyProvider

    @property
    def credentials(self) -> Credentials:
        """The rows of their credentials."""
        return Credentials(self.municipality, self.keys)

    def find(self, session: Session, certificate: ValidatedCertificate, plugin: str) -> KnownPerson | None:
        """The person behind `certificate`, or None: unknown is 'not registered', never 'somebody else'."""
        found = self._find(session, certificate, plugin)
        if found is None and self.keys.refresh():  # another process has begun to re-key
            found = self._find(session, certificate, plugin)
        return found

    def find_mykey_id(self, session: Session, mykey_id: str, plugin: str) -> KnownPerson | None:
        """The person who has linked this MyKey ID, or None. It proves less than a card: services decide what for."""
        return self._by_references(session, references(self.keys, Label.MYKEY_ID, mykey_id.encode()), plugin)

    def _find(self, session: Session, certificate: ValidatedCertificate, plugin: str) -> KnownPerson | None:
        return self._by_references(session, credential_references(self.keys, certificate), plugin)

    def _by_references(self, session: Session, wanted: Iterable[bytes], plugin: str) -> KnownPerson | None:
        for reference in wanted:
            row = session.peek(_find, {"municipality": self.municipality, "reference": reference, "plugin": plugin})
            if row is not None:
                return KnownPerson(*row)
        return None

    def subject_of(self, session: Session, person_id: UUID, plugin: str) -> str | None:
        """The pairwise id by which `plugin` knows the person; None when it does not."""
        values = {"municipality": self.municipality, "plugin": plugin, "person_id": person_id}
        row = session.first(_subject, values)
        return None if row is None else str(row[0])

    def enrol(
        self,
        session: Session,
        certificate: ValidatedCertificate,
        at: datetime,
        *,
        evidence: Evidence = Evidence.STAFF_COUNTER,
        actor: str = "terminal",
    ) -> KnownPerson:
        """Make a person with this first credential; at a service point the evidence is the staff at the counter."""
        person_id = self.add_person(session, at)
        added = self.credentials.add(session, person_id, certificate, evidence, at)
        changes = [{"credential": str(added.id), "from": None, "to": added.status.value}]
        record_event(
            session,
            self.municipality,
            person_id,
            EventKind.ENROLLED,
            at,
            evidence=evidence,
            actor=actor,
            changes=changes,
        )
        return KnownPerson(person_id, PersonState.ACTIVE, added.status, None)

    def add_person(self, session: Session, at: datetime) -> UUID:
        """Make a person without credentials; whoever calls adds the first one."""
        person_id: UUID = uuid7()
        values = {"municipality": self.municipality, "id": person_id, "state": PersonState.ACTIVE.value}
        session.execute(insert(person).values(**values, created_at=at))
        return person_id

    def subject_for(self, session: Session, known: KnownPerson, plugin: str, at: datetime) -> str:
        """The pairwise id of the person for `plugin`; it is stored when it is made, and the plugin is told."""
        if known.subject is not None:
            return known.subject
        epoch = self.keys.epochs(Purpose.PAIRWISE)[-1]
        subject = pairwise_id(self.keys, epoch, sector_of(plugin, self.municipality), known.person_id)
        values = {"municipality": self.municipality, "plugin": plugin, "person_id": known.person_id}
        session.execute(insert(pairwise).values(**values, subject=subject, key_epoch=epoch, created_at=at))
        tell_linked(session, self.municipality, plugin, known.person_id, at)
        return subject
