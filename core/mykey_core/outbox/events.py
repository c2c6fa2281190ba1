"""Putting events into the outbox, within the transaction of the act that they tell of.

One row for each subscriber, so that a slow one keeps nobody else waiting. The row holds the core's person; a subscriber
only ever sees its own pairwise id, made at delivery.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from uuid_utils.compat import uuid7

from mykey_core.storage.prepared import Prepared
from mykey_core.storage.session import Session
from mykey_core.storage.tables import outbox

_insert = Prepared(insert(outbox))


def emit(
    session: Session,
    municipality: str,
    at: datetime,
    kind: str,
    *,
    subscribers: Iterable[str],
    person_id: UUID | None = None,
    facts: Mapping[str, Any] | None = None,
) -> UUID:
    """Tell `subscribers` (plugins) of an event once the transaction is committed; the event's id, a UUIDv7.

    `facts` hold no personal data; `person_id` is never handed on.
    """
    event_id: UUID = uuid7()
    own = {"municipality": municipality, "id": event_id, "kind": kind, "person_id": person_id}
    values = {**own, "facts": dict(facts or {}), "created_at": at, "attempts": 0, "due_at": at}
    for subscriber in subscribers:
        session.later(_insert, {**values, "subscriber": subscriber})
    return event_id
