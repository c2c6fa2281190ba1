"""The clerk's desk: finding a record, seeing it, and acting on it, each step with its audit record in the same commit.

A record is found by the card that lies on the reader, or by what the town grants the counter to search by: a MyKey ID,
or all four attributes of a citizen who wanted to be found by them. Nothing here could answer a search by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from mykey_core.audit.records import append
from mykey_core.counter import audit_events  # noqa: F401 - registers what is appended here
from mykey_core.counter.acts import DATED, DOCUMENTS, ENDS_SESSIONS, EVENTS, GROUNDS, Act
from mykey_core.counter.approvals import Approval, Approvals
from mykey_core.counter.cases import Case, Cases, check_purpose
from mykey_core.counter.errors import CounterRefused
from mykey_core.counter.settings import CounterSettings
from mykey_core.hub import Hub
from mykey_core.identity.credentials import StoredCredential
from mykey_core.identity.enrolment import Enrolment
from mykey_core.identity.events import LifeEvent
from mykey_core.identity.life import Happening, LifeRegister
from mykey_core.identity.people import KnownPerson
from mykey_core.identity.references import credential_references
from mykey_core.identity.renewal import Renewals
from mykey_core.identity.search import AttributeSearch, FourAttributes
from mykey_core.identity.states import CredentialKind, CredentialStatus, EventKind, PersonState
from mykey_core.plugins.json_values import Json
from mykey_core.portal.account import Account, ServiceLink
from mykey_core.portal.challenges import Audience, Challenge
from mykey_core.portal.messages import Messages
from mykey_core.portal.rates import Rates
from mykey_core.portal.sessions import Sessions, WebSession
from mykey_core.portal.sign_in import SECTOR, SignIns
from mykey_core.portal.staff import StaffMember
from mykey_core.storage.act import aside
from mykey_core.storage.session import Session
from mykey_core.storage.tables import person
from mykey_core.trust.types import ValidatedCertificate


@dataclass(frozen=True, slots=True)
class Record:
    """What a clerk sees of a person: states, dates and services, and no attribute."""

    state: PersonState
    credentials: list[StoredCredential]
    services: list[ServiceLink]
    events: list[LifeEvent]
    approvals: list[Approval]


@dataclass(frozen=True, slots=True)
class Clerk:
    """Who acts: the member of staff and their browser."""

    member: StaffMember
    browser: WebSession


class Desk:
    """The desk of one hub. Methods that write are one commit each."""

    def __init__(self, hub: Hub, sessions: Sessions, sign_ins: SignIns, rates: Rates) -> None:
        self._hub = hub
        self._sessions = sessions
        self._sign_ins = sign_ins
        self._rates = rates
        self._town = hub.settings.municipality
        self.limits: CounterSettings = hub.settings.counter
        self.cases = Cases(self._town, timedelta(minutes=self.limits.case_minutes))
        self.approvals = Approvals(self._town, timedelta(hours=self.limits.approval_hours))
        self._life = LifeRegister(hub.people)

    # -- finding ------------------------------------------------------------------------------------------

    def begin_tap(self, clerk: Clerk) -> Challenge:
        """A nonce for the citizen's card. What it proves is good at this desk only, and signs nobody in."""
        return self._sign_ins.begin(clerk.browser, Audience.COUNTER)

    def by_card(self, clerk: Clerk, challenge_id: UUID, token: dict[str, Any], purpose: str) -> Case:
        """Open the record of the card's holder; a case without a person when the card is unknown here."""
        check_purpose(purpose)
        self._count(clerk)
        certificate = self._tapped(clerk, challenge_id, token)
        with self._hub.database.writing() as session:
            known = self._hub.people.find(session, certificate, SECTOR)
            return self._found(session, clerk, known, purpose, "card")

    def by_mykey_id(self, clerk: Clerk, mykey_id: str, purpose: str) -> Case:
        """The same by the MyKey ID that the citizen names; `counter_search_not_granted` where the town does not."""
        check_purpose(purpose)
        self._check_granted(granted=self.limits.search_by_mykey_id)
        self._count(clerk)
        with self._hub.database.writing() as session:
            known = self._hub.people.find_mykey_id(session, mykey_id.strip().upper(), SECTOR)
            return self._found(session, clerk, known, purpose, "mykey-id")

    def by_attributes(self, clerk: Clerk, wanted: FourAttributes, purpose: str) -> Case:
        """The same by all four attributes of somebody who allowed it; `counter_search_not_granted` as above."""
        check_purpose(purpose)
        self._check_granted(granted=self.limits.search_by_attributes)
        self._count(clerk)
        with self._hub.database.writing() as session:
            known = AttributeSearch(self._hub.people).find(session, wanted, SECTOR)
            return self._found(session, clerk, known, purpose, CredentialKind.FOUR_ATTRIBUTES.value)

    def enrol(self, clerk: Clerk, challenge_id: UUID, token: dict[str, Any], document: str) -> Case:
        """Make a record for the holder of an unknown card, whose identity the clerk has checked."""
        _check_document(document)
        certificate = self._tapped(clerk, challenge_id, token)
        now = self._hub.clock()
        with self._hub.database.writing() as session:
            if self._hub.people.find(session, certificate, SECTOR) is not None:
                raise CounterRefused("counter_card_known")
            known = self._hub.people.enrol(session, certificate, now, actor=clerk.member.actor)
            subject = self._hub.people.subject_for(session, known, SECTOR, now)
            self._write(session, "counter.identity_checked", clerk, subject, document=document)
            return self.cases.open(session, clerk.browser, known.person_id, "enrolment", "enrolment", now)

    def case(self, session: Session, clerk: Clerk, case_id: UUID) -> Case:
        """The clerk's open case."""
        return self.cases.get(session, clerk.browser, case_id, self._hub.clock())

    def close(self, clerk: Clerk, case_id: UUID) -> None:
        """Close a case."""
        with self._hub.database.writing() as session:
            self.cases.close(session, self.case(session, clerk, case_id), self._hub.clock())

    def record(self, session: Session, case: Case) -> Record:
        """What the hub knows of the person of a case."""
        account = Account(self._hub, self._sign_ins, case.person)
        return Record(
            self._state(session, case.person),
            account.credentials(session),
            account.services(session),
            self._life.history(session, case.person),
            self.approvals.of_person(session, case.person),
        )

    # -- what one clerk does alone ------------------------------------------------------------------------

    def report_lost(self, clerk: Clerk, case_id: UUID) -> None:
        """Hold the person's cards at once, and sign them out everywhere: a loss must not wait for anybody."""
        now = self._hub.clock()
        with self._hub.database.writing() as session:
            case = self.case(session, clerk, case_id)
            self._life.record(session, case.person, Happening(EventKind.CARD_LOST, now, clerk.member.actor))
            self._sessions.end_all_of_person(session, case.person)

    def sign_out_everywhere(self, clerk: Clerk, case_id: UUID) -> int:
        """End the person's sessions; how many there were."""
        with self._hub.database.writing() as session:
            case = self.case(session, clerk, case_id)
            self._write(session, "counter.signed_out", clerk, self._subject(session, case.person))
            return self._sessions.end_all_of_person(session, case.person)

    def link_mykey_id(self, clerk: Clerk, case_id: UUID, mykey_id: str) -> None:
        """Give the person a MyKey ID as a second way to be found."""
        now, wanted = self._hub.clock(), mykey_id.strip().upper()
        with self._hub.database.writing() as session:
            case = self.case(session, clerk, case_id)
            Enrolment(self._hub.people).add_mykey_id(session, case.person, wanted, at=now, actor=clerk.member.actor)

    def allow_search(self, clerk: Clerk, case_id: UUID, wanted: FourAttributes) -> None:
        """Have the person found by these from now on; `counter_card_needed` unless their card opened the record."""
        self._check_granted(granted=self.limits.search_by_attributes)
        with self._hub.database.writing() as session:
            case = self.case(session, clerk, case_id)
            if case.found_by not in {"card", "enrolment"}:
                raise CounterRefused("counter_card_needed")
            AttributeSearch(self._hub.people).allow(session, case.person, wanted, self._hub.clock())
            self._write(session, "counter.search_allowed", clerk, self._subject(session, case.person))

    def end_search(self, clerk: Clerk, case_id: UUID) -> None:
        """Have nobody find the person by attributes any more."""
        with self._hub.database.writing() as session:
            case = self.case(session, clerk, case_id)
            if AttributeSearch(self._hub.people).end(session, case.person):
                self._write(session, "counter.search_ended", clerk, self._subject(session, case.person))

    def send(self, clerk: Clerk, case_id: UUID, content: Mapping[str, Mapping[str, str]]) -> None:
        """Leave a message of the town for the person; `counter_message_empty` without title or text."""
        if not content or any(not words.get(part, "").strip() for words in content.values() for part in _PARTS):
            raise CounterRefused("counter_message_empty")
        now = self._hub.clock()
        with self._hub.database.writing() as session:
            case = self.case(session, clerk, case_id)
            subject = self._subject(session, case.person)
            Messages(self._town).send(session, case.person, subject, content, at=now)

    # -- what needs a second person -----------------------------------------------------------------------

    def ask(
        self, clerk: Clerk, case_id: UUID, act: Act, *, ground: str, on: str = "", event: UUID | None = None
    ) -> Approval:
        """Ask for an act; `on` is the civil date (ISO 8601) of what happened, `event` what is to be taken back.

        `ground`, one of `acts.GROUNDS`, is what the second person judges by; `counter_ground_unknown` otherwise.
        """
        if act is Act.RENEWAL:
            raise CounterRefused("approval_unknown", "a renewal is asked for with the new card")
        if ground not in GROUNDS[act]:
            raise CounterRefused("counter_ground_unknown")
        arguments: dict[str, Json] = {"ground": ground}
        if act in DATED:
            arguments["on"] = _day(on).isoformat()
        if act is Act.REVERSAL:
            arguments["event"] = str(event)
        return self._ask(clerk, case_id, act, arguments)

    def ask_renewal(
        self, clerk: Clerk, case_id: UUID, challenge_id: UUID, token: dict[str, Any], document: str
    ) -> Approval:
        """Ask to link the new card on the reader to the person; only this card can complete it."""
        _check_document(document)
        certificate = self._tapped(clerk, challenge_id, token)
        reference = credential_references(self._hub.people.keys, certificate)[0]
        with self._hub.database.reading() as session:
            self.case(session, clerk, case_id)
            if self._hub.people.find(session, certificate, SECTOR) is not None:
                raise CounterRefused("counter_card_known")
        return self._ask(clerk, case_id, Act.RENEWAL, {"document": document}, reference)

    def decide(self, member: StaffMember, approval_id: UUID, *, agree: bool) -> Approval:
        """Approve, which carries the act out in the same commit, or decline."""
        now = self._hub.clock()
        with self._hub.database.writing() as session:
            wanted = self.approvals.get(session, approval_id)
            self.approvals.decide(session, wanted, member, agree=agree, at=now)
            facts = {"approval": str(wanted.id), "act": wanted.act.value, "actor": member.actor}
            facts |= {
                "subject": self._subject(session, wanted.person_id),
                "requested_by": f"staff:{wanted.requested_by}",
            }
            append(session, self._town, now, "counter.approved" if agree else "counter.declined", facts)
            if agree and wanted.card_reference is None:
                self._carry_out(session, wanted, member, now)
            return self.approvals.get(session, approval_id)

    def complete_renewal(self, clerk: Clerk, approval_id: UUID, challenge_id: UUID, token: dict[str, Any]) -> None:
        """Link the new card that was approved, which lies on the reader again; `approval_other_card` otherwise."""
        certificate = self._tapped(clerk, challenge_id, token)
        now = self._hub.clock()
        with self._hub.database.writing() as session:
            wanted = self.approvals.get(session, approval_id)
            if wanted.card_reference not in credential_references(self._hub.people.keys, certificate):
                raise CounterRefused("approval_other_card")
            self.approvals.complete(session, wanted, now)
            old = self._newest_card(session, wanted.person_id)
            actor = f"staff:{wanted.requested_by}"
            Renewals(self._hub.people).by_staff(
                session, old.id, certificate, at=now, actor=actor, approved_by=f"staff:{wanted.decided_by}"
            )
            subject = self._subject(session, wanted.person_id)
            document = str(wanted.arguments.get("document"))
            self._write(session, "counter.identity_checked", clerk, subject, document=document)

    # -- inside -------------------------------------------------------------------------------------------

    def _check_granted(self, *, granted: bool) -> None:
        if not granted:
            raise CounterRefused("counter_search_not_granted")

    def _count(self, clerk: Clerk) -> None:
        self._rates.hit(f"{self.limits.look_ups_per_hour}/hour", "look-up", clerk.member.name)
        self._rates.hit(f"{self.limits.look_ups_per_day}/day", "look-up", clerk.member.name)

    def _tapped(self, clerk: Clerk, challenge_id: UUID, token: dict[str, Any]) -> ValidatedCertificate:
        with aside():  # that the nonce is used up is not yet what the clerk asked for
            return self._sign_ins.verify_for(clerk.browser, challenge_id, token, Audience.COUNTER).certificate

    def _found(self, session: Session, clerk: Clerk, known: KnownPerson | None, purpose: str, found_by: str) -> Case:
        now = self._hub.clock()
        if known is None:
            facts = {"actor": clerk.member.actor, "purpose": purpose, "method": found_by}
            append(session, self._town, now, "counter.not_found", facts)
            return self.cases.open(session, clerk.browser, None, purpose, found_by, now)
        if known.person_id == clerk.member.person_id:
            raise CounterRefused("counter_own_record")
        subject = self._hub.people.subject_for(session, known, SECTOR, now)
        self._write(session, "staff.looked_up", clerk, subject, plugin=SECTOR, purpose=purpose)
        return self.cases.open(session, clerk.browser, known.person_id, purpose, found_by, now)

    def _ask(
        self, clerk: Clerk, case_id: UUID, act: Act, arguments: Mapping[str, Json], reference: bytes | None = None
    ) -> Approval:
        now = self._hub.clock()
        with self._hub.database.writing() as session:
            case = self.case(session, clerk, case_id)
            asked = self.approvals.ask(
                session, clerk.member, act, case.person, reason=case.purpose, at=now,
                arguments={**arguments, "found_by": case.found_by}, card_reference=reference,
            )  # fmt: skip
            subject = self._subject(session, case.person)
            facts = {"approval": str(asked.id), "act": act.value}
            facts |= {name: str(arguments[name]) for name in ("ground", "document") if name in arguments}
            self._write(session, "counter.requested", clerk, subject, **facts)
            return asked

    def _carry_out(self, session: Session, wanted: Approval, member: StaffMember, now: datetime) -> None:
        actor = f"staff:{wanted.requested_by}"
        if wanted.act is Act.REVERSAL:
            self._reverse(session, wanted, actor, now)
            return
        on = wanted.arguments.get("on")
        happening = Happening(
            EVENTS[wanted.act],
            now,
            actor,
            approved_by=member.actor,
            effective_on=None if on is None else date.fromisoformat(str(on)),
        )
        self._life.record(session, wanted.person_id, happening)
        if wanted.act in ENDS_SESSIONS:
            self._sessions.end_all_of_person(session, wanted.person_id)

    def _reverse(self, session: Session, wanted: Approval, actor: str, now: datetime) -> None:
        event = UUID(str(wanted.arguments["event"]))
        if all(one.id != event for one in self._life.history(session, wanted.person_id)):
            raise CounterRefused("approval_unknown", "the event is another person's")
        self._life.reverse(session, event, at=now, actor=actor)

    def _newest_card(self, session: Session, person_id: UUID) -> StoredCredential:
        """The person's last authentication certificate, which the new one replaces."""
        stored = self._hub.people.credentials.of_person(session, person_id)
        cards = [one for one in stored if one.kind is CredentialKind.AUTHENTICATION]
        current = [one for one in cards if one.status is not CredentialStatus.REPLACED]
        if not current:
            raise CounterRefused("counter_person_unknown", "the person has no card yet")
        return current[-1]

    def _state(self, session: Session, person_id: UUID) -> PersonState:
        """Without a lock, because a page only shows it: PostgreSQL allows none in a transaction that reads."""
        own = (person.c.municipality == self._town) & (person.c.id == person_id)
        return PersonState(session.execute(select(person.c.state).where(own)).scalar_one())

    def _subject(self, session: Session, person_id: UUID) -> str:
        return self._sign_ins.subject_of(session, person_id, self._hub.clock())

    def _write(self, session: Session, event: str, clerk: Clerk, subject: str, **facts: str) -> None:
        whole = {"actor": clerk.member.actor, "subject": subject, **facts}
        append(session, self._town, self._hub.clock(), event, whole)


_PARTS = ("title", "text")


def _check_document(document: str) -> None:
    if document not in DOCUMENTS:
        raise CounterRefused("counter_document_unknown")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise CounterRefused("counter_date_form") from error
