"""What the OpenID provider remembers: codes that are used once, access tokens that live minutes, and logins.

Only hashes of secrets are stored. A code that comes a second time takes back what it gave (RFC 6749 4.1.2). The
protocol itself is in `mykey_web.oidc`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from uuid_utils.compat import uuid7

from mykey_core.audit.events import CODE, SUBJECT, EventType, register
from mykey_core.audit.records import append
from mykey_core.hub import Hub
from mykey_core.identity.people import KnownPerson
from mykey_core.identity.states import PersonState
from mykey_core.portal.sessions import WebSession
from mykey_core.remote.tables import provider_code, provider_login, provider_token
from mykey_core.storage.session import Session
from mykey_core.storage.tables import person

CODE_LIFETIME: Final = timedelta(seconds=60)
TOKEN_LIFETIME: Final = timedelta(minutes=5)
_KEPT: Final = timedelta(minutes=10)
"""How long a used code is remembered, so that its second use is noticed: longer than what it gave lives."""
_REFUSED: Final = {PersonState.HELD, PersonState.DECEASED}
register(
    EventType("provider.signed_in", {"plugin": CODE, "subject": SUBJECT, "method": CODE}),
    EventType("provider.code_reused", {"plugin": CODE}),
)


def hashed(secret: str) -> bytes:
    """SHA-256 of a code or token."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def sid_of(session_id: UUID, client: str) -> str:
    """What one plugin calls a browser's session: another plugin has another name for it (22 characters)."""
    digest = hashlib.sha256(session_id.bytes + client.encode()).digest()[:16]
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class CodeRequest:
    """What a code stands for. `nonce` is the client's; `code_challenge` is S256."""

    redirect_uri: str
    scope: str
    nonce: str | None
    code_challenge: str


@dataclass(frozen=True, slots=True)
class Code:
    """A stored code."""

    hash: bytes
    grant_id: UUID
    client: str
    person_id: UUID
    session_id: UUID
    request: CodeRequest
    method: str
    auth_time: datetime
    used: bool


@dataclass(frozen=True, slots=True)
class Token:
    """An access token that is good now. `person_id` is None for one of the plugin itself."""

    client: str
    scope: frozenset[str]
    person_id: UUID | None
    grant_id: UUID | None


class Authorizations:
    """See the module; of one hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._town = hub.settings.municipality

    def subject_of(self, client: str, person_id: UUID) -> str | None:
        """The pairwise id by which the plugin knows the person; None when it does not."""
        with self._hub.database.reading() as session:
            return self._hub.people.subject_of(session, person_id, client)

    def link(self, session: Session, client: str, person_id: UUID) -> str:
        """The pairwise id, made now if need be."""
        known = self._hub.people.subject_of(session, person_id, client)
        if known is not None:
            return known
        nobody = KnownPerson(person_id, "active", "active", None)
        return self._hub.people.subject_for(session, nobody, client, self._hub.clock())

    def save_code(self, code: str, client: str, browser: WebSession, asked: CodeRequest) -> None:
        """Keep a code for a minute."""
        now = self._hub.clock()
        values = {
            "code_hash": hashed(code),
            "grant_id": uuid7(),
            "client": client,
            "person_id": browser.person_id,
            "session_id": browser.id,
            "redirect_uri": asked.redirect_uri,
            "scope": asked.scope,
            "nonce": asked.nonce,
            "code_challenge": asked.code_challenge,
            "method": browser.method or "card",
            "auth_time": browser.created_at,
            "expires_at": now + CODE_LIFETIME,
        }
        own = provider_code.c.municipality == self._town
        with self._hub.database.writing() as session:
            session.execute(delete(provider_code).where(own, provider_code.c.expires_at <= now - _KEPT))
            session.execute(insert(provider_code).values(municipality=self._town, **values))

    def find_code(self, code: str, client: str) -> Code | None:
        """The code, if it was given to this client and lives; one that was used takes back what it gave."""
        own = (provider_code.c.municipality == self._town) & (provider_code.c.code_hash == hashed(code))
        with self._hub.database.reading() as session:
            row = session.execute(select(provider_code).where(own)).first()
        if row is None or row.client != client:
            return None
        if row.used_at is not None:
            self._take_back(row.grant_id, client)
            return None
        return None if row.expires_at <= self._hub.clock() else _code(row)

    def use_code(self, code: Code, issuer: str) -> str | None:
        """Use it up and sign the person in at the plugin: the pairwise id; None when another was quicker."""
        now = self._hub.clock()
        own = (provider_code.c.municipality == self._town) & (provider_code.c.code_hash == code.hash)
        with self._hub.database.writing() as session:
            unused = update(provider_code).where(own, provider_code.c.used_at.is_(None)).values(used_at=now)
            first = session.execute(unused).rowcount == 1
            subject = self._hub.people.subject_of(session, code.person_id, code.client)
            if first and subject is not None and self._may_come_in(session, code.person_id):
                self._remember_login(session, code, subject, issuer, now)
                facts = {"plugin": code.client, "subject": subject, "method": code.method}
                append(session, self._town, now, "provider.signed_in", facts)
                return subject
        if not first:
            self._take_back(code.grant_id, code.client)
        return None

    def save_token(self, token: str, client: str, scope: str, code: Code | None) -> None:
        """Keep an access token for its five minutes."""
        now = self._hub.clock()
        values = {
            "token_hash": hashed(token),
            "client": client,
            "grant_id": code and code.grant_id,
            "person_id": code and code.person_id,
            "scope": scope,
            "expires_at": now + TOKEN_LIFETIME,
        }
        own = provider_token.c.municipality == self._town
        with self._hub.database.writing() as session:
            session.execute(delete(provider_token).where(own, provider_token.c.expires_at <= now))
            session.execute(insert(provider_token).values(municipality=self._town, **values))

    def token(self, token: str) -> Token | None:
        """The access token, if it is good now and its plugin is active."""
        own = (provider_token.c.municipality == self._town) & (provider_token.c.token_hash == hashed(token))
        with self._hub.database.reading() as session:
            row = session.execute(select(provider_token).where(own)).first()
            if row is None or row.expires_at <= self._hub.clock():
                return None
            if row.person_id is not None and not self._may_come_in(session, row.person_id):
                return None
        loaded = self._hub.plugins.plugins.get(row.client)
        if loaded is None or loaded.context.manifest.remote is None:
            return None
        return Token(row.client, frozenset(row.scope.split()), row.person_id, row.grant_id)

    def revoke(self, token: str, client: str) -> None:
        """End an access token of this client; another's stays."""
        own = (provider_token.c.municipality == self._town) & (provider_token.c.token_hash == hashed(token))
        with self._hub.database.writing() as session:
            session.execute(delete(provider_token).where(own, provider_token.c.client == client))

    def _may_come_in(self, session: Session, person_id: UUID) -> bool:
        own = (person.c.municipality == self._town) & (person.c.id == person_id)
        row = session.execute(select(person.c.state).where(own)).first()
        return row is not None and PersonState(row.state) not in _REFUSED

    def _remember_login(self, session: Session, code: Code, subject: str, issuer: str, now: datetime) -> None:
        table = provider_login.c
        this = (
            (table.municipality == self._town) & (table.session_id == code.session_id) & (table.client == code.client)
        )
        session.execute(delete(provider_login).where(this))
        values: Mapping[str, Any] = {
            "session_id": code.session_id,
            "client": code.client,
            "sid": sid_of(code.session_id, code.client),
            "subject": subject,
            "issuer": issuer,
            "created_at": now,
        }
        session.execute(insert(provider_login).values(municipality=self._town, **values))

    def _take_back(self, grant_id: UUID, client: str) -> None:
        """A code was shown twice: somebody has it who should not."""
        own = (provider_token.c.municipality == self._town) & (provider_token.c.grant_id == grant_id)
        with self._hub.database.writing() as session:
            session.execute(delete(provider_token).where(own))
            append(session, self._town, self._hub.clock(), "provider.code_reused", {"plugin": client})


def _code(row: Any) -> Code:
    asked = CodeRequest(row.redirect_uri, row.scope, row.nonce, row.code_challenge)
    used = row.used_at is not None
    return Code(
        bytes(row.code_hash), row.grant_id, row.client, row.person_id, row.session_id, asked, row.method,
        row.auth_time, used,
    )  # fmt: skip
