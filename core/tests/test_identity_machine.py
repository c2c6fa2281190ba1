"""A state machine over whole lives: whatever happens in whatever order, three promises hold.

One person per credential; accounts survive every renewal; a reversal restores what was before.
"""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, precondition, rule
from sqlalchemy import select

from mykey_core.identity.errors import IdentityRefused
from mykey_core.identity.rekey import Rekeying
from mykey_core.identity.states import EventKind, refusal_code
from mykey_core.keys.provider import Purpose
from mykey_core.storage.tables import credential, person
from mykey_testkit.identity import MUNICIPALITY, STAFF, Register, numbered

PLUGINS = ("library", "points")
_EVENTS = sorted(set(EventKind) - {EventKind.REVERSED, EventKind.ENROLLED, EventKind.CREDENTIAL_ADDED})
Snapshot = tuple[str, tuple[tuple[str, str, str | None], ...]]


class Lives(RuleBasedStateMachine):
    """People, cards and accounts, and a simple model beside them: which card number belongs to whom."""

    people = Bundle("people")
    reversible = Bundle("reversible")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.register = Register(Path(self._folder.name))
        self.cards: dict[int, UUID] = {}
        self.accounts: dict[UUID, tuple[str, ...]] = {}
        self.next_number = 1

    def teardown(self) -> None:
        """Close and delete the database of this run."""
        self.register.close()
        self._folder.cleanup()

    def _snapshot(self, who: UUID) -> Snapshot:
        def work(session: Any) -> Snapshot:
            state = self.register.life.state(session, who).value
            stored = self.register.people.credentials.of_person(session, who)
            return state, tuple((str(own.id), own.status.value, str(own.replaced_by)) for own in stored)

        return self.register.do(work)

    def _subjects(self, number: int) -> tuple[str, ...]:
        return tuple(self.register.subject(number, plugin) for plugin in PLUGINS)

    @rule(target=people)
    def enrol(self) -> UUID:
        """Somebody new comes to the desk and opens accounts."""
        number, self.next_number = self.next_number, self.next_number + 1
        who = self.register.enrol(number).person_id
        self.cards[number] = who
        self.accounts[who] = self._subjects(number)
        return who

    @rule(target=reversible, who=people, kind=st.sampled_from(_EVENTS))
    def something_happens(self, who: UUID, kind: EventKind) -> Any:
        """Any event, possible or not."""
        self.register.clock.move(timedelta(days=30))
        before = self._snapshot(who)
        own = [number for number, owner in self.cards.items() if owner == who]
        named = self.register.credential_of(own[-1]) if own else None
        try:
            event = self.register.record(who, kind, credential=named if kind.value.startswith("credential") else None)
        except IdentityRefused:
            assert self._snapshot(who) == before  # a refusal changes nothing
            return multiple()
        return (event, who, before, self._snapshot(who), None)

    @rule(target=reversible, who=people, by=st.sampled_from(["staff", "session"]))
    def renew(self, who: UUID, by: str) -> Any:
        """The newest card is renewed by staff or in one session."""
        own = [number for number, owner in self.cards.items() if owner == who]
        if not own:
            return multiple()
        before, number = self._snapshot(who), self.next_number
        self.next_number += 1
        old = own[-1]

        def work(session: Any) -> Any:
            if by == "session":
                proofs = self.register.proof(numbered(old)), self.register.proof(numbered(number))
                return self.register.renewals.by_session(session, *proofs)
            known = self.register.people.credentials.find(session, numbered(old))
            assert known is not None
            at = self.register.clock()
            return self.register.renewals.by_staff(session, known.id, numbered(number), at=at, actor=STAFF)

        try:
            linked = self.register.do(work)
        except IdentityRefused:
            assert self._snapshot(who) == before
            return multiple()
        self.cards[number] = who
        return (linked.event, who, before, self._snapshot(who), number)

    @rule(who=people, other=people)
    def steal(self, who: UUID, other: UUID) -> None:
        """Linking somebody else's card must never work."""
        own = [number for number, owner in self.cards.items() if owner == who]
        theirs = [number for number, owner in self.cards.items() if owner == other]
        if who == other or not own or not theirs:
            return
        mine = self.register.credential_of(own[0])
        try:
            self.register.do(
                lambda session: self.register.renewals.by_staff(
                    session, mine, numbered(theirs[0]), at=self.register.clock(), actor=STAFF
                )
            )
        except IdentityRefused:
            return
        raise AssertionError("a card changed hands")

    @rule(entry=consumes(reversible))
    def reverse(self, entry: tuple[UUID, UUID, Snapshot, Snapshot, int | None]) -> None:
        """Any event is taken back, once."""
        event, who, before, after, number = entry
        current = self._snapshot(who)
        try:
            self.register.reverse(event)
        except IdentityRefused as refused:
            if refused.code != "later_event":
                raise
            assert current != after  # refused only when something else has changed since
            return
        if current == after:
            assert self._snapshot(who) == before
        if number is not None:
            del self.cards[number]

    @rule()
    @precondition(lambda self: self.cards)
    def rekey(self) -> None:
        """The town changes its key."""
        if len(self.register.keys.epochs(Purpose.CREDENTIAL)) < 4:
            self.register.keys.add_epoch(Purpose.CREDENTIAL)
            Rekeying(self.register.people, {}).run(self.register.database, Purpose.CREDENTIAL, self.register.clock())

    @invariant()
    def one_person_per_credential(self) -> None:
        """Each card leads to its one person, and there is no other row."""
        for number, owner in self.cards.items():
            known = self.register.find(numbered(number))
            assert known is not None
            assert known.person_id == owner
        own = credential.c.municipality == MUNICIPALITY
        stored = self.register.do(lambda session: session.execute(select(credential.c.reference).where(own)).all())
        assert len(stored) == len(self.cards)

    @invariant()
    def accounts_survive(self) -> None:
        """Every card of a person leads to the accounts of the beginning."""
        for number, owner in self.cards.items():
            assert self._subjects(number) == self.accounts[owner]

    @invariant()
    def the_dead_do_not_tap(self) -> None:
        """The refusal follows from the states, and death comes first."""
        own = (person.c.municipality == MUNICIPALITY) & (person.c.state == "deceased")
        dead = set(self.register.do(lambda session: session.execute(select(person.c.id).where(own)).scalars().all()))
        for number, owner in self.cards.items():
            known = self.register.find(numbered(number))
            assert known is not None
            if owner in dead:
                assert known.refusal(residents_only=False) == "person_deceased"
            else:
                assert known.refusal(residents_only=False) == refusal_code(
                    known.state, known.credential_status, residents_only=False
                )

    @invariant()
    def unknown_is_unknown(self) -> None:
        """A card that was never seen is nobody's."""
        assert self.register.find(numbered(self.next_number)) is None


TestLives = Lives.TestCase
TestLives.settings = settings(
    max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
