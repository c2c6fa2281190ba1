"""The rows of passkeys and of their challenges, within the caller's transaction. No rule of WebAuthn lives here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from uuid_utils.compat import uuid7
from webauthn.helpers.structs import CredentialDeviceType
from webauthn.registration.verify_registration_response import VerifiedRegistration

from mykey_core.counter.tables import passkey_challenge, staff_passkey
from mykey_core.storage.session import Session

_NAMES: Final = (
    "id", "staff_name", "title", "user_handle", "credential_id", "public_key", "sign_count", "backed_up",
    "created_at", "used_at",
)  # fmt: skip
_ASKED: Final = ("purpose", "challenge", "staff_name", "user_handle", "expires_at")
_columns = [staff_passkey.c[name] for name in _NAMES]


@dataclass(frozen=True, slots=True)
class StoredPasskey:
    """One passkey. `public_key` is COSE; `backed_up` means that it is copied to the owner's other devices."""

    id: UUID
    staff_name: str
    title: str
    user_handle: bytes = field(repr=False)
    credential_id: bytes = field(repr=False)
    public_key: bytes = field(repr=False)
    sign_count: int
    backed_up: bool
    created_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Asked:
    """One challenge under way, of one browser."""

    purpose: str
    challenge: bytes = field(repr=False)
    staff_name: str | None
    user_handle: bytes | None = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class PasskeyRows:
    """The rows of one municipality."""

    municipality: str

    def put(self, session: Session, token_hash: bytes, asked: Asked) -> None:
        """A new challenge of a browser; its earlier one ends."""
        self.take(session, token_hash)
        values = {name: getattr(asked, name) for name in _ASKED}
        session.execute(
            insert(passkey_challenge).values(municipality=self.municipality, token_hash=token_hash, **values)
        )

    def take(self, session: Session, token_hash: bytes) -> Asked | None:
        """The browser's challenge, which is used up by being looked at."""
        own = (passkey_challenge.c.municipality == self.municipality) & (passkey_challenge.c.token_hash == token_hash)
        row = session.execute(select(*(passkey_challenge.c[name] for name in _ASKED)).where(own)).first()
        if session.execute(delete(passkey_challenge).where(own)).rowcount != 1 or row is None:
            return None
        handle = None if row.user_handle is None else bytes(row.user_handle)
        return Asked(row.purpose, bytes(row.challenge), row.staff_name, handle, row.expires_at)

    def add(
        self, session: Session, asked: Asked, seen: VerifiedRegistration, title: str, at: datetime
    ) -> StoredPasskey:
        """Keep a new key; an `IntegrityError` when its id is known."""
        made = StoredPasskey(
            uuid7(),
            asked.staff_name or "",
            title,
            asked.user_handle or b"",
            seen.credential_id,
            seen.credential_public_key,
            seen.sign_count,
            seen.credential_device_type is CredentialDeviceType.MULTI_DEVICE and seen.credential_backed_up,
            at,
            None,
        )
        values = {name: getattr(made, name) for name in _NAMES}
        session.execute(insert(staff_passkey).values(municipality=self.municipality, **values))
        return made

    def by_credential(self, session: Session, credential_id: bytes) -> StoredPasskey | None:
        """The key with this id."""
        own = staff_passkey.c.municipality == self.municipality
        row = session.execute(select(*_columns).where(own, staff_passkey.c.credential_id == credential_id)).first()
        return None if row is None else _passkey(row)

    def of_member(self, session: Session, name: str) -> list[StoredPasskey]:
        """A member's keys, the oldest first."""
        own = (staff_passkey.c.municipality == self.municipality) & (staff_passkey.c.staff_name == name)
        return [_passkey(row) for row in session.execute(select(*_columns).where(own).order_by(staff_passkey.c.id))]

    def used(self, session: Session, stored: StoredPasskey, count: int, at: datetime) -> bool:
        """Note a use; False when the counter did not rise, which is how a copied key shows itself (WebAuthn §6.1.1).

        An authenticator without a counter always says 0.
        """
        kept = staff_passkey.c.sign_count
        rises = kept == 0 if count == 0 else kept < count
        own = (staff_passkey.c.municipality == self.municipality) & (staff_passkey.c.id == stored.id)
        values = {"sign_count": count, "used_at": at}
        return session.execute(update(staff_passkey).where(own, rises).values(**values)).rowcount == 1

    def remove(self, session: Session, name: str, passkey_id: UUID) -> bool:
        """Forget a key of this member."""
        own = (staff_passkey.c.municipality == self.municipality) & (staff_passkey.c.staff_name == name)
        return session.execute(delete(staff_passkey).where(own, staff_passkey.c.id == passkey_id)).rowcount == 1

    def remove_all(self, session: Session, name: str) -> int:
        """Forget every key of a member whose access has ended."""
        own = (staff_passkey.c.municipality == self.municipality) & (staff_passkey.c.staff_name == name)
        return int(session.execute(delete(staff_passkey).where(own)).rowcount)


def _passkey(row: Any) -> StoredPasskey:
    values = dict(zip(_NAMES, row, strict=True))
    binary = {name: bytes(values[name]) for name in ("user_handle", "credential_id", "public_key")}
    return StoredPasskey(**{**values, **binary})
