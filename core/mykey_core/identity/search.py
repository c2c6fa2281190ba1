"""Being found by the four attributes that stand on the card: a citizen's own wish, kept as one keyed hash.

Nothing is normalised, and nothing but all four together finds anybody: there is no list, no part of a name and no
second hit. The hash is deleted when the citizen does not want it any more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final
from uuid import UUID

from mykey_core.identity.credentials import StoredCredential
from mykey_core.identity.errors import IdentityRefused
from mykey_core.identity.people import KnownPerson, People
from mykey_core.identity.references import Label, references
from mykey_core.identity.states import CredentialKind, CredentialStatus, Evidence, PersonState
from mykey_core.storage.session import Session

SEXES: Final = ("male", "female", "not-applicable", "not-known")
"""As `consent.attributes` words them."""
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class FourAttributes:
    """Name, address, day of birth and sex as the card says them; `attributes_form` for what cannot be that."""

    name: str = field(repr=False)
    address: str = field(repr=False)
    birth_date: date = field(repr=False)
    sex: str = field(repr=False)

    def __post_init__(self) -> None:
        texts = (self.name, self.address)
        if self.sex not in SEXES or any(not one.strip() or len(one) > _LONGEST or "\x00" in one for one in texts):
            raise IdentityRefused("attributes_form")

    @property
    def content(self) -> bytes:
        """What the hash is over."""
        parts = [self.name.strip(), self.address.strip(), self.birth_date.isoformat(), self.sex]
        return "\x00".join(parts).encode()


@dataclass(frozen=True, slots=True)
class AttributeSearch:
    """The search of one municipality, within the caller's transaction."""

    people: People

    def find(self, session: Session, wanted: FourAttributes, plugin: str) -> KnownPerson | None:
        """The one person who wants to be found by exactly these, as `plugin` knows them; or None."""
        stored = self.people.credentials.by_references(session, self._references(wanted))
        if stored is None or stored.status is not CredentialStatus.ACTIVE:
            return None
        subject = self.people.subject_of(session, stored.person_id, plugin)
        return KnownPerson(stored.person_id, PersonState.ACTIVE, stored.status, subject)

    def allow(self, session: Session, person: UUID, wanted: FourAttributes, at: datetime) -> StoredCredential:
        """From now on these find the person, and earlier ones do not.

        `attributes_taken` when they find another record: all four alike is most likely one human with two records.
        """
        known = self.people.credentials.by_references(session, self._references(wanted))
        if known is not None and known.person_id != person:
            raise IdentityRefused("attributes_taken")
        self.end(session, person)
        kind, reference = CredentialKind.FOUR_ATTRIBUTES, self._references(wanted)[0]
        return self.people.credentials.add_reference(session, person, kind, reference, Evidence.STAFF_COUNTER, at)

    def end(self, session: Session, person: UUID) -> bool:
        """Delete the hash; False when there was none."""
        stored = self.people.credentials.of_person(session, person)
        found = [one for one in stored if one.kind is CredentialKind.FOUR_ATTRIBUTES]
        for one in found:
            self.people.credentials.remove(session, one.id)
        return bool(found)

    def _references(self, wanted: FourAttributes) -> tuple[bytes, ...]:
        return references(self.people.keys, Label.SEARCH, wanted.content)
