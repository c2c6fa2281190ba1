"""Sessions of browsers in the database: who is signed in, since when, by what, and how they are ended.

A session is known by a cookie of 256 random bits of which the database has the SHA-256 only. Whoever signs in gets a
new one, so that a cookie that was planted before is worth nothing after. HTTP is not here.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum, unique
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, or_, select, update
from uuid_utils.compat import uuid7

from mykey_core.clock import Clock
from mykey_core.portal.settings import SessionSettings
from mykey_core.portal.tables import web_session
from mykey_core.storage.database import Database
from mykey_core.storage.prepared import Prepared
from mykey_core.storage.session import Session

VISITOR_IDLE: Final = timedelta(minutes=15)
TOUCH_EVERY: Final = timedelta(seconds=60)
"""How exactly idleness is known: not every request writes."""
_TOKEN_BYTES: Final = 32
_NAMES: Final = (
    "token_hash", "id", "kind", "person_id", "staff_name", "method", "device", "created_at", "seen_at", "expires_at",
)  # fmt: skip
_columns = [web_session.c[name] for name in _NAMES]
_find = Prepared(
    select(*_columns).where(
        web_session.c.municipality == bindparam("m"), web_session.c.token_hash == bindparam("token_hash")
    )
)


@unique
class SessionKind(StrEnum):
    """Who is behind a session: somebody unknown, a citizen with a card, or staff."""

    VISITOR = "visitor"
    CITIZEN = "citizen"
    STAFF = "staff"


@dataclass(frozen=True, slots=True)
class WebSession:
    """One session as stored. `id` names it on pages and opens nothing; `device` is `browser/system` in codes."""

    token_hash: bytes = field(repr=False)
    id: UUID
    kind: SessionKind
    person_id: UUID | None
    staff_name: str | None
    method: str | None
    device: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A new session and its cookie, which is known at this moment only."""

    token: str = field(repr=False)
    session: WebSession


def token_hash(token: str) -> bytes:
    """What the database knows of a cookie (32 bytes)."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class Sessions:
    """The sessions of one municipality."""

    def __init__(self, database: Database, municipality: str, clock: Clock, settings: SessionSettings) -> None:
        self._database = database
        self._municipality = municipality
        self._clock = clock
        self._idle = {
            SessionKind.VISITOR: VISITOR_IDLE,
            SessionKind.CITIZEN: settings.citizen_idle,
            SessionKind.STAFF: settings.staff_idle,
        }
        self._whole = {
            SessionKind.VISITOR: timedelta(hours=1),
            SessionKind.CITIZEN: timedelta(hours=settings.citizen_hours),
            SessionKind.STAFF: timedelta(hours=settings.staff_hours),
        }

    def find(self, token: str) -> WebSession | None:
        """The running session of a cookie, or None; its idle time begins anew."""
        hashed = token_hash(token)
        row = self._database.look_up(_find, {"m": self._municipality, "token_hash": hashed})
        if row is None:
            return None
        found = _session(row)
        now = self._clock()
        if now >= min(found.expires_at, found.seen_at + self._idle[found.kind]):
            self.end(found)
            return None
        if now - found.seen_at >= TOUCH_EVERY:
            self._touch(found, now)
        return found

    def running(self, session_id: UUID) -> WebSession | None:
        """The running session of an id, which opens nothing by itself; its idle time goes on."""
        now = self._clock()
        own = (web_session.c.municipality == self._municipality) & (web_session.c.id == session_id)
        with self._database.reading() as session:
            row = session.execute(select(*_columns).where(own)).first()
        found = None if row is None else _session(row)
        if found is None or now >= min(found.expires_at, found.seen_at + self._idle[found.kind]):
            return None
        return found

    def open_visitor(self, device: str) -> OpenedSession:
        """A session of somebody unknown, for the forms of a sign-in."""
        with self._database.writing() as session:
            return self.open(session, SessionKind.VISITOR, device=device)

    def open(
        self,
        session: Session,
        kind: SessionKind,
        *,
        device: str,
        person_id: UUID | None = None,
        staff_name: str | None = None,
        method: str | None = None,
        instead_of: WebSession | None = None,
    ) -> OpenedSession:
        """A new session with a new cookie, within the caller's transaction; `instead_of` ends in the same moment."""
        now = self._clock()
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        made = WebSession(
            token_hash(token), uuid7(), kind, person_id, staff_name, method, device, now, now, now + self._whole[kind]
        )
        if instead_of is not None:
            self._delete(session, web_session.c.token_hash == instead_of.token_hash)
        values = {name: getattr(made, name) for name in _NAMES} | {"kind": kind.value}
        session.execute(insert(web_session).values(municipality=self._municipality, **values))
        return OpenedSession(token, made)

    def end(self, ended: WebSession) -> None:
        """Sign this browser out."""
        with self._database.writing() as session:
            self._delete(session, web_session.c.token_hash == ended.token_hash)

    def end_one(self, session: Session, of: WebSession, session_id: UUID) -> bool:
        """Sign another browser of the same person or member of staff out; False when there is no such session."""
        return bool(self._delete(session, self._same_holder(of), web_session.c.id == session_id))

    def end_others(self, session: Session, of: WebSession) -> int:
        """Sign out everywhere else; the number of sessions that ended."""
        return self._delete(session, self._same_holder(of), web_session.c.token_hash != of.token_hash)

    def end_all_of_person(self, session: Session, person_id: UUID) -> int:
        """Sign a person out everywhere, also as a member of staff whose card it is not any more."""
        return self._delete(session, web_session.c.person_id == person_id)

    def end_all_of_staff(self, session: Session, staff_name: str) -> int:
        """Sign a member of staff out everywhere."""
        return self._delete(session, web_session.c.staff_name == staff_name)

    def of_holder(self, session: Session, of: WebSession) -> Sequence[WebSession]:
        """The running sessions of the same person or member of staff, the newest first."""
        now = self._clock()
        own = web_session.c.municipality == self._municipality
        alive = (web_session.c.expires_at > now) & (web_session.c.seen_at > now - self._idle[of.kind])
        found = select(*_columns).where(own, self._same_holder(of), alive).order_by(web_session.c.id.desc())
        return [_session(row) for row in session.execute(found)]

    def forget_old(self, session: Session) -> int:
        """Delete sessions that are over."""
        now = self._clock()
        idle = [
            (web_session.c.kind == kind.value) & (web_session.c.seen_at <= now - length)
            for kind, length in self._idle.items()
        ]
        return self._delete(session, or_(web_session.c.expires_at <= now, *idle))

    def _same_holder(self, of: WebSession) -> Any:
        if of.kind is SessionKind.CITIZEN:
            return (web_session.c.kind == of.kind.value) & (web_session.c.person_id == of.person_id)
        if of.kind is SessionKind.STAFF:
            return (web_session.c.kind == of.kind.value) & (web_session.c.staff_name == of.staff_name)
        return web_session.c.token_hash == of.token_hash

    def _touch(self, found: WebSession, now: datetime) -> None:
        own = (web_session.c.municipality == self._municipality) & (web_session.c.token_hash == found.token_hash)
        with self._database.writing() as session:
            session.execute(update(web_session).where(own).values(seen_at=now))

    def _delete(self, session: Session, *which: Any) -> int:
        gone = delete(web_session).where(web_session.c.municipality == self._municipality, *which)
        return int(session.execute(gone).rowcount)


def _session(row: Any) -> WebSession:
    values = dict(zip(_NAMES, row, strict=True))
    return WebSession(**{**values, "token_hash": bytes(values["token_hash"]), "kind": SessionKind(values["kind"])})
