"""Marks of attributes: keyed hashes of name, birth date, sex and address as a certificate signed them.

They let the register see that two certificates speak of the same person without keeping what they say. Nothing is
normalised: a name that is written differently is another mark.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, select

from mykey_core.identity.references import Label, references
from mykey_core.identity.tables import attribute_mark
from mykey_core.keys.provider import KeyProvider, Purpose
from mykey_core.storage.session import Session
from mykey_core.trust.signatures.attributes import SignerAttributes


def marks_of(keys: KeyProvider, attributes: SignerAttributes) -> tuple[bytes, ...]:
    """The mark of these attributes in all key epochs, the newest first."""
    parts = (attributes.name.text, attributes.birth_date.coded, attributes.sex.value, attributes.address.text)
    return references(keys, Label.ATTRIBUTES, "\x00".join(parts).encode())


def add_mark(
    session: Session, municipality: str, keys: KeyProvider, person: UUID, attributes: SignerAttributes, at: datetime
) -> None:
    """Remember that this person's certificate once said this; once is enough."""
    if has_mark(session, municipality, keys, person, attributes):
        return
    values = {"municipality": municipality, "person_id": person, "mark": marks_of(keys, attributes)[0]}
    epoch = keys.epochs(Purpose.CREDENTIAL)[-1]
    session.execute(insert(attribute_mark).values(**values, key_epoch=epoch, created_at=at))


def has_mark(
    session: Session, municipality: str, keys: KeyProvider, person: UUID, attributes: SignerAttributes
) -> bool:
    """Whether a certificate of this person has said exactly this before."""
    own = (attribute_mark.c.municipality == municipality) & (attribute_mark.c.person_id == person)
    known = attribute_mark.c.mark.in_(marks_of(keys, attributes))
    return session.execute(select(attribute_mark.c.mark).where(own, known)).first() is not None
