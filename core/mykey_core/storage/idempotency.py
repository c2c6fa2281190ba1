"""Idempotency keys: a write that is sent again with its key is answered again and not done again.

The answer is stored in the commit of the act itself, so that no crash can part them. A key belongs to one caller and is
kept for a day; with another body it is refused. Refusals are not stored: they wrote nothing, and are decided anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from mykey_core.errors import Refusal
from mykey_core.storage.database import Database
from mykey_core.storage.prepared import Prepared
from mykey_core.storage.session import Session
from mykey_core.storage.tables import idempotency_key

KEPT = timedelta(hours=24)
MAXIMUM_LENGTH = 255
_row = (
    idempotency_key.c.municipality == bindparam("m"),
    idempotency_key.c.caller == bindparam("caller"),
    idempotency_key.c.key_hash == bindparam("key_hash"),
)
_find = Prepared(
    select(idempotency_key.c.request_hash, idempotency_key.c.answer).where(
        *_row, idempotency_key.c.expires_at > bindparam("now")
    )
)
_forget = Prepared(delete(idempotency_key).where(*_row, idempotency_key.c.expires_at <= bindparam("now")))
_insert = Prepared(insert(idempotency_key))
_answer = Prepared(update(idempotency_key).where(*_row).values(answer=bindparam("new_answer")))


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A key of one caller (a terminal's id), and what it was sent with; hashes only, 32 bytes each."""

    caller: UUID
    key_hash: bytes
    request_hash: bytes

    @classmethod
    def of(cls, caller: UUID, text: str, request: bytes) -> IdempotencyKey:
        """From the header's text and the request (method, path and body); `idempotency_key_invalid` for a bad text."""
        if not text or len(text) > MAXIMUM_LENGTH or not text.isascii() or not text.isprintable():
            raise Refusal("idempotency_key_invalid", "1 to 255 printable ASCII characters")
        return cls(caller, hashlib.sha256(text.encode()).digest(), hashlib.sha256(request).digest())


def find_answer(
    source: Database | Session, municipality: str, key: IdempotencyKey | None, now: datetime
) -> Mapping[str, Any] | None:
    """The answer that was given to this key; `idempotency_key_reused` when it was sent with another request."""
    if key is None:
        return None
    values = {"m": municipality, "caller": key.caller, "key_hash": key.key_hash, "now": now}
    row = source.look_up(_find, values) if isinstance(source, Database) else source.first(_find, values)
    if row is None:
        return None
    if row[0] != key.request_hash:
        raise Refusal("idempotency_key_reused")
    answer: Mapping[str, Any] = row[1]
    return answer


def claim(session: Session, municipality: str, key: IdempotencyKey | None, now: datetime) -> None:
    """Take the key at the beginning of the act's transaction; `idempotency_key_in_use` for the second of two.

    The second waits for the first, and is told to come again: it then finds the answer.
    """
    if key is None:
        return
    own = {"caller": key.caller, "key_hash": key.key_hash}
    session.run(_forget, {"m": municipality, "now": now, **own})
    values = {"municipality": municipality, "request_hash": key.request_hash, "answer": {}, "expires_at": now + KEPT}
    try:
        session.run(_insert, {**values, **own})
    except IntegrityError as error:
        raise Refusal("idempotency_key_in_use") from error


def keep_answer(session: Session, municipality: str, key: IdempotencyKey | None, answer: Mapping[str, Any]) -> None:
    """Store the answer to a claimed key, within the same transaction."""
    if key is not None:
        values = {"m": municipality, "caller": key.caller, "key_hash": key.key_hash, "new_answer": dict(answer)}
        session.later(_answer, values)
