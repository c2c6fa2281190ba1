"""Messages of the town to one citizen, read in the portal; a plugin writes them in every language that it speaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, insert, select, update
from uuid_utils.compat import uuid7

from mykey_core.audit.records import append
from mykey_core.portal import audit_events  # noqa: F401 - registers what is appended here
from mykey_core.portal.tables import citizen_message
from mykey_core.storage.session import Session
from mykey_core.translations import DEFAULT_LANGUAGE

TOWN: Final = "town"
_NAMES: Final = ("id", "person_id", "sender", "content", "sent_at", "read_at")
_columns = [citizen_message.c[name] for name in _NAMES]


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `sender` is a plugin or `town`; `content` is language → {"title", "text"}."""

    id: UUID
    person_id: UUID
    sender: str
    content: Mapping[str, Mapping[str, str]]
    sent_at: datetime
    read_at: datetime | None

    def words(self, language: str) -> Mapping[str, str]:
        """Title and text in `language`, else in Japanese, else in any language."""
        fallback = next(iter(self.content.values()), {"title": "", "text": ""})
        return self.content.get(language) or self.content.get(DEFAULT_LANGUAGE) or fallback


@dataclass(frozen=True, slots=True)
class Messages:
    """The messages of one municipality; every method works within the caller's transaction."""

    municipality: str

    def send(
        self,
        session: Session,
        person_id: UUID,
        subject: str,
        content: Mapping[str, Mapping[str, str]],
        *,
        at: datetime,
        sender: str = TOWN,
    ) -> UUID:
        """Leave a message for a person, whose pairwise id for the sender is `subject`."""
        message_id: UUID = uuid7()
        values = {"id": message_id, "person_id": person_id, "sender": sender, "content": _plain(content)}
        session.execute(insert(citizen_message).values(municipality=self.municipality, sent_at=at, **values))
        append(session, self.municipality, at, "portal.message_sent", {"subject": subject, "sender": sender})
        return message_id

    def of_person(self, session: Session, person_id: UUID) -> list[Message]:
        """All messages of a person, the newest first."""
        own = (citizen_message.c.municipality == self.municipality) & (citizen_message.c.person_id == person_id)
        rows = session.execute(select(*_columns).where(own).order_by(citizen_message.c.id.desc()))
        return [Message(*tuple(row)) for row in rows]

    def unread(self, session: Session, person_id: UUID) -> int:
        """How many messages have not been read."""
        own = (citizen_message.c.municipality == self.municipality) & (citizen_message.c.person_id == person_id)
        found = select(func.count()).select_from(citizen_message).where(own, citizen_message.c.read_at.is_(None))
        return int(session.execute(found).scalar_one())

    def mark_read(self, session: Session, person_id: UUID, message_id: UUID, at: datetime) -> bool:
        """Note that the person has read a message; False when it is nobody's or another's."""
        own = (citizen_message.c.municipality == self.municipality) & (citizen_message.c.person_id == person_id)
        this = own & (citizen_message.c.id == message_id) & citizen_message.c.read_at.is_(None)
        return session.execute(update(citizen_message).where(this).values(read_at=at)).rowcount == 1


def _plain(content: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    return {language: {"title": words["title"], "text": words["text"]} for language, words in content.items()}
