"""What life events do to a person and their credentials, and how an event that was recorded by mistake is taken back.

All within the caller's transaction. Linking a renewed certificate is in `renewal`, a first one in `enrolment`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import delete, select, update

from mykey_core.identity.credentials import StoredCredential
from mykey_core.identity.errors import IdentityRefused
from mykey_core.identity.events import Change, LifeEvent, event_by_id, events_of, record_event
from mykey_core.identity.people import People
from mykey_core.identity.states import TRANSITIONS, CredentialStatus, EventKind, Evidence, PersonState, Transition
from mykey_core.storage.session import Session
from mykey_core.storage.tables import pairwise, person, visit

_NEVER_REVERSED = {EventKind.ENROLLED, EventKind.REVERSED}


@dataclass(frozen=True, slots=True)
class Happening:
    """What somebody tells the register. `credential` names one where the event is about one."""

    kind: EventKind
    at: datetime
    actor: str
    evidence: Evidence = Evidence.STAFF_COUNTER
    approved_by: str | None = None
    effective_on: date | None = None
    credential: UUID | None = None


@dataclass(frozen=True, slots=True)
class LifeRegister:
    """The lives of one municipality's persons, as far as its services depend on them."""

    people: People

    def state(self, session: Session, person_id: UUID) -> PersonState:
        """The person's state, locked until the transaction ends; `person_unknown` when there is none."""
        own = (person.c.municipality == self.people.municipality) & (person.c.id == person_id)
        row = session.execute(select(person.c.state).where(own).with_for_update()).first()
        if row is None:
            raise IdentityRefused("person_unknown")
        return PersonState(row.state)

    def record(self, session: Session, person_id: UUID, happening: Happening) -> LifeEvent:
        """Apply an event; `transition_not_possible` when it cannot happen to a person in this state."""
        transition = TRANSITIONS.get(happening.kind)
        state = self.state(session, person_id)
        if transition is None or state not in transition.persons:
            raise IdentityRefused("transition_not_possible", f"{happening.kind} of a person who is {state}")
        changes: list[Change] = []
        if transition.person_to is not None:
            changes.append({"person": state.value, "to": transition.person_to.value})
        changes += _credential_changes(transition, happening, self.people.credentials.of_person(session, person_id))
        if not changes and happening.kind not in {EventKind.ADDRESS_CHANGED, EventKind.NAME_CHANGED}:
            raise IdentityRefused("transition_not_possible", f"{happening.kind}: no credential is concerned")
        for change in changes:
            self._apply(session, person_id, change)
        return self._written(session, person_id, happening, changes)

    def reverse(self, session: Session, event_id: UUID, *, at: datetime, actor: str) -> LifeEvent:
        """Take an event back: everything is as before it. Later events on the same things come first."""
        event = event_by_id(session, self.people.municipality, event_id)
        if event is None:
            raise IdentityRefused("event_unknown")
        self.state(session, event.person_id)
        if event.kind in _NEVER_REVERSED:
            raise IdentityRefused("event_not_reversible", event.kind)
        if any(later.reverses == event_id for later in self.history(session, event.person_id)):
            raise IdentityRefused("event_already_reversed")
        undone = [_inverse(change) for change in reversed(event.changes)]
        for change in undone:
            self._check_unchanged(session, event.person_id, change)
        for change in undone:
            self._apply(session, event.person_id, change)
        happening = Happening(EventKind.REVERSED, at, actor)
        return self._written(session, event.person_id, happening, undone, reverses=event_id)

    def history(self, session: Session, person_id: UUID) -> list[LifeEvent]:
        """All events of a person, oldest first."""
        return events_of(session, self.people.municipality, person_id)

    def end_visits(self, session: Session, person_id: UUID) -> None:
        """Nobody goes on acting for this person at a counter where the card was tapped before."""
        town = self.people.municipality
        own = (pairwise.c.municipality == town) & (pairwise.c.person_id == person_id)
        for row in session.execute(select(pairwise.c.plugin, pairwise.c.subject).where(own)).all():
            open_visits = (visit.c.plugin == row.plugin) & (visit.c.subject == row.subject)
            session.execute(delete(visit).where(visit.c.municipality == town, open_visits))

    def _written(
        self,
        session: Session,
        person_id: UUID,
        happening: Happening,
        changes: list[Change],
        reverses: UUID | None = None,
    ) -> LifeEvent:
        self.end_visits(session, person_id)
        return record_event(
            session,
            self.people.municipality,
            person_id,
            happening.kind,
            happening.at,
            evidence=happening.evidence,
            actor=happening.actor,
            approved_by=happening.approved_by,
            effective_on=happening.effective_on,
            changes=changes,
            reverses=reverses,
        )

    def _apply(self, session: Session, person_id: UUID, change: Change) -> None:
        if "person" in change:
            own = (person.c.municipality == self.people.municipality) & (person.c.id == person_id)
            session.execute(update(person).where(own).values(state=change["to"]))
            return
        credential_id = UUID(change["credential"])
        if change["to"] is None:
            self.people.credentials.remove(session, credential_id)
            return
        successor = change.get("replaced_by")
        status = CredentialStatus(change["to"])
        self.people.credentials.change(session, credential_id, status, UUID(successor) if successor else None)

    def _check_unchanged(self, session: Session, person_id: UUID, inverse: Change) -> None:
        """What is to be undone must still be as the event left it: `later_event` otherwise."""
        if "person" in inverse:
            if self.state(session, person_id).value != inverse["person"]:
                raise IdentityRefused("later_event", "the person's state was changed again")
            return
        stored = self.people.credentials.get(session, UUID(inverse["credential"]))
        found = None if stored is None else stored.status.value
        successor = None if stored is None or stored.replaced_by is None else str(stored.replaced_by)
        if (found, successor) != (inverse["from"], inverse.get("was_replaced_by")):
            raise IdentityRefused("later_event", "a credential was changed again")


def _credential_changes(
    transition: Transition, happening: Happening, credentials: Iterable[StoredCredential]
) -> list[Change]:
    if transition.credential_to is None:
        return []
    if transition.one and happening.credential is None:
        raise IdentityRefused("credential_unknown", f"{happening.kind} names a credential")
    return [
        {"credential": str(own.id), "from": own.status.value, "to": transition.credential_to.value}
        for own in credentials
        if own.kind in transition.kinds and own.status in transition.statuses and happening.credential in {None, own.id}
    ]


def _inverse(change: Change) -> Change:
    if "person" in change:
        return {"person": change["to"], "to": change["person"]}
    inverse = {"credential": change["credential"], "from": change["to"], "to": change.get("from")}
    if change.get("replaced_by"):
        inverse["was_replaced_by"] = change["replaced_by"]
    return inverse
