"""The life of a rider's card: written with its first day, lost and replaced with what is left, renewed each year."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from mykey_core.api import CardOperation, CardProfileRequest, CardWritten
from mykey_taxi.account import account_of
from mykey_taxi.card_slot import profile, report_lost, written
from mykey_taxi.register import Register

SUBJECT = "a".ljust(43, "x")
AT = datetime(2026, 10, 5, 1, 0, tzinfo=UTC)
LIMIT = 70


class Counter:
    """The counter of a town, with what the hub would do: it puts onto the card what the plugin says."""

    def __init__(self, town: Any) -> None:
        self.town = town
        self.denied: list[str] = []
        card = SimpleNamespace(data=self._data, deny=lambda name, *_: self.denied.append(name))
        nothing = SimpleNamespace(record=lambda *_, **__: None, warning=lambda *_, **__: None)
        self.context: Any = SimpleNamespace(card=card, audit=nothing, log=nothing)

    @staticmethod
    def _data(values: dict[str, Any], *, rides: int, period: int) -> dict[str, Any]:
        return {**values, "rides": rides, "period": period}

    def write(self, card: str, at: datetime) -> Any:
        """Ask what belongs onto the card, and confirm it as written."""
        with self.town.begin() as database:
            request = CardProfileRequest(database.municipality, SUBJECT, at)
            data: Any = profile(self.context, self.town.packs, request, database)
            if data is not None:
                done = CardWritten(database.municipality, SUBJECT, 0x0301, CardOperation.WRITTEN, card, at)
                written(self.context, done, database)
        return data

    def lose(self, rider: str, at: datetime) -> int:
        """The counter's action `lost`."""
        with self.town.begin() as database:
            return report_lost(self.context, database, rider, at)

    def state(self, card: str) -> str:
        """The state of a card in the register."""
        with self.town.begin() as database:
            known = Register(database).card(card)
        assert known is not None
        return known.state


@pytest.fixture
def counter(taxi_town: Any) -> Counter:
    """On each database."""
    return Counter(taxi_town)


def test_nothing_is_written_before_the_first_day(counter: Counter) -> None:
    """Nothing is written for whoever is not registered yet; from the first day on it has the whole year."""
    rider = counter.town.add_rider("a", first=date(2026, 10, 5), last=date(2027, 3, 31))
    assert counter.write("card-1", AT - timedelta(days=1)) is None
    data = counter.write("card-1", AT)
    assert (data["rider"], data["rides"], data["period"], data["until"]) == (rider, LIMIT, 2026, date(2027, 3, 31))
    assert counter.state("card-1") == "active"


def test_a_replacement_has_the_rides_that_are_left(counter: Counter) -> None:
    """After three rides the card is lost: it and its pass are denied, and the next one has 67 and another pass."""
    rider = counter.town.add_rider("a", last=date(2027, 3, 31))
    first = counter.write("card-1", AT)
    for day in (6, 7, 8):
        counter.town.ride([rider], f"2026-10-{day:02d}T10:00")
    later = AT + timedelta(days=10)
    assert counter.lose(rider, later) == 1
    assert counter.denied == [first["pass"]]
    second = counter.write("card-2", later)
    assert (second["rides"], second["rider"]) == (LIMIT - 3, rider)
    assert second["pass"] != first["pass"]
    assert (counter.state("card-1"), counter.state("card-2")) == ("lost", "active")
    assert counter.lose(rider, later) == 1
    assert counter.denied == [first["pass"], second["pass"]]


def test_writing_the_same_card_again_gives_nothing_away(counter: Counter) -> None:
    """The same pass and what is left, not the limit of the year."""
    rider = counter.town.add_rider("a", last=date(2027, 3, 31))
    first = counter.write("card-1", AT)
    counter.town.ride([rider], "2026-10-06T10:00")
    again = counter.write("card-1", AT + timedelta(days=2))
    assert (again["pass"], again["rides"]) == (first["pass"], LIMIT - 1)


def test_renewal_begins_a_new_year(counter: Counter) -> None:
    """On 1 April without renewal there is nothing to write; with it the year is whole, and the old one is not added."""
    town = counter.town
    rider = town.add_rider("a", last=date(2027, 3, 31))
    counter.write("card-1", AT)
    town.ride([rider], "2026-10-06T10:00")
    april = datetime(2027, 4, 1, 1, 0, tzinfo=UTC)
    assert counter.write("card-1", april) is None
    with town.begin() as database:
        own = (rider, date(2027, 4, 1), date(2028, 3, 31))
        Register(database).add_registration(*own, ground="age>=75", pack_hash="", at=april)
    data = counter.write("card-1", april)
    assert (data["rides"], data["period"], data["until"]) == (LIMIT, 2027, date(2028, 3, 31))
    with town.begin() as database:
        account = account_of(town.packs, database, rider, april)
    assert account.left_this_year == LIMIT
