"""Telling plugins what becomes of a person whom they know: through the outbox, in the transaction of the act itself.

Each plugin gets its hook called soon after the commit (`plugins.runtime`), under its own pairwise id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select

from mykey_core.identity.states import EventKind
from mykey_core.outbox.events import emit
from mykey_core.storage.session import Session
from mykey_core.storage.tables import pairwise

LINKED: Final = "core.identity-linked"
REPLACED: Final = "core.identity-replaced"
ENDED: Final = "core.identity-ended"
CORE_SECTORS: Final[Mapping[str, tuple[str, ...]]] = {"portal": ()}
"""The core's own sectors, which have pairwise ids like a plugin, and the columns that hold them: none."""

# What a life event is to a plugin; the values are those of `plugins.arguments.IdentityReason`.
_TOLD: Final[Mapping[EventKind, tuple[str, str]]] = {
    EventKind.RENEWED: (REPLACED, "renewed"),
    EventKind.MOVED_OUT: (ENDED, "moved_out"),
    EventKind.WENT_ABROAD: (ENDED, "abroad"),
    EventKind.DIED: (ENDED, "deceased"),
}


def tell_linked(session: Session, municipality: str, plugin: str, person_id: UUID, at: datetime) -> None:
    """A plugin gets to know a person."""
    _tell(session, municipality, [plugin], person_id, (LINKED, "enrolled"), at)


def tell_rekeyed(
    session: Session, municipality: str, plugin: str, person_id: UUID, previous: str, at: datetime
) -> None:
    """A plugin knows a person by a new pairwise id in place of `previous`."""
    _tell(session, municipality, [plugin], person_id, (REPLACED, "rekeyed"), at, previous_subject=previous)


def tell_event(session: Session, municipality: str, person_id: UUID, kind: EventKind, at: datetime) -> None:
    """A life event, to every plugin that knows the person; nothing for a kind that is none of theirs."""
    told = _TOLD.get(kind)
    if told is None:
        return
    own = (pairwise.c.municipality == municipality) & (pairwise.c.person_id == person_id)
    plugins = session.execute(select(pairwise.c.plugin).where(own).order_by(pairwise.c.plugin)).scalars().all()
    _tell(session, municipality, plugins, person_id, told, at)


def _tell(
    session: Session,
    municipality: str,
    plugins: Iterable[str],
    person_id: UUID,
    told: tuple[str, str],
    at: datetime,
    **facts: str,
) -> None:
    kind, reason = told
    subscribers = [plugin for plugin in plugins if plugin not in CORE_SECTORS]
    if subscribers:
        whole = {"reason": reason, **facts}
        emit(session, municipality, at, kind, subscribers=subscribers, person_id=person_id, facts=whole)
