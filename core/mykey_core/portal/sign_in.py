"""Signing in with the card: a nonce for one browser, the card's proof, and a new session in the same commit.

It is the hub's own service and no plugin's; the proof is checked as at a tap, with the strictest budget for revocation
data. Hand-overs are approved here as well, since they are approved with a card.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NoReturn, TypeVar
from uuid import UUID

from mykey_core.audit.records import append
from mykey_core.authentication.errors import TokenRefused
from mykey_core.authentication.verifier import VerifiedToken
from mykey_core.errors import Refusal
from mykey_core.hub import Hub
from mykey_core.identity.errors import IdentityRefused, RenewalUnavailable
from mykey_core.identity.people import KnownPerson
from mykey_core.identity.renewal import Renewals
from mykey_core.portal import audit_events  # noqa: F401 - registers what is appended here
from mykey_core.portal.challenges import Audience, Challenge, Challenges, HandOver
from mykey_core.portal.sessions import OpenedSession, SessionKind, Sessions, WebSession
from mykey_core.portal.staff import StaffMember, StaffRefused, StaffRegister
from mykey_core.remote.logout import sessions_ended
from mykey_core.storage.session import Session
from mykey_core.trust.revocation.budget import RiskClass
from mykey_core.trust.types import CheckResult

T = TypeVar("T")
SECTOR: Final = "portal"
"""The name under which the portal itself has pairwise ids; no plugin may be called so."""


class SignInRefused(Refusal):
    """Nobody is signed in; `checks` is the evidence so far.

    Codes: `sign_in_expired`, `hand_over_unknown`, `hand_over_refused`, `portal_not_registered`, `renewal_unavailable`,
    `renewal_unclear`, and those of `identity.states`.
    """

    def __init__(self, code: str, detail: str = "", *, checks: tuple[CheckResult, ...] = ()) -> None:
        super().__init__(code, detail)
        self.checks = checks


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody who has just signed in: the new session, and the member of staff where it is one."""

    opened: OpenedSession
    staff: StaffMember | None = None


class SignIns:
    """The sign-ins of one hub. Every refusal is in the audit log, and uses the nonce up."""

    def __init__(self, hub: Hub, sessions: Sessions) -> None:
        self._hub = hub
        self._sessions = sessions
        self._town = hub.settings.municipality
        self._challenges = Challenges(self._town)
        self._staff = StaffRegister(self._town)
        self._renewals = Renewals(hub.people, hub.settings.identity.open_notices())

    # -- with a card on this computer ---------------------------------------------------------------------

    def begin(self, browser: WebSession, audience: Audience) -> Challenge:
        """A nonce for the card, bound to this browser."""
        with self._hub.database.writing() as session:
            return self._challenges.issue(session, browser, audience, self._hub.clock())

    def prove(
        self, browser: WebSession, challenge_id: UUID, token: dict[str, Any], invitation: str | None = None
    ) -> SignedIn:
        """Check the proof and sign in; `TokenRefused`, `SignInRefused` or `StaffRefused` otherwise."""
        challenge, verified = self._verify(browser, challenge_id, token)
        if challenge.approves is not None or challenge.audience not in {Audience.CITIZEN, Audience.STAFF}:
            raise SignInRefused("sign_in_expired")

        def unit(session: Session) -> SignedIn:
            if challenge.audience is Audience.STAFF:
                return self._as_staff(session, browser, verified, invitation)
            return self._as_citizen(session, browser, verified)

        return self._decided(challenge, unit, verified)

    def verify_for(
        self, browser: WebSession, challenge_id: UUID, token: dict[str, Any], audience: Audience
    ) -> VerifiedToken:
        """Check a card's proof for something else than signing in; a nonce of another audience is used up in vain."""
        challenge, verified = self._verify(browser, challenge_id, token)
        if challenge.audience is not audience or challenge.approves is not None:
            raise SignInRefused("sign_in_expired")
        return verified

    # -- by another device --------------------------------------------------------------------------------

    def begin_hand_over(self, browser: WebSession) -> HandOver:
        """A code for another device with a card reader, bound to this browser."""
        with self._hub.database.writing() as session:
            return self._challenges.begin_hand_over(session, browser, self._hub.clock())

    def hand_over_of(self, browser: WebSession) -> Challenge | None:
        """The hand-over that this browser began, while it lasts."""
        with self._hub.database.reading() as session:
            return self._challenges.hand_over_of(session, browser, self._hub.clock())

    def begin_approval(self, approver: WebSession, code: str) -> tuple[Challenge, Challenge]:
        """(what is asked for, the nonce for the approver's card); `hand_over_unknown` when the code is not good."""
        now = self._hub.clock()
        with self._hub.database.writing() as session:
            asked = self._challenges.hand_over(session, code, now)
            if asked is None or asked.token_hash == approver.token_hash:
                raise SignInRefused("hand_over_unknown")
            return asked, self._challenges.issue(session, approver, Audience.CITIZEN, now, approves=asked.id)

    def approve(self, approver: WebSession, challenge_id: UUID, token: dict[str, Any]) -> None:
        """Let the other browser in as the holder of this card."""
        challenge, verified = self._verify(approver, challenge_id, token)

        def unit(session: Session) -> None:
            now = self._hub.clock()
            known, subject = self._person(session, verified, now)
            if challenge.approves is None or not self._challenges.decide(
                session, challenge.approves, known.person_id, now
            ):
                raise SignInRefused("hand_over_unknown", checks=verified.checks)
            append(session, self._town, now, "portal.handed_over", {"subject": subject, **evidence_of(verified)})

        self._decided(challenge, unit, verified)

    def refuse(self, approver: WebSession, challenge_id: UUID) -> None:
        """The person says that the digits differ, or that they have not asked for this."""
        now = self._hub.clock()
        with self._hub.database.writing() as session:
            challenge = self._challenges.take(session, approver, challenge_id, now)
            if challenge is not None and challenge.approves is not None:
                self._challenges.decide(session, challenge.approves, None, now)

    def finish_hand_over(self, browser: WebSession) -> SignedIn:
        """Sign the browser in that began the hand-over, once it is approved."""
        now = self._hub.clock()
        with self._hub.database.writing() as session:
            found = self._challenges.hand_over_of(session, browser, now)
            if found is None or found.state == "open":
                raise SignInRefused("hand_over_unknown")
            if found.person_id is None or found.state != "approved":
                raise SignInRefused("hand_over_refused")
            if not self._challenges.use_up(session, found):
                raise SignInRefused("hand_over_unknown")
            opened = self._sessions.open(
                session,
                SessionKind.CITIZEN,
                device=browser.device,
                person_id=found.person_id,
                method="hand-over",
                instead_of=browser,
            )
            subject = self.subject_of(session, found.person_id, now)
            append(session, self._town, now, "portal.signed_in", {"subject": subject, "method": "hand-over"})
            return SignedIn(opened)

    # -- signing out --------------------------------------------------------------------------------------

    def sign_out(self, browser: WebSession) -> None:
        """End this session."""
        with self._hub.database.writing() as session:
            self._sessions.end_one(session, browser, browser.id)
            sessions_ended(session, self._town, [browser.id], self._hub.clock())
            self._record_end(session, browser, "this", 1)

    def sign_out_one(self, browser: WebSession, session_id: UUID) -> bool:
        """End another session of the same person; False when there is none."""
        with self._hub.database.writing() as session:
            ended = self._sessions.end_one(session, browser, session_id)
            if ended:
                sessions_ended(session, self._town, [session_id], self._hub.clock())
                self._record_end(session, browser, "one", 1)
            return ended

    def sign_out_others(self, browser: WebSession) -> int:
        """End every session of the person but this one."""
        with self._hub.database.writing() as session:
            others = [one.id for one in self._sessions.of_holder(session, browser) if one.id != browser.id]
            ended = self._sessions.end_others(session, browser)
            sessions_ended(session, self._town, others, self._hub.clock())
            self._record_end(session, browser, "everywhere", ended)
            return ended

    def forget_old(self) -> int:
        """Delete sessions and sign-ins that are over."""
        with self._hub.database.writing() as session:
            return self._sessions.forget_old(session) + self._challenges.forget_old(session, self._hub.clock())

    def subject_of(self, session: Session, person_id: UUID, at: datetime) -> str:
        """The person's pairwise id for the portal itself, made when it is first needed."""
        known = self._hub.people.subject_of(session, person_id, SECTOR)
        if known is not None:
            return known
        return self._hub.people.subject_for(session, KnownPerson(person_id, "active", "active", None), SECTOR, at)

    # -- inside -------------------------------------------------------------------------------------------

    def _verify(
        self, browser: WebSession, challenge_id: UUID, token: dict[str, Any]
    ) -> tuple[Challenge, VerifiedToken]:
        now = self._hub.clock()
        with self._hub.database.writing() as session:
            challenge = self._challenges.take(session, browser, challenge_id, now)
        if challenge is None:
            raise SignInRefused("sign_in_expired")
        try:
            verified = self._hub.logins.authentication[RiskClass.HIGH].verify_members(token, challenge.nonce, now)
            self._follow_renewal(verified, now)
        except (TokenRefused, SignInRefused) as refusal:
            self._refuse(challenge.audience, refusal)
        return challenge, verified

    def _follow_renewal(self, verified: VerifiedToken, now: datetime) -> None:
        try:
            self._renewals.before_tap(self._hub.database, verified.certificate, now)
        except RenewalUnavailable as error:
            raise SignInRefused("renewal_unavailable", checks=verified.checks) from error
        except IdentityRefused as error:
            raise SignInRefused("renewal_unclear", error.code, checks=verified.checks) from error

    def _decided(self, challenge: Challenge, unit: Callable[[Session], T], verified: VerifiedToken) -> T:
        try:
            with self._hub.database.writing() as session:
                return unit(session)
        except SignInRefused as refusal:
            self._refuse(challenge.audience, refusal)
        except StaffRefused as refusal:
            self._refuse(challenge.audience, refusal, verified.checks)

    def _as_citizen(self, session: Session, browser: WebSession, verified: VerifiedToken) -> SignedIn:
        now = self._hub.clock()
        known, subject = self._person(session, verified, now)
        opened = self._sessions.open(
            session,
            SessionKind.CITIZEN,
            device=browser.device,
            person_id=known.person_id,
            method="card",
            instead_of=browser,
        )
        facts = {"subject": subject, "method": "card", **evidence_of(verified)}
        append(session, self._town, now, "portal.signed_in", facts)
        return SignedIn(opened)

    def _as_staff(
        self, session: Session, browser: WebSession, verified: VerifiedToken, invitation: str | None
    ) -> SignedIn:
        now = self._hub.clock()
        member = self._member(session, verified, invitation, now)
        opened = self._sessions.open(
            session,
            SessionKind.STAFF,
            device=browser.device,
            person_id=member.person_id,
            staff_name=member.name,
            method="card",
            instead_of=browser,
        )
        append(
            session, self._town, now, "staff.signed_in",
            {"actor": member.actor, "method": "card", **evidence_of(verified)},
        )  # fmt: skip
        return SignedIn(opened, member)

    def _member(self, session: Session, verified: VerifiedToken, invitation: str | None, now: datetime) -> StaffMember:
        known = self._hub.people.find(session, verified.certificate, SECTOR)
        if known is None and invitation:
            known = self._hub.people.enrol(session, verified.certificate, now, actor="staff:invited")
        if known is None:
            raise StaffRefused("staff_card_unknown")
        stopped = known.refusal(residents_only=False)
        if stopped is not None:
            raise SignInRefused(stopped, checks=verified.checks)
        member = (
            self._staff.accept(session, invitation, known.person_id, now)
            if invitation
            else self._staff.of_person(session, known.person_id)
        )
        if member is None:
            raise StaffRefused("staff_card_unknown")
        return member

    def _person(self, session: Session, verified: VerifiedToken, now: datetime) -> tuple[KnownPerson, str]:
        known = self._hub.people.find(session, verified.certificate, SECTOR)
        if known is None:
            raise SignInRefused("portal_not_registered", checks=verified.checks)
        stopped = known.refusal(residents_only=False)
        if stopped is not None:
            raise SignInRefused(stopped, checks=verified.checks)
        return known, self._hub.people.subject_for(session, known, SECTOR, now)

    def _record_end(self, session: Session, browser: WebSession, scope: str, ended: int) -> None:
        now = self._hub.clock()
        if browser.kind is SessionKind.CITIZEN and browser.person_id is not None:
            subject = self.subject_of(session, browser.person_id, now)
            facts: dict[str, Any] = {"subject": subject, "scope": scope, "sessions": ended}
            append(session, self._town, now, "portal.signed_out", facts)
        elif browser.kind is SessionKind.STAFF:
            facts = {"actor": f"staff:{browser.staff_name}", "scope": scope, "sessions": ended}
            append(session, self._town, now, "staff.signed_out", facts)

    def _refuse(
        self,
        audience: Audience,
        refusal: TokenRefused | SignInRefused | StaffRefused,
        checks: tuple[CheckResult, ...] | None = None,
    ) -> NoReturn:
        seen = getattr(refusal, "checks", ()) if checks is None else checks
        lines = [{"check": line.check.value, "passed": line.passed, "detail": line.detail} for line in seen]
        facts = {"code": refusal.code, "audience": audience.value, "checks": lines}
        with self._hub.database.writing() as session:
            append(session, self._town, self._hub.clock(), "portal.refused", facts)
        raise refusal


def evidence_of(verified: VerifiedToken) -> Mapping[str, Any]:
    """Why the hub accepted (authentication-hub V14), as the audit keeps it."""
    answer = verified.revocation
    return {
        "algorithm": verified.algorithm,
        "issuer": verified.certificate.issuer.label,
        "policy": verified.certificate.policy_oid,
        "revocation": {
            "source": answer.source,
            "mode": answer.mode.value,
            "this_update": answer.this_update.isoformat(),
        },
    }
