"""The outbox: events leave with the act's commit, reach each subscriber at least once, under its own ids."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from mykey_core.outbox.dispatcher import FIRST_DELAY, MAXIMUM_ATTEMPTS, Dispatcher, Event
from mykey_core.outbox.events import emit
from mykey_core.outbox.waiting import Waiting, what_waits
from mykey_core.storage.database import Database, open_database
from mykey_core.storage.session import Session
from mykey_core.storage.tables import metadata
from mykey_core.upkeep import delivering
from mykey_testkit.clock import ManualClock
from mykey_testkit.postgres import DatabaseUrls

TOWN = "132217"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
PERSON = uuid4()


@pytest.fixture
def database(tmp_path: Path, hub_database: DatabaseUrls | None) -> Iterator[Database]:
    opened = open_database(hub_database.hub if hub_database else f"sqlite:///{tmp_path}/test.sqlite3", TOWN)
    if hub_database is None:
        metadata.create_all(opened.engine)
    yield opened
    opened.dispose()


class Subscriber:
    """Keeps what it was told; fails as often as `faults` says."""

    def __init__(self, faults: int = 0) -> None:
        """`faults` is how many deliveries fail."""
        self.events: list[Event] = []
        self.faults = faults

    def __call__(self, event: Event, _session: Session) -> None:
        """Take the event, or fail after having heard it."""
        self.events.append(event)
        if self.faults:
            self.faults -= 1
            raise ConnectionError


def _subject(_session: Session, person: UUID, subscriber: str) -> str | None:
    return None if subscriber == "stranger" else f"{subscriber}:{person.hex[:4]}"


def _emit(database: Database, *subscribers: str) -> UUID:
    return database.commit(
        lambda session: emit(
            session, TOWN, NOW, "person.moved_out", subscribers=subscribers, person_id=PERSON, facts={"code": "x"}
        )
    )


def test_each_subscriber_hears_once_under_its_own_id(database: Database) -> None:
    """Two subscribers, two pairwise ids, no person id; a second round delivers nothing."""
    library, taxi = Subscriber(), Subscriber()
    dispatcher = Dispatcher(database, TOWN, {"library": library, "taxi": taxi}, _subject)
    event_id = _emit(database, "library", "taxi")
    assert [dispatcher.deliver_due(NOW) for _ in range(2)] == [2, 0]
    assert library.events == [Event(event_id, "person.moved_out", NOW, f"library:{PERSON.hex[:4]}", {"code": "x"})]
    assert [event.subject for event in taxi.events] == [f"taxi:{PERSON.hex[:4]}"]


def test_an_act_that_is_undone_tells_nobody(database: Database) -> None:
    """The event is in the act's transaction."""

    def act(session: Session) -> None:
        emit(session, TOWN, NOW, "x", subscribers=["library"])
        raise LookupError

    with pytest.raises(LookupError):
        database.commit(act)
    assert Dispatcher(database, TOWN, {"library": Subscriber()}, _subject).deliver_due(NOW) == 0


def test_a_failing_subscriber_is_asked_again_later_and_keeps_nobody_waiting(database: Database) -> None:
    """The other is served at once; the failing one after its delay, with the same event id."""
    failing, other = Subscriber(faults=1), Subscriber()
    dispatcher = Dispatcher(database, TOWN, {"failing": failing, "other": other}, _subject)
    _emit(database, "failing", "other")
    assert dispatcher.deliver_due(NOW) == 1
    assert dispatcher.deliver_due(NOW) == 0
    assert dispatcher.deliver_due(NOW + FIRST_DELAY) == 1
    assert failing.events[0].id == failing.events[1].id
    assert len(other.events) == 1


def test_a_subscriber_hears_events_in_their_order(database: Database) -> None:
    """The second waits while the first is not taken, though it is due; afterwards both come at once."""
    library = Subscriber(faults=1)
    dispatcher = Dispatcher(database, TOWN, {"library": library}, _subject)
    first, second = _emit(database, "library"), _emit(database, "library")
    assert [dispatcher.deliver_due(NOW), dispatcher.deliver_due(NOW + FIRST_DELAY / 2)] == [0, 0]
    assert [event.id for event in library.events] == [first]
    assert dispatcher.deliver_due(NOW + FIRST_DELAY) == 2
    assert [event.id for event in library.events] == [first, first, second]


def test_what_is_given_up_holds_up_nobody_any_more(database: Database) -> None:
    """The event behind it is delivered."""
    library = Subscriber(faults=MAXIMUM_ATTEMPTS)
    dispatcher = Dispatcher(database, TOWN, {"library": library}, _subject)
    _emit(database, "library")
    second = _emit(database, "library")
    delivered = [dispatcher.deliver_due(NOW + timedelta(days=day)) for day in range(MAXIMUM_ATTEMPTS + 1)]
    assert delivered == [0] * MAXIMUM_ATTEMPTS + [1]
    assert library.events[-1].id == second


def test_events_of_an_absent_subscriber_wait(database: Database) -> None:
    """A plugin that is not there today loses nothing: no attempt is counted, and it hears them when it is back."""
    _emit(database, "absent")
    assert Dispatcher(database, TOWN, {"library": Subscriber()}, _subject).deliver_due(NOW) == 0
    with database.reading() as session:
        (line,) = what_waits(session, TOWN)
    assert (line.waiting, line.attempts, line.given_up) == (1, 0, 0)
    back = Subscriber()
    assert Dispatcher(database, TOWN, {"absent": back}, _subject).deliver_due(NOW + timedelta(days=20)) == 1


def test_what_waits_is_listed_by_subscriber_and_kind(database: Database) -> None:
    """Counts, since when, and the next try; an empty outbox has no lines."""
    with database.reading() as session:
        assert what_waits(session, TOWN) == []
    failing = Subscriber(faults=1)
    _emit(database, "failing", "other")
    _emit(database, "failing")
    Dispatcher(database, TOWN, {"failing": failing}, _subject).deliver_due(NOW)
    with database.reading() as session:
        lines = what_waits(session, TOWN)
    assert lines == [
        Waiting("failing", "person.moved_out", 2, 0, 1, NOW, NOW),
        Waiting("other", "person.moved_out", 1, 0, 0, NOW, NOW),
    ]


def test_two_dispatchers_at_once_deliver_each_event_once_and_in_order(database: Database) -> None:
    """As two processes of one hub do."""
    library = Subscriber()
    ids = [_emit(database, "library") for _ in range(30)]
    dispatchers = [Dispatcher(database, TOWN, {"library": library}, _subject) for _ in range(2)]

    def deliver(dispatcher: Dispatcher) -> None:
        for _ in range(200):
            dispatcher.deliver_due(NOW)
            if len(library.events) >= len(ids):
                return

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(deliver, dispatchers))
    assert [event.id for event in library.events] == ids


def test_events_are_delivered_while_a_hub_serves(database: Database) -> None:
    """Without being asked for; a subscriber that raises does not end the thread."""
    library = Subscriber(faults=1)
    clock = ManualClock(NOW)
    event_id = _emit(database, "library")
    with delivering(Dispatcher(database, TOWN, {"library": library}, _subject), clock, timedelta(milliseconds=5)):
        _wait_for(lambda: len(library.events) == 1)
        clock.move(FIRST_DELAY)
        _wait_for(lambda: len(library.events) == 2)
    assert {event.id for event in library.events} == {event_id}


def _wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.005)


def test_what_can_never_be_delivered_waits_for_a_person(database: Database) -> None:
    """After the last attempt it is not tried again, and it is listed."""
    failing = Subscriber(faults=1000)
    dispatcher = Dispatcher(database, TOWN, {"failing": failing}, _subject)
    event_id = _emit(database, "failing")
    now = NOW
    for _ in range(MAXIMUM_ATTEMPTS + 3):
        dispatcher.deliver_due(now)
        now += timedelta(days=1)
    assert len(failing.events) == MAXIMUM_ATTEMPTS
    assert dispatcher.given_up() == [(event_id, "failing", "person.moved_out")]


def test_a_subscriber_that_does_not_know_the_person_learns_nothing(database: Database) -> None:
    """No pairwise id, no event."""
    stranger = Subscriber()
    dispatcher = Dispatcher(database, TOWN, {"stranger": stranger}, _subject)
    _emit(database, "stranger")
    assert dispatcher.deliver_due(NOW) == 1
    assert stranger.events == []
