"""Between months: strays, overlaps, what is given back; held rides; places outside the city; refused spellings."""

from __future__ import annotations

import csv
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import bindparam, select, update

from mykey_core.api import TOKYO
from mykey_taxi import held
from mykey_taxi.errors import InputError
from mykey_taxi.examples import run_cases
from mykey_taxi.quote import for_any_day, quote, quote_all, with_overrides
from mykey_taxi.register import Uses
from mykey_taxi.rules.packs import shipped_packs
from mykey_taxi.settlement.breakdown import Breakdown
from mykey_taxi.settlement.close import MonthClose
from mykey_taxi.settlement.corrections import reverse
from mykey_taxi.settlement.cycle import parse_cycle
from mykey_taxi.settlement.documents import Documents
from mykey_taxi.tables import ride, settlement, year_use

MAEBASHI = shipped_packs()
NOVEMBER = datetime(2026, 11, 10, tzinfo=TOKYO)


def _flags(town: Any) -> dict[str, int]:
    query = select(settlement.c.ride_id, settlement.c.flags).where(settlement.c.municipality == bindparam("m"))
    with town.begin() as database:
        return {row.ride_id: row.flags for row in database.execute(query, {"m": database.municipality})}


def test_a_stray_upload_is_paid_in_the_next_month(taxi_town: Any) -> None:
    """A ride committed into a month while that was closing without it: the next close takes it, once."""
    one = taxi_town.add_rider("one")
    taxi_town.ride([one], "2026-10-05T10:00")
    taxi_town.close("2026-10")
    stray = taxi_town.ride([one], "2026-10-07T10:00", uploaded="2026-11-08T10:00")
    own = (ride.c.municipality == bindparam("m"), ride.c.ride_id == bindparam("r"))
    with taxi_town.begin() as database:  # as if its upload had been committed at the same moment as the close
        values = {"m": database.municipality, "r": stray.ride_id}
        database.execute(
            settlement.delete().where(
                settlement.c.municipality == bindparam("m"), settlement.c.ride_id == bindparam("r")
            ),
            values,
        )
        database.execute(update(ride).where(*own).values(cycle="2026-10"), values)
    november = taxi_town.close("2026-11")
    assert (november.rides, november.due_yen) == (1, 715)
    assert taxi_town.close("2026-10").due_yen == 715


def test_a_late_ride_is_compared_with_closed_months(taxi_town: Any) -> None:
    """TX-L7 across a close: the late one is flagged, the closed one stays as it is; touching ends are no overlap."""
    one = taxi_town.add_rider("one")
    first = taxi_town.ride([one], "2026-10-30T10:00", minutes=20)
    taxi_town.close("2026-10")
    late = taxi_town.ride([one], "2026-10-30T10:10", operator="op1", uploaded="2026-11-20T10:00")
    touching = taxi_town.ride([one], "2026-10-30T10:25", operator="op1", uploaded="2026-11-20T10:00")
    before = taxi_town.ride([one], "2026-10-30T09:45", operator="op1", uploaded="2026-11-20T10:00")
    taxi_town.close("2026-11")
    found = {name: bool(flags & 2) for name, flags in _flags(taxi_town).items()}
    wanted = {first.ride_id: False, late.ride_id: True, touching.ride_id: False, before.ride_id: False}
    assert found == wanted


def test_a_ride_over_midnight_is_compared_with_the_next_month(taxi_town: Any) -> None:
    """On board from 31 October to 1 November, and boarding again meanwhile, in the next month's rides."""
    one = taxi_town.add_rider("one")
    taxi_town.ride([one], "2026-10-31T23:50", minutes=30)
    second = taxi_town.ride([one], "2026-11-01T00:10", operator="op1")
    taxi_town.close("2026-10")
    taxi_town.close("2026-11")
    assert _flags(taxi_town)[second.ride_id] & 2


def test_a_ride_taken_back_gives_back_the_day_and_the_year(taxi_town: Any) -> None:
    """A third ride of a day is within the limit again once another one is reversed: at once, and at the close."""
    one = taxi_town.add_rider("one")
    rides = [taxi_town.ride([one], f"2026-10-30T{hour:02d}:00") for hour in (9, 11)]
    taxi_town.close("2026-10")
    with taxi_town.begin() as database:
        reverse(database, rides[0].ride_id, reason="誤登録", by="clerk", at=NOVEMBER)
        day = datetime(2026, 10, 30, tzinfo=TOKYO).toordinal()
        assert Uses(database).on(day) == {one: 1}
        assert Uses(database).on(day, [one]) == {one: 1}
    third = taxi_town.ride([one], "2026-10-30T15:00", uploaded="2026-11-20T10:00")
    fourth = taxi_town.ride([one], "2026-10-30T17:00", uploaded="2026-11-20T10:00")
    assert ("over_limit" in third.flags, "over_limit" in fourth.flags) == (False, True)
    taxi_town.close("2026-11")
    flags = _flags(taxi_town)
    assert (flags[third.ride_id] & 1, flags[fourth.ride_id] & 1) == (0, 1)


def test_an_amended_ride_keeps_its_use(taxi_town: Any) -> None:
    """Reversed and settled anew is one ride still."""
    one = taxi_town.add_rider("one")
    first = taxi_town.ride([one], "2026-10-30T09:00")
    taxi_town.close("2026-10")
    with taxi_town.begin() as database:
        reverse(database, first.ride_id, reason="訂正", by="clerk", at=NOVEMBER, amended_yen=500)
        assert Uses(database).on(datetime(2026, 10, 30, tzinfo=TOKYO).toordinal()) == {one: 1}


def test_a_use_is_given_back_in_the_year_of_its_ride(taxi_town: Any) -> None:
    """A ride of March that is taken back in April leaves the new year's count alone."""
    one = taxi_town.add_rider("one")
    first = taxi_town.ride([one], "2027-03-30T09:00")
    taxi_town.close("2027-03")
    with taxi_town.begin() as database:
        reverse(database, first.ride_id, reason="誤登録", by="clerk", at=datetime(2027, 4, 20, tzinfo=TOKYO))
    taxi_town.ride([one], "2027-04-21T09:00")
    taxi_town.close("2027-04")
    query = select(year_use.c.year, year_use.c.cycle, year_use.c.uses).where(year_use.c.municipality == bindparam("m"))
    with taxi_town.begin() as database:
        rows = {tuple(row) for row in database.execute(query, {"m": database.municipality})}
        assert rows == {(2026, "2027-03", 1), (2026, "2027-04", -1), (2027, "2027-04", 1)}
        assert Uses(database).within(2026) == {one: 0}


def test_a_refused_ride_stays_unpaid_and_an_accepted_one_is_judged(fresh_town: Any) -> None:
    """Held rides count for nothing; a clerk's yes gives one its month, and the close judges it; a no is for ever."""
    with fresh_town() as town:
        one = town.add_rider("one")
        rides = [town.ride([one], f"2026-10-{day:02d}T10:00") for day in (5, 6, 7)]
        with town.begin() as database:
            for entry in rides[:2]:
                own = (ride.c.municipality == bindparam("m"), ride.c.ride_id == bindparam("r"))
                values = {"m": database.municipality, "r": entry.ride_id}
                database.execute(update(ride).where(*own).values(cycle=None), values)
            assert [entry.ride_id for entry in held.held(database)] == [entry.ride_id for entry in rides[:2]]
            assert held.accept(database, rides[0].ride_id, NOVEMBER) == "2026-11"
            assert held.refuse(database, rides[1].ride_id)
            assert held.accept(database, rides[1].ride_id, NOVEMBER) is None
            assert not held.refuse(database, rides[0].ride_id)
            assert held.held(database) == []
        assert (town.close("2026-10").due_yen, town.close("2026-11").due_yen) == (715, 715)


def test_the_breakdown_of_a_close_is_the_one_that_is_read(taxi_town: Any, tmp_path: Any) -> None:
    """Heard while the month is judged or read afterwards: the same bytes; an unfinished folder is not left behind."""
    one, two = taxi_town.add_rider("one"), taxi_town.add_rider("two")
    for number in range(1, 8):
        board = f"2026-10-{number:02d}T{5 + number:02d}:00"
        taxi_town.ride([one, two], board, operator=f"op{number % 2}", alight_zone='駅,"北"')
    cycle = parse_cycle("2026-10")
    with Breakdown(tmp_path / "a", "2026-10") as heard:
        month = MonthClose(taxi_town.begin, taxi_town.packs, cycle, listener=heard).run(cycle.cut_off)
        assert heard.rides == 6  # the one at six is outside the hours
        one_pass = Documents(taxi_town.begin, month, tmp_path / "a", programme="x").write(breakdown=heard)
    assert one_pass == Documents(taxi_town.begin, month, tmp_path / "b", programme="x").write()
    assert not [path for path in (tmp_path / "a").iterdir() if path.name.startswith(".")]


# -- places outside the city, and spellings -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("require", "inside"),
    [
        ("board_or_alight", {("in", "in"), ("in", "out"), ("out", "in")}),
        ("board", {("in", "in"), ("in", "out")}),
        ("alight", {("in", "in"), ("out", "in")}),
        ("both", {("in", "in")}),
        ("none", {("in", "in"), ("in", "out"), ("out", "in"), ("out", "out")}),
    ],
)
def test_places_outside_the_city(require: str, inside: set[tuple[str, str]]) -> None:
    """TX-A1 for every combination of ends and every rule; a place without a name is outside."""
    packs = for_any_day(with_overrides(MAEBASHI.packs[-1], {"require": require}))
    zones: dict[str, str | None] = {"in": MAEBASHI.packs[-1].area.zones[0].id, "out": "高崎市"}
    for outside in ("高崎市", None):
        zones["out"] = outside
        settled = {
            (start, end)
            for start in zones
            for end in zones
            if quote(packs, {"ride": _ride(board_zone=zones[start], alight_zone=zones[end])})["status"] == "settled"
        }
        assert settled == inside


def _ride(**members: object) -> dict[str, object]:
    return {"board": "2026-04-15T10:00", "meter_yen": 1430, "riders": ["r1"], **members}


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({"ride": _ride(fare=1)}, "ride.fare"),
        ({"ride": _ride(), "registration": {}}, "registration"),
        ({"ride": _ride(), "registrations": {"r1": {"since": "2026-04-01"}}}, "registrations.r1.since"),
        ({"ride": _ride(), "prior_uses": {"r1": {"today": 1}}}, "prior_uses.r1.today"),
        ({"ride": _ride(), "prior_uses": [{"rider": "r1"}]}, "prior_uses"),
        ({"rides": [_ride(), _ride(zone="x")]}, "rides.1.zone"),
    ],
)
def test_unknown_spellings_are_refused_with_their_place(data: dict[str, Any], place: str) -> None:
    """A wrong word is no absence: the answer would be another one."""
    with pytest.raises(InputError) as caught:
        (quote_all if "rides" in data else quote)(MAEBASHI, data)
    assert caught.value.place == place


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        ("clock", {"skew_s": 1}, "one time"),
        ("clock", {"skew_s": 1, "board": "2026-04-15T10:00", "x": "2026-04-15T10:00"}, "one time"),
        ("age", {"birth": "1950-01-01", "age": 75}, "input.on: it is missing"),
        ("pack_choice", {"packs": [], "board": "x", "fare": 1}, "fare"),
    ],
)
def test_a_case_of_another_form_differs_with_its_place(kind: str, data: dict[str, Any], said: str) -> None:
    """The runner goes on and says what is wrong with the case."""
    case = {"id": "x", "kind": kind, "rule": "", "input": data, "expected": {}}
    outcomes = run_cases({"format": "mykey-cases/1", "topic": "taxi", "cases": [case]}, MAEBASHI.packs[-1])
    assert said in outcomes[0].differences[0]


def test_a_use_given_back_counts_in_the_month_that_takes_it_back(fresh_town: Any) -> None:
    """At the year's limit, a ride of the month in which another one was reversed is no over-use (TX-L2)."""
    with fresh_town() as town:
        town.packs = for_any_day(with_overrides(MAEBASHI.packs[-1], {"per_year": 1}))
        one = town.add_rider("one")
        first = town.ride([one], "2026-10-05T10:00")
        town.close("2026-10")
        with town.begin() as database:
            reverse(database, first.ride_id, reason="誤登録", by="clerk", at=NOVEMBER)
        second = town.ride([one], "2026-11-12T10:00")
        third = town.ride([one], "2026-11-13T10:00")
        assert ("over_limit" in second.flags, "over_limit" in third.flags) == (False, True)
        town.close("2026-11")
        flags = _flags(town)
        assert (flags[second.ride_id] & 1, flags[third.ride_id] & 1) == (0, 1)


def test_the_breakdown_is_quoted_where_it_has_to_be(taxi_town: Any, tmp_path: Any) -> None:
    """Zones with commas, quotation marks and line ends, or none at all, are read back by `csv` as they were."""
    one = taxi_town.add_rider("one")
    places = ["駅前", "北,南", '"角"', "上\n下", None]
    for day, place in enumerate(places, start=1):
        zones = {"board_zone": "inside", "alight_zone": place}
        assert taxi_town.ride([one], f"2026-10-{day:02d}T10:00", **zones).reason is None
    month = taxi_town.close("2026-10")
    Documents(taxi_town.begin, month, tmp_path, programme="マイタク").write()
    with (tmp_path / "rides-2026-10-op0.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["alight_zone"] for row in rows] == [place or "" for place in places]
    assert [row["subsidy_yen"] for row in rows] == ["715"] * len(places)
