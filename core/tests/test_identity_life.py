"""Life events: what they stop, what they leave, and how a mistake is taken back."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import DBAPIError

from mykey_cardap.kinds import CertificateKind
from mykey_core.identity.credentials import StoredCredential
from mykey_core.identity.errors import IdentityRefused
from mykey_core.identity.states import EventKind, Evidence, PersonState, refusal_code
from mykey_core.identity.tables import life_event
from mykey_core.storage.session import Session
from mykey_core.storage.tables import visit
from mykey_testkit.identity import MUNICIPALITY, Register, numbered

K = EventKind


def refusal(register: Register, number: int, *, residents_only: bool = False) -> str | None:
    known = register.find(numbered(number))
    return "not_registered" if known is None else known.refusal(residents_only=residents_only)


@pytest.mark.parametrize(
    ("kinds", "anywhere", "residents"),
    [
        ([K.PERSON_HELD], "person_held", "person_held"),
        ([K.PERSON_HELD, K.PERSON_RELEASED], None, None),
        ([K.MOVED_OUT], None, "person_moved_out"),
        ([K.MOVED_OUT, K.MOVED_IN], None, None),
        ([K.WENT_ABROAD], None, "person_abroad"),
        ([K.WENT_ABROAD, K.MOVED_IN], None, None),
        ([K.CARD_LOST], "credential_held", "credential_held"),
        ([K.CARD_LOST, K.CARD_FOUND], None, None),
        ([K.ADDRESS_CHANGED], None, None),
        ([K.NAME_CHANGED], None, None),
        ([K.DIED], "person_deceased", "person_deceased"),
        ([K.MOVED_OUT, K.DIED], "person_deceased", "person_deceased"),
    ],
)
def test_what_an_event_means_at_a_tap(
    register: Register, kinds: list[EventKind], anywhere: str | None, residents: str | None
) -> None:
    """Each event refuses with its own code, or with none; services for residents refuse those who left too."""
    person = register.enrol(1).person_id
    for kind in kinds:
        register.record(person, kind)
    assert refusal(register, 1) == anywhere
    assert refusal(register, 1, residents_only=True) == residents


@pytest.mark.parametrize("status", ["expired", "revoked", "replaced"])
def test_each_status_of_a_credential_has_its_code(status: str) -> None:
    """A credential that is not active is refused by its own name."""
    assert refusal_code("active", status, residents_only=False) == f"credential_{status}"


def test_address_change_stops_the_signature_certificate_only(register: Register) -> None:
    """Moving revokes the signature certificate; the authentication certificate goes on (authentication-hub §5.5)."""
    person = register.enrol(1).person_id
    signature = numbered(2, CertificateKind.SIGNATURE)
    register.do(
        lambda session: register.people.credentials.add(
            session, person, signature, Evidence.SAME_CARD_SESSION, register.clock()
        )
    )
    register.record(person, K.ADDRESS_CHANGED)
    states = {own.kind.value: own.status.value for own in _credentials(register, person)}
    assert states == {"authentication": "active", "signature": "revoked"}


@pytest.mark.parametrize(
    ("before", "kind"),
    [
        ([K.DIED], K.DIED),
        ([K.DIED], K.MOVED_IN),
        ([K.DIED], K.CARD_LOST),
        ([], K.MOVED_IN),
        ([], K.CARD_FOUND),
        ([], K.PERSON_RELEASED),
        ([K.MOVED_OUT], K.MOVED_OUT),
        ([], K.RENEWED),
        ([], K.REVERSED),
    ],
)
def test_what_cannot_happen_is_refused(register: Register, before: list[EventKind], kind: EventKind) -> None:
    """Nobody dies twice, is found without being lost, or is renewed by a bare event."""
    person = register.enrol(1).person_id
    for earlier in before:
        register.record(person, earlier)
    with pytest.raises(IdentityRefused, match="transition_not_possible"):
        register.record(person, kind)


def test_an_event_about_one_credential_names_it(register: Register) -> None:
    """Revoking without saying which is refused; another card of the same person goes on."""
    person = register.enrol(1).person_id
    register.do(
        lambda session: register.people.credentials.add(
            session, person, numbered(2), Evidence.STAFF_COUNTER, register.clock()
        )
    )
    with pytest.raises(IdentityRefused, match="credential_unknown"):
        register.record(person, K.CREDENTIAL_REVOKED)
    register.record(person, K.CREDENTIAL_REVOKED, credential=register.credential_of(1))
    assert (refusal(register, 1), refusal(register, 2)) == ("credential_revoked", None)


def test_a_death_recorded_by_mistake_is_taken_back(register: Register) -> None:
    """After the reversal everything is as before, and both entries stay in the history."""
    person = register.enrol(1).person_id
    subject = register.subject(1, "library")
    event = register.record(person, K.DIED)
    assert refusal(register, 1) == "person_deceased"
    register.reverse(event)
    assert refusal(register, 1) is None
    assert register.subject(1, "library") == subject
    history = register.do(lambda session: register.life.history(session, person))
    assert [entry.kind for entry in history] == [K.ENROLLED, K.DIED, K.REVERSED]
    with pytest.raises(IdentityRefused, match="event_already_reversed"):
        register.reverse(event)


def test_a_later_event_is_reversed_first(register: Register) -> None:
    """An event under another one cannot be pulled out; in the right order it can."""
    person = register.enrol(1).person_id
    lost = register.record(person, K.CARD_LOST)
    revoked = register.record(person, K.CREDENTIAL_REVOKED, credential=register.credential_of(1))
    with pytest.raises(IdentityRefused, match="later_event"):
        register.reverse(lost)
    register.reverse(revoked)
    register.reverse(lost)
    assert refusal(register, 1) is None


def test_enrolment_and_reversal_stay(register: Register) -> None:
    """An enrolment is no mistake that reversal mends, and a reversal is not reversed."""
    person = register.enrol(1).person_id
    reversal = register.reverse(register.record(person, K.MOVED_OUT))
    enrolled = register.do(lambda session: register.life.history(session, person))[0].id
    for event in (enrolled, reversal):
        with pytest.raises(IdentityRefused, match="event_not_reversible"):
            register.reverse(event)


def test_an_event_ends_the_visit_at_the_counter(register: Register) -> None:
    """When a card is reported lost, the counter where it was tapped can do nothing more for it."""
    person = register.enrol(1).person_id
    subject = register.subject(1, "library")
    values = {"id": person, "terminal_id": person, "plugin": "library", "subject": subject}
    register.do(
        lambda session: session.execute(
            insert(visit).values(municipality=MUNICIPALITY, expires_at=register.clock(), **values)
        )
    )
    register.record(person, K.CARD_LOST)
    own = delete(visit).where(visit.c.municipality == MUNICIPALITY)
    assert register.do(lambda session: session.execute(own).rowcount) == 0


def test_the_log_of_events_cannot_be_changed(register: Register) -> None:
    """The database itself refuses to change or delete a life event."""
    register.enrol(1)
    own = life_event.c.municipality == MUNICIPALITY
    for statement in (update(life_event).where(own).values(actor="staff:nobody"), delete(life_event).where(own)):

        def work(session: Session, act: object = statement) -> None:
            session.execute(act)  # type: ignore[arg-type] - both are statements

        with pytest.raises(DBAPIError, match="append-only"):
            register.do(work)


def test_unknown_persons_are_refused(register: Register) -> None:
    """An event needs a person, and a reversal an event."""
    known = register.enrol(1)
    with pytest.raises(IdentityRefused, match="event_unknown"):
        register.reverse(known.person_id)
    with pytest.raises(IdentityRefused, match="person_unknown"):
        register.record(register.credential_of(1), K.DIED)
    assert register.do(lambda session: register.life.state(session, known.person_id)) is PersonState.ACTIVE


def _credentials(register: Register, person: UUID) -> list[StoredCredential]:
    return register.do(lambda session: register.people.credentials.of_person(session, person))
