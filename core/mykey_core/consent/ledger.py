"""The consent ledger: a citizen's grants and withdrawals for a plugin's purpose, appended and never changed.

The newest entry counts. A grant counts for the wording that was read: the hash of the purpose text is part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from uuid_utils.compat import uuid7

from mykey_core.audit.records import append
from mykey_core.consent import audit_events  # noqa: F401 - registers what is appended here
from mykey_core.consent.errors import ConsentCode, ConsentDenied
from mykey_core.consent.tables import consent_entry
from mykey_core.plugins.manifest import Purpose
from mykey_core.storage.session import Session

GRANTED = "granted"
WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class ConsentEntry:
    """One line of the ledger. `text_hash` is the SHA-256 of the purpose as it was shown."""

    id: UUID
    person_id: UUID
    plugin: str
    purpose: str
    act: str
    attributes: Sequence[str]
    text_hash: bytes
    at: datetime
    expires_at: datetime | None
    actor: str

    def as_json(self) -> dict[str, Any]:
        """The line for the citizen's history."""
        return {
            "id": str(self.id),
            "plugin": self.plugin,
            "purpose": self.purpose,
            "act": self.act,
            "attributes": list(self.attributes),
            "text_sha256": self.text_hash.hex(),
            "at": self.at.isoformat(),
            "expires_at": self.expires_at and self.expires_at.isoformat(),
            "actor": self.actor,
        }


_columns = [getattr(consent_entry.c, name) for name in ConsentEntry.__slots__]


@dataclass(frozen=True, slots=True)
class ConsentLedger:
    """The ledger of one municipality."""

    municipality: str

    def grant(
        self, session: Session, person: UUID, plugin: str, purpose: Purpose, *, at: datetime, actor: str = "person"
    ) -> ConsentEntry:
        """The person agrees to the purpose as it reads now, for as long as it says."""
        expires_at = at + timedelta(days=purpose.consent_days)
        return self._append(session, person, plugin, purpose, (GRANTED, at, expires_at, actor))

    def withdraw(
        self, session: Session, person: UUID, plugin: str, purpose: Purpose, *, at: datetime, actor: str = "person"
    ) -> ConsentEntry:
        """The person withdraws; the plugin's next question is refused."""
        return self._append(session, person, plugin, purpose, (WITHDRAWN, at, None, actor))

    def check(self, session: Session, person: UUID, plugin: str, purpose: Purpose, at: datetime) -> ConsentEntry:
        """The grant that covers this purpose now, or `ConsentDenied` with the reason."""
        entry = self._newest(session, person, plugin, purpose.name)
        if entry is None:
            raise ConsentDenied(ConsentCode.MISSING)
        if entry.act != GRANTED:
            raise ConsentDenied(ConsentCode.WITHDRAWN)
        if entry.expires_at is not None and at >= entry.expires_at:
            raise ConsentDenied(ConsentCode.EXPIRED)
        if entry.text_hash != purpose.text_hash:
            raise ConsentDenied(ConsentCode.TEXT_CHANGED)
        return entry

    def history(self, session: Session, person: UUID) -> list[ConsentEntry]:
        """Everything that the person has agreed to and withdrawn, oldest first."""
        own = (consent_entry.c.municipality == self.municipality) & (consent_entry.c.person_id == person)
        rows = session.execute(select(*_columns).where(own).order_by(consent_entry.c.id))
        return [_entry(row) for row in rows]

    def _newest(self, session: Session, person: UUID, plugin: str, purpose: str) -> ConsentEntry | None:
        own = (consent_entry.c.municipality == self.municipality) & (consent_entry.c.person_id == person)
        about = (consent_entry.c.plugin == plugin) & (consent_entry.c.purpose == purpose)
        row = session.execute(select(*_columns).where(own, about).order_by(consent_entry.c.id.desc()).limit(1)).first()
        return None if row is None else _entry(row)

    def _append(
        self,
        session: Session,
        person: UUID,
        plugin: str,
        purpose: Purpose,
        what: tuple[str, datetime, datetime | None, str],
    ) -> ConsentEntry:
        act, at, expires_at, actor = what
        wanted = sorted(purpose.attributes)
        entry = ConsentEntry(
            uuid7(), person, plugin, purpose.name, act, wanted, purpose.text_hash, at, expires_at, actor
        )
        values = {name: getattr(entry, name) for name in ConsentEntry.__slots__}
        session.execute(insert(consent_entry).values(municipality=self.municipality, **values))
        facts = {"consent": str(entry.id), "plugin": plugin, "purpose": purpose.name, "actor": actor}
        append(session, self.municipality, at, f"consent.{act}", facts)
        return entry


def _entry(row: Any) -> ConsentEntry:
    values = dict(zip(ConsentEntry.__slots__, row, strict=True))
    return ConsentEntry(**{**values, "text_hash": bytes(values["text_hash"])})
