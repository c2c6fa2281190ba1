"""Passkeys of staff: made after a sign-in with the card or by an invitation, and signing in by them (WebAuthn L3).

The library `webauthn` checks what an authenticator says; here stand what it is asked, who may ask, and what is kept.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum, unique
from ipaddress import ip_address
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from mykey_core.audit.records import append
from mykey_core.counter import audit_events  # noqa: F401 - registers what is appended here
from mykey_core.counter.errors import PasskeyRefused
from mykey_core.counter.passkey_rows import Asked, PasskeyRows, StoredPasskey
from mykey_core.hub import Hub
from mykey_core.portal.sessions import SessionKind, Sessions, WebSession
from mykey_core.portal.sign_in import SignedIn
from mykey_core.portal.staff import StaffMember, StaffRefused, StaffRegister
from mykey_core.storage.session import Session

CHALLENGE_LIFETIME: Final = timedelta(minutes=5)
_CHALLENGE_BYTES: Final = 32
_HANDLE_BYTES: Final = 32
_TITLE: Final = 60
Json = dict[str, Any]
T = TypeVar("T")


@unique
class Ceremony(StrEnum):
    """What a challenge is for; one for the one is nothing for the other."""

    MAKE = "make"
    SIGN_IN = "sign-in"


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """The hub as authenticators know it: its host name, and the origin of its pages."""

    id: str
    origin: str

    @classmethod
    def of(cls, origin: str) -> RelyingParty:
        """From the hub's origin; `passkey_no_domain` for a numeric address, which WebAuthn does not allow."""
        host = urlsplit(origin).hostname or ""
        try:
            ip_address(host)
        except ValueError:
            return cls(host, origin)
        raise PasskeyRefused("passkey_no_domain")


class Passkeys:
    """The passkeys of one hub's staff. Every refusal of a sign-in is in the audit log and uses the challenge up."""

    def __init__(self, hub: Hub, sessions: Sessions) -> None:
        self._hub = hub
        self._sessions = sessions
        self._town = hub.settings.municipality
        self._rows = PasskeyRows(self._town)
        self._staff = StaffRegister(self._town)

    @property
    def possible(self) -> bool:
        """False where the hub has a numeric address."""
        try:
            RelyingParty.of(self._hub.settings.origin)
        except PasskeyRefused:
            return False
        return True

    # -- making -------------------------------------------------------------------------------------------

    def begin_for(self, browser: WebSession, member: StaffMember) -> Json:
        """Options for `navigator.credentials.create`, for a member who is signed in in this browser."""
        with self._hub.database.writing() as session:
            return self._options(session, browser, member)

    def begin_invited(self, browser: WebSession, invitation: str) -> Json:
        """The same for the member of an administrator's invitation, who has no card yet."""
        with self._hub.database.writing() as session:
            return self._options(session, browser, self._staff.invited(session, invitation, self._hub.clock()))

    def make(self, browser: WebSession, member: StaffMember, credential: Json, title: str) -> StoredPasskey:
        """Keep the key that the authenticator has made for a signed-in member."""
        with self._hub.database.writing() as session:
            asked = self._take(session, browser, Ceremony.MAKE)
        if asked is None or asked.staff_name != member.name:
            raise PasskeyRefused("passkey_expired")
        return self._kept(lambda session: self._store(session, asked, credential, title, member.actor))

    def make_invited(self, browser: WebSession, invitation: str, credential: Json, title: str) -> SignedIn:
        """Keep the key, use the invitation up, and sign in."""
        with self._hub.database.writing() as session:
            asked = self._take(session, browser, Ceremony.MAKE)
        if asked is None:
            raise PasskeyRefused("passkey_expired")

        def unit(session: Session) -> SignedIn:
            member = self._staff.accept_without_card(session, invitation, self._hub.clock())
            if member.name != asked.staff_name:
                raise PasskeyRefused("passkey_expired")
            self._store(session, asked, credential, title, member.actor)
            return self._open(session, browser, member)

        return self._kept(unit)

    def remove(self, member: StaffMember, passkey_id: UUID) -> None:
        """Forget one of the member's own keys; `passkey_unknown` otherwise."""
        with self._hub.database.writing() as session:
            if not self._rows.remove(session, member.name, passkey_id):
                raise PasskeyRefused("passkey_unknown")
            self._record(session, "passkey.removed", member.actor, passkey_id)

    def of_member(self, session: Session, name: str) -> list[StoredPasskey]:
        """A member's keys, the oldest first."""
        return self._rows.of_member(session, name)

    # -- signing in ---------------------------------------------------------------------------------------

    def begin(self, browser: WebSession) -> Json:
        """Options for `navigator.credentials.get`: whoever holds a key of this hub; nobody is named."""
        party = RelyingParty.of(self._hub.settings.origin)
        challenge = secrets.token_bytes(_CHALLENGE_BYTES)
        with self._hub.database.writing() as session:
            self._put(session, browser, Ceremony.SIGN_IN, challenge)
        options = generate_authentication_options(
            rp_id=party.id,
            challenge=challenge,
            timeout=int(CHALLENGE_LIFETIME.total_seconds() * 1000),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        found: Json = json.loads(options_to_json(options))
        return found

    def prove(self, browser: WebSession, credential: Json) -> SignedIn:
        """Check the authenticator's proof and sign in; `PasskeyRefused` or `StaffRefused` otherwise."""
        with self._hub.database.writing() as session:
            asked = self._take(session, browser, Ceremony.SIGN_IN)
        try:
            if asked is None:
                raise PasskeyRefused("passkey_expired")
            with self._hub.database.writing() as session:
                return self._signed_in(session, browser, asked, credential)
        except (PasskeyRefused, StaffRefused) as refusal:
            facts = {"code": refusal.code, "audience": "staff", "checks": []}
            with self._hub.database.writing() as session:
                append(session, self._town, self._hub.clock(), "portal.refused", facts)
            raise

    # -- inside -------------------------------------------------------------------------------------------

    def _options(self, session: Session, browser: WebSession, member: StaffMember) -> Json:
        party = RelyingParty.of(self._hub.settings.origin)
        own = self._rows.of_member(session, member.name)
        handle = own[0].user_handle if own else secrets.token_bytes(_HANDLE_BYTES)
        challenge = secrets.token_bytes(_CHALLENGE_BYTES)
        self._put(session, browser, Ceremony.MAKE, challenge, member.name, handle)
        options = generate_registration_options(
            rp_id=party.id,
            rp_name=self._hub.settings.municipality_title.get("ja", party.id),
            user_id=handle,
            user_name=member.name,
            user_display_name=member.title,
            challenge=challenge,
            timeout=int(CHALLENGE_LIFETIME.total_seconds() * 1000),
            attestation=AttestationConveyancePreference.NONE,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=one.credential_id) for one in own],
        )
        found: Json = json.loads(options_to_json(options))
        return found

    def _store(self, session: Session, asked: Asked, credential: Json, title: str, actor: str) -> StoredPasskey:
        party = RelyingParty.of(self._hub.settings.origin)
        try:
            seen = verify_registration_response(
                credential=credential,
                expected_challenge=asked.challenge,
                expected_rp_id=party.id,
                expected_origin=party.origin,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, KeyError, TypeError) as error:
            raise PasskeyRefused("passkey_refused", type(error).__name__) from error
        made = self._rows.add(session, asked, seen, title.strip()[:_TITLE] or "passkey", self._hub.clock())
        self._record(session, "passkey.added", actor, made.id)
        return made

    def _kept(self, unit: Callable[[Session], T]) -> T:
        """One commit; a key that somebody has registered already is refused and not taken over."""
        try:
            with self._hub.database.writing() as session:
                return unit(session)
        except IntegrityError as error:
            raise PasskeyRefused("passkey_exists") from error

    def _signed_in(self, session: Session, browser: WebSession, asked: Asked, credential: Json) -> SignedIn:
        stored = self._rows.by_credential(session, _credential_id(credential))
        if stored is None or not _is_owners(credential, stored):
            raise PasskeyRefused("passkey_unknown")
        count = self._verified(stored, asked, credential)
        if not self._rows.used(session, stored, count, self._hub.clock()):
            raise PasskeyRefused("passkey_counter")
        member = self._staff.get(session, stored.staff_name)
        if member is None or member.state != "active":
            raise PasskeyRefused("passkey_unknown")
        return self._open(session, browser, member)

    def _verified(self, stored: StoredPasskey, asked: Asked, credential: Json) -> int:
        """The authenticator's new counter. The counter is compared in `rows.used`, within the same statement."""
        party = RelyingParty.of(self._hub.settings.origin)
        try:
            seen = verify_authentication_response(
                credential=credential,
                expected_challenge=asked.challenge,
                expected_rp_id=party.id,
                expected_origin=party.origin,
                credential_public_key=stored.public_key,
                credential_current_sign_count=0,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, KeyError, TypeError) as error:
            raise PasskeyRefused("passkey_refused", type(error).__name__) from error
        return seen.new_sign_count

    def _open(self, session: Session, browser: WebSession, member: StaffMember) -> SignedIn:
        opened = self._sessions.open(
            session,
            SessionKind.STAFF,
            device=browser.device,
            person_id=member.person_id,
            staff_name=member.name,
            method="passkey",
            instead_of=browser,
        )
        facts = {"actor": member.actor, "method": "passkey"}
        append(session, self._town, self._hub.clock(), "staff.signed_in", facts)
        return SignedIn(opened, member)

    def _put(
        self,
        session: Session,
        browser: WebSession,
        ceremony: Ceremony,
        challenge: bytes,
        name: str | None = None,
        handle: bytes | None = None,
    ) -> None:
        ends = self._hub.clock() + CHALLENGE_LIFETIME
        self._rows.put(session, browser.token_hash, Asked(ceremony.value, challenge, name, handle, ends))

    def _take(self, session: Session, browser: WebSession, ceremony: Ceremony) -> Asked | None:
        asked = self._rows.take(session, browser.token_hash)
        good = asked is not None and asked.purpose == ceremony and self._hub.clock() < asked.expires_at
        return asked if good else None

    def _record(self, session: Session, event: str, actor: str, passkey_id: UUID) -> None:
        append(session, self._town, self._hub.clock(), event, {"actor": actor, "passkey": str(passkey_id)})


def _credential_id(credential: Mapping[str, Any]) -> bytes:
    return _bytes(credential.get("rawId"))


def _is_owners(credential: Mapping[str, Any], stored: StoredPasskey) -> bool:
    """A resident key names its user; the name must be the one that was given when it was made."""
    response = credential.get("response")
    return isinstance(response, dict) and secrets.compare_digest(_bytes(response.get("userHandle")), stored.user_handle)


def _bytes(text: object) -> bytes:
    try:
        return base64url_to_bytes(text) if isinstance(text, str) else b""
    except ValueError:
        return b""
