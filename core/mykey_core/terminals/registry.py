"""The terminals of one municipality: enrolment by a one-time code, device keys and access tokens.

Codes and tokens are stored as SHA-256 only. HTTP and OAuth belong to the web layer.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from uuid_utils.compat import uuid7

from mykey_core.audit.records import append
from mykey_core.clock import Clock
from mykey_core.storage.database import Database
from mykey_core.storage.session import Session
from mykey_core.storage.tables import access_token, client_assertion, enrolment_code, service_point, terminal
from mykey_core.terminals.errors import ServicePointUnknown, TerminalRefused

CODE_LIFETIME = timedelta(hours=1)
TOKEN_LIFETIME = timedelta(minutes=5)
_TOKEN_CACHE_SECONDS = timedelta(seconds=2)  # a revoked terminal is shut out within this time
_CODE_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # without I, O, 0 and 1, which people confuse
_CODE_LENGTH = 16  # 80 bits


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


@dataclass(frozen=True, slots=True)
class Terminal:
    """An enrolled terminal: where it stands and which services it may ask for."""

    id: UUID
    municipality: str
    service_point: str
    title: Mapping[str, str]
    services: frozenset[str]
    public_key: Mapping[str, str]


class TerminalRegistry:
    """Enrols terminals and answers who is calling."""

    def __init__(self, database: Database, municipality: str, clock: Clock) -> None:
        self._database = database
        self._municipality = municipality
        self._clock = clock
        self._cache: dict[bytes, tuple[Terminal, datetime]] = {}
        self._cache_lock = threading.Lock()

    def define_service_point(
        self, name: str, title: Mapping[str, str], services: list[str], *, actor: str | None = None
    ) -> None:
        """Make a service point, or change what it offers; one that was closed is open again."""
        values = {"title": dict(title), "services": services, "closed_at": None}
        own = (service_point.c.municipality == self._municipality) & (service_point.c.name == name)
        with self._database.writing() as session:
            if session.execute(update(service_point).where(own).values(**values)).rowcount == 0:
                session.execute(insert(service_point).values(municipality=self._municipality, name=name, **values))
            facts = {"service_point": name, "services": sorted(services), "actor": actor}
            append(session, self._municipality, self._clock(), "terminal.point_defined", facts)

    def close_service_point(self, name: str, *, actor: str | None = None) -> int:
        """Close a service point: its codes end and its terminals are shut out; how many, is the answer.

        The name stays, because records speak of it. `ServicePointUnknown` when no open one has it.
        """
        town, now = self._municipality, self._clock()
        with self._database.writing() as session:
            self._require_point(session, name)
            point = (service_point.c.municipality == town, service_point.c.name == name)
            session.execute(update(service_point).where(*point).values(closed_at=now))
            codes = (enrolment_code.c.municipality == town, enrolment_code.c.service_point == name)
            # Before the terminals: an enrolment that has just used a code is waited for, and found then.
            session.execute(delete(enrolment_code).where(*codes, enrolment_code.c.terminal_id.is_(None)))
            own = (terminal.c.municipality == town, terminal.c.service_point == name, terminal.c.state == "active")
            ids = session.execute(update(terminal).where(*own).values(state="revoked").returning(terminal.c.id)).all()
            append(session, town, now, "terminal.point_closed", {"service_point": name, "actor": actor})
            for row in ids:
                append(session, town, now, "terminal.revoked", {"terminal": str(row.id), "actor": actor})
        with self._cache_lock:
            self._cache.clear()
        return len(ids)

    def new_code(self, point: str, *, actor: str | None = None) -> str:
        """A one-time enrolment code for a service point, valid for an hour; only its hash is stored.

        `ServicePointUnknown` when no open service point has the name; it names those that there are.
        """
        code = "".join(secrets.choice(_CODE_ALPHABET) for _ in range(_CODE_LENGTH))
        now = self._clock()
        with self._database.writing() as session:
            self._require_point(session, point)
            session.execute(
                insert(enrolment_code).values(
                    municipality=self._municipality,
                    code_hash=_hash(code),
                    service_point=point,
                    expires_at=now + CODE_LIFETIME,
                )
            )
            append(session, self._municipality, now, "terminal.code_made", {"service_point": point, "actor": actor})
        return code

    def _require_point(self, session: Session, point: str) -> None:
        """It is open, and stays so until the transaction ends."""
        own = (service_point.c.municipality == self._municipality, service_point.c.closed_at.is_(None))
        names = select(service_point.c.name).where(*own).order_by(service_point.c.name)
        # Without the key, which an enrolment at the same moment holds: they would wait for each other.
        held = names.where(service_point.c.name == point).with_for_update(key_share=True)
        if session.execute(held).scalar() is None:
            raise ServicePointUnknown(point, session.execute(names).scalars().all())

    def enrol(self, code: str, public_key: Mapping[str, str], name: str, version: str) -> Terminal:
        """Use up `code` and register the device key (JWK, OKP/Ed25519, public part only).

        A terminal that lost the answer may send the same code and the same key again: it gets the same enrolment.
        """
        key = _checked_key(public_key)
        now = self._clock()
        terminal_id: UUID = uuid7()
        with self._database.writing() as session:
            repeated = self._enrolled_before(session, code, key, now)
            if repeated is not None:
                return repeated
            point = self._use_code(session, code, terminal_id, now)
            session.execute(
                insert(terminal).values(
                    municipality=self._municipality,
                    id=terminal_id,
                    service_point=point,
                    name=name,
                    version=version,
                    public_key=key,
                    state="active",
                    enrolled_at=now,
                )
            )
            facts = {"terminal": str(terminal_id), "service_point": point}
            append(session, self._municipality, now, "terminal.enrolled", facts)
        enrolled = self.get(terminal_id)
        if enrolled is None:
            raise TerminalRefused("terminal_unauthorized", "revoked while it was being enrolled")
        return enrolled

    def _enrolled_before(self, session: Session, code: str, key: dict[str, str], now: datetime) -> Terminal | None:
        terminal_id = session.execute(
            select(enrolment_code.c.terminal_id).where(
                enrolment_code.c.municipality == self._municipality,
                enrolment_code.c.code_hash == _hash(code.strip().upper()),
                enrolment_code.c.expires_at > now,
            )
        ).scalar()
        enrolled = self._read(session, terminal_id) if terminal_id else None
        return enrolled if enrolled is not None and enrolled.public_key == key else None

    def _use_code(self, session: Session, code: str, terminal_id: UUID, now: datetime) -> str:
        used = session.execute(
            update(enrolment_code)
            .where(
                enrolment_code.c.municipality == self._municipality,
                enrolment_code.c.code_hash == _hash(code.strip().upper()),
                enrolment_code.c.terminal_id.is_(None),
                enrolment_code.c.expires_at > now,
            )
            .values(terminal_id=terminal_id)
            .returning(enrolment_code.c.service_point)
        ).scalar()
        if used is None:
            raise TerminalRefused("enrolment_code_invalid")
        return str(used)

    def get(self, terminal_id: UUID, *, revoked_too: bool = False) -> Terminal | None:
        """The active terminal of this id, or None; with `revoked_too` also one that was shut out."""
        with self._database.reading() as session:
            return self._read(session, terminal_id, ("active", "revoked") if revoked_too else ("active",))

    def _read(self, session: Session, terminal_id: UUID, states: tuple[str, ...] = ("active",)) -> Terminal | None:
        row = session.execute(
            select(terminal.c.public_key, service_point.c.name, service_point.c.title, service_point.c.services)
            .join(
                service_point,
                (service_point.c.municipality == terminal.c.municipality)
                & (service_point.c.name == terminal.c.service_point),
            )
            .where(
                terminal.c.municipality == self._municipality,
                terminal.c.id == terminal_id,
                terminal.c.state.in_(states),
            )
        ).first()
        if row is None:
            return None
        return Terminal(terminal_id, self._municipality, row.name, row.title, frozenset(row.services), row.public_key)

    def revoke(self, terminal_id: UUID, *, actor: str | None = None) -> None:
        """Shut a lost terminal out: its tokens end at once, in every process within two seconds."""
        own = (terminal.c.municipality == self._municipality) & (terminal.c.id == terminal_id)
        with self._database.writing() as session:
            session.execute(update(terminal).where(own).values(state="revoked"))
            facts = {"terminal": str(terminal_id), "actor": actor}
            append(session, self._municipality, self._clock(), "terminal.revoked", facts)
        with self._cache_lock:
            self._cache.clear()

    def remember_assertion(self, jti: str) -> bool:
        """True the first time this client assertion is seen; forgets those that can no longer be used."""
        now = self._clock()
        own = client_assertion.c.municipality == self._municipality
        try:
            with self._database.writing() as session:
                session.execute(delete(client_assertion).where(own, client_assertion.c.expires_at <= now))
                session.execute(
                    insert(client_assertion).values(
                        municipality=self._municipality, jti_hash=_hash(jti), expires_at=now + TOKEN_LIFETIME
                    )
                )
        except IntegrityError:
            return False
        return True

    def save_token(self, token: str, terminal_id: UUID) -> None:
        """Keep the hash of an access token for its five minutes; forgets those that have ended.

        That a terminal asked counts as news of it: one write in five minutes, none for a tap.
        """
        now = self._clock()
        own = access_token.c.municipality == self._municipality
        with self._database.writing() as session:
            session.execute(delete(access_token).where(own, access_token.c.expires_at <= now))
            session.execute(
                insert(access_token).values(
                    municipality=self._municipality,
                    token_hash=_hash(token),
                    terminal_id=terminal_id,
                    expires_at=now + TOKEN_LIFETIME,
                )
            )
            caller = (terminal.c.municipality == self._municipality, terminal.c.id == terminal_id)
            session.execute(update(terminal).where(*caller).values(token_at=now))

    def authenticate(self, token: str) -> Terminal:
        """The terminal that an access token belongs to; `terminal_unauthorized` otherwise."""
        token_hash = _hash(token)
        now = self._clock()
        cached = self._cache.get(token_hash)
        if cached is not None and now < cached[1]:
            return cached[0]
        found, expires_at = self._look_up(token_hash, now)
        with self._cache_lock:
            if len(self._cache) > 10_000:  # noqa: PLR2004 - a bound on memory, far above a town's terminals
                self._cache.clear()
            self._cache[token_hash] = (found, min(expires_at, now + _TOKEN_CACHE_SECONDS))
        return found

    def _look_up(self, token_hash: bytes, now: datetime) -> tuple[Terminal, datetime]:
        with self._database.reading() as session:
            row = session.execute(
                select(access_token.c.terminal_id, access_token.c.expires_at).where(
                    access_token.c.municipality == self._municipality,
                    access_token.c.token_hash == token_hash,
                    access_token.c.expires_at > now,
                )
            ).first()
            found = None if row is None else self._read(session, row.terminal_id)
        if row is None or found is None:
            raise TerminalRefused("terminal_unauthorized")
        return found, row.expires_at


def _checked_key(public_key: Mapping[str, Any]) -> dict[str, str]:
    try:
        key = OKPKey.import_key(dict(public_key))
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise TerminalRefused("public_key_invalid", "the device key is a public Ed25519 JWK") from error
    if key.curve_name != "Ed25519" or key.is_private:
        raise TerminalRefused("public_key_invalid", "the device key is a public Ed25519 JWK")
    public = key.as_dict(private=False)
    return {name: str(public[name]) for name in ("kty", "crv", "x")}
