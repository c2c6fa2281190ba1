"""The rows of credentials within the caller's transaction: adding, finding, changing. No rule lives here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from uuid_utils.compat import uuid7

from mykey_core.clock import TOKYO
from mykey_core.identity.references import Label, credential_references, key_reference, references
from mykey_core.identity.states import CredentialKind, CredentialStatus, Evidence
from mykey_core.keys.provider import KeyProvider, Purpose
from mykey_core.storage.session import Session
from mykey_core.storage.tables import credential
from mykey_core.trust.types import ValidatedCertificate


@dataclass(frozen=True, slots=True)
class StoredCredential:
    """One credential as stored. `id` is ours and stays; `reference` is the keyed hash by which it is found.

    `not_after` is coarse (see `end_of_year`): the certificate itself says at each tap whether it is in time.
    """

    id: UUID
    person_id: UUID
    reference: bytes
    kind: CredentialKind
    status: CredentialStatus
    not_after: datetime | None
    replaced_by: UUID | None
    evidence: str
    created_at: datetime

    def as_json(self) -> dict[str, Any]:
        """What staff and the citizen may see: no reference, no serial."""
        return {
            "id": str(self.id),
            "kind": self.kind.value,
            "status": self.status.value,
            "not_after": self.not_after and self.not_after.isoformat(),
            "replaced_by": self.replaced_by and str(self.replaced_by),
            "evidence": self.evidence,
            "added_at": self.created_at.isoformat(),
        }


_columns = [getattr(credential.c, name) for name in StoredCredential.__slots__]


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials of one municipality."""

    municipality: str
    keys: KeyProvider

    def add(
        self, session: Session, person: UUID, certificate: ValidatedCertificate, evidence: Evidence, at: datetime
    ) -> StoredCredential:
        """Store a certificate as a credential of `person`."""
        return self._insert(
            session,
            {
                "person_id": person,
                "reference": credential_references(self.keys, certificate)[0],
                "kind": certificate.kind.value,
                "key_reference": key_reference(self.keys, certificate),
                "not_after": end_of_year(certificate.not_after),
                "evidence": evidence.value,
                "created_at": at,
            },
        )

    def add_mykey_id(
        self, session: Session, person: UUID, mykey_id: str, evidence: Evidence, at: datetime
    ) -> StoredCredential:
        """Store a MyKey ID, as a keyed hash, as a credential of `person`."""
        reference = references(self.keys, Label.MYKEY_ID, mykey_id.encode())[0]
        return self.add_reference(session, person, CredentialKind.MYKEY_ID, reference, evidence, at)

    def add_reference(
        self,
        session: Session,
        person: UUID,
        kind: CredentialKind,
        reference: bytes,
        evidence: Evidence,
        at: datetime,
    ) -> StoredCredential:
        """Store what is no certificate, by its keyed hash of the newest epoch."""
        values = {"person_id": person, "reference": reference, "kind": kind.value, "key_reference": None}
        values |= {"not_after": None, "evidence": evidence.value, "created_at": at}
        return self._insert(session, values)

    def _insert(self, session: Session, values: dict[str, Any]) -> StoredCredential:
        epoch = self.keys.epochs(Purpose.CREDENTIAL)[-1]
        whole = {"id": uuid7(), "status": CredentialStatus.ACTIVE.value, "replaced_by": None, **values}
        session.execute(insert(credential).values(municipality=self.municipality, key_epoch=epoch, **whole))
        return _stored([whole[name] for name in StoredCredential.__slots__])

    def find(self, session: Session, certificate: ValidatedCertificate) -> StoredCredential | None:
        """The credential of this certificate, or None."""
        return self.by_references(session, credential_references(self.keys, certificate))

    def find_mykey_id(self, session: Session, mykey_id: str) -> StoredCredential | None:
        """The credential of this MyKey ID, or None."""
        return self.by_references(session, references(self.keys, Label.MYKEY_ID, mykey_id.encode()))

    def by_references(self, session: Session, wanted: Iterable[bytes]) -> StoredCredential | None:
        """The credential that is stored under one of these references (one for each key epoch)."""
        own = (credential.c.municipality == self.municipality) & credential.c.reference.in_(list(wanted))
        row = session.execute(select(*_columns).where(own)).first()
        return None if row is None else _stored(row)

    def get(self, session: Session, credential_id: UUID) -> StoredCredential | None:
        """The credential with this id, or None."""
        own = (credential.c.municipality == self.municipality) & (credential.c.id == credential_id)
        row = session.execute(select(*_columns).where(own)).first()
        return None if row is None else _stored(row)

    def of_person(self, session: Session, person: UUID) -> list[StoredCredential]:
        """All credentials of a person, oldest first."""
        own = (credential.c.municipality == self.municipality) & (credential.c.person_id == person)
        rows = session.execute(select(*_columns).where(own).order_by(credential.c.id))
        return [_stored(row) for row in rows]

    def change(
        self, session: Session, credential_id: UUID, status: CredentialStatus, replaced_by: UUID | None = None
    ) -> None:
        """Set the status, and by which credential it was replaced."""
        own = (credential.c.municipality == self.municipality) & (credential.c.id == credential_id)
        session.execute(update(credential).where(own).values(status=status.value, replaced_by=replaced_by))

    def remove(self, session: Session, credential_id: UUID) -> None:
        """Forget a credential that was linked by mistake: its card is 'not registered' again."""
        own = (credential.c.municipality == self.municipality) & (credential.c.id == credential_id)
        session.execute(delete(credential).where(own))


def end_of_year(not_after: datetime) -> datetime:
    """The end, in Japan, of the year in which a certificate ends.

    Its exact last second is that of the holder's birthday (my-number-card §14.1), and its first second is nearly
    unique: by either, two towns could find out whom they both know.
    """
    return datetime(not_after.astimezone(TOKYO).year + 1, 1, 1, tzinfo=TOKYO).astimezone(UTC)


def _stored(row: Any) -> StoredCredential:
    key, person, reference, kind, status, *rest = row
    return StoredCredential(key, person, bytes(reference), CredentialKind(kind), CredentialStatus(status), *rest)
