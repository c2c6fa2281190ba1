"""The rows of sign-ins under way: nonces that a card is to sign, and hand-overs from one device to another.

Each row belongs to the session that began it. A nonce is deleted when it is looked up, so that a failed attempt uses
it up, too (authentication-hub §2.1); of several tabs the last nonce counts.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum, unique
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from uuid_utils.compat import uuid7

from mykey_core.authentication.nonce import new_nonce
from mykey_core.portal.sessions import WebSession
from mykey_core.portal.tables import sign_in
from mykey_core.storage.session import Session

NONCE_LIFETIME: Final = timedelta(minutes=5)
HAND_OVER_LIFETIME: Final = timedelta(minutes=3)
CODE_ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
CODE_LENGTH: Final = 12
"""60 bits for three minutes; looking one up is rate-limited as well."""
_COMPARISON_DIGITS: Final = 4
_NAMES: Final = (
    "id", "token_hash", "audience", "nonce", "code_hash", "comparison", "device", "approves", "state", "person_id",
    "created_at", "expires_at",
)  # fmt: skip
_columns = [sign_in.c[name] for name in _NAMES]


@unique
class Audience(StrEnum):
    """As what somebody signs in."""

    CITIZEN = "citizen"
    STAFF = "staff"
    COUNTER = "counter"  # nobody signs in: a citizen's card is shown to a clerk


@dataclass(frozen=True, slots=True)
class Challenge:
    """One sign-in under way. `comparison` is what both screens of a hand-over show."""

    id: UUID
    token_hash: bytes = field(repr=False)
    audience: Audience
    nonce: str | None
    code_hash: bytes | None = field(repr=False)
    comparison: str | None
    device: str
    approves: UUID | None
    state: str
    person_id: UUID | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class HandOver:
    """A hand-over as it is shown on the device that began it; `code` is known at this moment only."""

    code: str = field(repr=False)
    challenge: Challenge


def code_hash(code: str) -> bytes:
    """What the database knows of a hand-over's code; blanks, hyphens and small letters do not matter."""
    return hashlib.sha256("".join(code.upper().replace("-", " ").split()).encode("utf-8", "replace")).digest()


@dataclass(frozen=True, slots=True)
class Challenges:
    """The sign-ins under way of one municipality; every method works within the caller's transaction."""

    municipality: str

    def issue(
        self, session: Session, browser: WebSession, audience: Audience, now: datetime, approves: UUID | None = None
    ) -> Challenge:
        """A new nonce for a browser; its earlier ones end."""
        own = (sign_in.c.municipality == self.municipality) & (sign_in.c.token_hash == browser.token_hash)
        session.execute(delete(sign_in).where(own, sign_in.c.nonce.is_not(None)))
        return self._insert(session, browser, audience, now + NONCE_LIFETIME, now, nonce=new_nonce(), approves=approves)

    def take(self, session: Session, browser: WebSession, nonce_id: UUID, now: datetime) -> Challenge | None:
        """The challenge with this id, if it is this browser's and still good; it is used up in any case."""
        own = (sign_in.c.municipality == self.municipality) & (sign_in.c.id == nonce_id)
        mine = own & (sign_in.c.token_hash == browser.token_hash) & sign_in.c.nonce.is_not(None)
        row = session.execute(select(*_columns).where(mine)).first()
        if session.execute(delete(sign_in).where(mine)).rowcount != 1 or row is None:
            return None
        found = _challenge(row)
        return found if now < found.expires_at else None

    def begin_hand_over(self, session: Session, browser: WebSession, now: datetime) -> HandOver:
        """A code for another device, and the digits that both will show; earlier ones of this browser end."""
        own = (sign_in.c.municipality == self.municipality) & (sign_in.c.token_hash == browser.token_hash)
        session.execute(delete(sign_in).where(own, sign_in.c.code_hash.is_not(None)))
        code = "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))
        comparison = "".join(secrets.choice("0123456789") for _ in range(_COMPARISON_DIGITS))
        ends = now + HAND_OVER_LIFETIME
        made = self._insert(
            session, browser, Audience.CITIZEN, ends, now, code_hash=code_hash(code), comparison=comparison
        )
        return HandOver(code, made)

    def hand_over(self, session: Session, code: str, now: datetime) -> Challenge | None:
        """The open hand-over of a code, for the device that is to approve it."""
        return self._one(session, sign_in.c.code_hash == code_hash(code), now, "open")

    def hand_over_of(self, session: Session, browser: WebSession, now: datetime) -> Challenge | None:
        """The hand-over that this browser began, in any state, while it lasts."""
        own = (sign_in.c.municipality == self.municipality) & (sign_in.c.token_hash == browser.token_hash)
        row = session.execute(select(*_columns).where(own, sign_in.c.code_hash.is_not(None))).first()
        found = None if row is None else _challenge(row)
        return found if found is not None and now < found.expires_at else None

    def decide(self, session: Session, hand_over: UUID, person_id: UUID | None, now: datetime) -> bool:
        """Approve for a person, or refuse; False when it is over or decided already."""
        own = (sign_in.c.municipality == self.municipality) & (sign_in.c.id == hand_over)
        still = own & (sign_in.c.state == "open") & (sign_in.c.expires_at > now) & sign_in.c.code_hash.is_not(None)
        state = "refused" if person_id is None else "approved"
        return session.execute(update(sign_in).where(still).values(state=state, person_id=person_id)).rowcount == 1

    def use_up(self, session: Session, challenge: Challenge) -> bool:
        """End a hand-over; False for the second of two who try."""
        own = (sign_in.c.municipality == self.municipality) & (sign_in.c.id == challenge.id)
        return session.execute(delete(sign_in).where(own)).rowcount == 1

    def forget_old(self, session: Session, now: datetime) -> int:
        """Delete what has expired."""
        own = sign_in.c.municipality == self.municipality
        return int(session.execute(delete(sign_in).where(own, sign_in.c.expires_at <= now)).rowcount)

    def _one(self, session: Session, which: Any, now: datetime, state: str) -> Challenge | None:
        own = (sign_in.c.municipality == self.municipality) & (sign_in.c.state == state)
        row = session.execute(select(*_columns).where(own, which, sign_in.c.expires_at > now)).first()
        return None if row is None else _challenge(row)

    def _insert(
        self, session: Session, browser: WebSession, audience: Audience, ends: datetime, now: datetime, **more: Any
    ) -> Challenge:
        values: dict[str, Any] = dict.fromkeys(("nonce", "code_hash", "comparison", "approves", "person_id"))
        values |= {"id": uuid7(), "token_hash": browser.token_hash, "audience": audience.value, "state": "open"}
        values |= {"device": browser.device, "created_at": now, "expires_at": ends, **more}
        session.execute(insert(sign_in).values(municipality=self.municipality, **values))
        return _challenge([values[name] for name in _NAMES])


def _challenge(row: Any) -> Challenge:
    values = dict(zip(_NAMES, row, strict=True))
    stored = values["code_hash"]
    hashes = {"token_hash": bytes(values["token_hash"]), "code_hash": None if stored is None else bytes(stored)}
    return Challenge(**{**values, **hashes, "audience": Audience(values["audience"])})
