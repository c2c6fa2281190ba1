"""The programme as data: worked examples, packs of three towns, eligibility, and rules without an example."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from mykey_taxi.cli import taxi
from mykey_taxi.errors import PackError
from mykey_taxi.examples import differences
from mykey_taxi.quote import for_any_day, quote, quote_all, with_overrides
from mykey_taxi.rules.age import has_attained
from mykey_taxi.rules.civil import day_of, microseconds, minute_of
from mykey_taxi.rules.eligibility import Applicant, assess
from mykey_taxi.rules.expressions import Ground
from mykey_taxi.rules.overlap import overlapping
from mykey_taxi.rules.pack import parse_pack
from mykey_taxi.rules.packs import PackSeries, shipped_packs

MAEBASHI = shipped_packs()
CASES = Path(__file__).parent / "cases"


def _ride(**members: object) -> dict[str, object]:
    return {"board": "2026-04-15T10:00", "meter_yen": 1430, "riders": ["r1"], **members}


@pytest.mark.parametrize("name", ["taxi.json", "zengin.json"])
def test_the_worked_examples_all_agree(name: str) -> None:
    """`mykey taxi examples` says N of N and ends with 0."""
    result = CliRunner().invoke(taxi, ["examples", str(CASES / name)])
    last = result.output.splitlines()[-1].split()
    assert (result.exit_code, last[0]) == (0, last[2])


def test_a_wrong_example_is_seen(tmp_path: Path) -> None:
    """A changed expectation is a difference with its place; the command ends with 1."""
    assert differences({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}], "c": 4}) == ["a[1].b: expected 2, got 3"]
    document = json.loads((CASES / "taxi.json").read_text(encoding="utf-8"))
    document["cases"][0]["expected"]["subsidy_yen"] += 1
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(document), encoding="utf-8")
    result = CliRunner().invoke(taxi, ["examples", str(wrong)])
    assert result.exit_code == 1
    assert "subsidy_yen: expected 716, got 715" in result.output


@pytest.mark.parametrize(
    ("fare", "mode", "unit", "subsidy"),
    [
        (1431, "down", 1, 715),
        (1431, "up", 1, 716),
        (1431, "half_up", 1, 716),
        (1449, "down", 10, 720),
        (1449, "up", 10, 730),
        (1450, "half_up", 10, 730),
    ],
)
def test_rounding_is_exact(fare: int, mode: str, unit: int, subsidy: int) -> None:
    """TX-S2: floor, ceiling, half up, to the unit."""
    packs = for_any_day(with_overrides(MAEBASHI.packs[-1], {"rounding_mode": mode, "rounding_unit": unit}))
    assert quote(packs, {"ride": _ride(meter_yen=fare)})["subsidy_yen"] == subsidy


def test_checks_come_in_the_order_of_the_rules() -> None:
    """TX-C1: the fare before the area before the hours; TX-C3: the reason of the first tapped rider."""
    nothing = _ride(meter_yen=0, board_zone="x", alight_zone="x", board="2026-04-15T05:00")
    assert quote(MAEBASHI, {"ride": nothing})["reason"] == "fare_invalid"
    assert quote(MAEBASHI, {"ride": {**nothing, "meter_yen": 10}})["reason"] == "outside_area"
    assert quote(MAEBASHI, {"ride": _ride(board="2026-04-15T05:00")})["reason"] == "outside_hours"
    assert quote(MAEBASHI, {"ride": _ride(riders=[])})["reason"] == "no_registered_rider"
    two = {"ride": _ride(riders=["a", "b"]), "registrations": {"a": None, "b": {"from": "2027-01-01"}}}
    assert quote(MAEBASHI, two)["reason"] == "not_registered"
    assert quote(MAEBASHI, {**two, "registrations": {"a": None}})["counted"] == ["b"]


def test_the_day_limit_comes_before_the_year_limit() -> None:
    """TX-L3, and an offline rider over a limit is paid and flagged (TX-L5) unless the pack rejects."""
    full = {"ride": _ride(), "prior_uses": {"r1": {"day": 2, "year": 70}}}
    assert quote(MAEBASHI, full)["reason"] == "daily_limit"
    assert quote(MAEBASHI, {**full, "prior_uses": {"r1": 70}})["reason"] == "yearly_limit"
    offline = {**full, "ride": _ride(mode="offline")}
    answer = quote(MAEBASHI, offline)
    assert (answer["subsidy_yen"], answer["flags"], answer["over_limit"]) == (715, ["over_limit"], ["r1"])
    strict = for_any_day(with_overrides(MAEBASHI.packs[-1], {"offline_policy": "reject"}))
    assert quote(strict, offline)["reason"] == "daily_limit"


@pytest.mark.parametrize(
    ("first", "limit"), [("2026-04-20", 70), ("2026-10-01", 35), ("2027-03-31", 5), ("2025-10-01", 70)]
)
def test_proration_by_month(first: str, limit: int) -> None:
    """TX-L6: 70 × months ÷ 12 in the year of registration, the full limit in later ones."""
    packs = for_any_day(with_overrides(MAEBASHI.packs[-1], {"prorate": "monthly"}))
    data = {"ride": _ride(board="2027-03-31T10:00"), "registrations": {"r1": {"from": first}}}
    assert quote(packs, {**data, "prior_uses": {"r1": limit - 1}})["status"] == "settled"
    assert quote(packs, {**data, "prior_uses": {"r1": limit}})["reason"] == "yearly_limit"


def test_the_counter_starts_anew_in_april() -> None:
    """TX-L2, within one list of rides."""
    rides = [_ride(board=f"2027-0{month}T10:00") for month in ("3-31", "4-01")]
    packs = for_any_day(with_overrides(MAEBASHI.packs[-1], {"per_year": 1}))
    twice = quote_all(packs, {"rides": [rides[0], rides[0], rides[1]]})
    assert [entry["reason"] for entry in twice] == [None, "yearly_limit", None]


def test_vouchers_of_another_town() -> None:
    """吉岡町: two vouchers alone, one each together, never above the fare, counted as vouchers; no hours."""
    packs = shipped_packs("yoshitaku")
    night = _ride(board="2026-04-15T23:30")
    assert quote(packs, {"ride": night})["vouchers"] == [2]
    assert quote(packs, {"ride": {**night, "meter_yen": 900}})["subsidy_yen"] == 500
    three = quote(packs, {"ride": {**night, "riders": ["a", "b", "c"]}})
    assert (three["subsidy_yen"], three["shares"]) == (1000, {"a": 500, "b": 500, "c": 0})
    one_left = {"ride": night, "prior_uses": {"r1": 71}, "registrations": {"r1": {"from": "2025-04-01"}}}
    assert quote(packs, one_left)["subsidy_yen"] == 500


def test_bands_of_another_town() -> None:
    """伊勢崎市: half below 3,000 yen, the other band from there on, and together as alone."""
    packs = shipped_packs("kuwamaru")
    fares = {fare: quote(packs, {"ride": _ride(meter_yen=fare)})["subsidy_yen"] for fare in (2990, 3000, 9000)}
    assert fares == {2990: 1495, 3000: 1500, 9000: 1500}
    assert quote(packs, {"ride": _ride(riders=["a", "b"])})["shares"] == {"a": 358, "b": 357}


@pytest.mark.parametrize(
    ("birth", "grounds", "resident", "reason"),
    [
        ("1951-11-23", [], True, None),
        ("1951-11-24", [], True, "no_ground"),
        ("1961-11-23", ["no_licence"], True, None),
        (None, ["care_level"], True, None),
        ("1940-01-01", [], False, "not_resident"),
        ("1940-01-01", ["vehicle_tax_reduction", "can_use_vehicle"], True, "excluded"),
    ],
)
def test_eligibility(birth: str | None, grounds: list[str], resident: bool, reason: str | None) -> None:  # noqa: FBT001
    """TX-E1 with the Maebashi pack on 2026-11-23."""
    day = date(2026, 11, 23)
    known = Applicant(birth and date.fromisoformat(birth), resident, frozenset(map(Ground, grounds)))
    answer = assess(MAEBASHI.on(day), known, day)
    assert (answer.eligible, answer.reason) == (reason is None, reason)


@pytest.mark.parametrize(
    ("birth", "basis", "day", "attained"),
    [
        ("1960-02-29", "birthday", "2025-02-28", False),
        ("1960-02-29", "birthday", "2025-03-01", True),
        ("1960-02-29", "statute", "2025-02-28", True),
        ("1960-02-29", "statute", "2025-02-27", False),
        ("1960-04-01", "statute", "2025-03-31", True),
        ("1960-01-01", "statute", "2024-12-31", True),
    ],
)
def test_ages(birth: str, basis: str, day: str, attained: bool) -> None:  # noqa: FBT001
    """TX-E2 and TX-E3 at their edges."""
    assert has_attained(date.fromisoformat(birth), date.fromisoformat(day), 65, basis) is attained  # type: ignore[arg-type]


def _pack(change: tuple[str, str]) -> str:
    path = Path(__file__).parents[1] / "mykey_taxi" / "packs" / "maebashi-2022.toml"
    text = path.read_text(encoding="utf-8")
    assert change[0] in text
    return text.replace(*change)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (('rate = "1/2"', 'rate = "0.5"'), "subsidy.solo"),
        (("per_day = 2", "per_day = -1"), "limits.per_day"),
        (('"age>=75"', '"age>75"'), "eligibility.any_of"),
        (('"07:00"', '"19:00"'), "service"),
        (("per_day = 2", "per_dai = 2"), "limits.per_dai"),
        (("cap = 1000", "cap = 1000.5"), "subsidy.solo.cap"),
    ],
)
def test_a_wrong_pack_is_refused_with_its_place(change: tuple[str, str], place: str) -> None:
    """Unknown members, floats and words that mean nothing are found when the pack is read."""
    with pytest.raises(PackError) as caught:
        parse_pack(_pack(change), "x.toml")
    assert caught.value.place.startswith(place)


def test_the_hash_is_of_the_rules_only() -> None:
    """A better title changes nothing; another limit does."""
    pack = parse_pack(_pack(("per_day = 2", "per_day = 2")))
    assert parse_pack(_pack(('en = "Maitaku ride-share taxi"', 'en = "Maitaku"'))).hash == pack.hash
    assert parse_pack(_pack(("per_day = 2", "per_day = 3"))).hash != pack.hash


def test_packs_of_one_day_are_refused() -> None:
    """Two packs in force on one day would be two truths."""
    pack = MAEBASHI.packs[-1]
    with pytest.raises(PackError, match="one day"):
        PackSeries([pack, with_overrides(pack, {"valid_from": "2026-04-01"})])


@settings(deadline=None)
@given(st.datetimes(datetime(1952, 6, 1), datetime(2200, 1, 1)))  # noqa: DTZ001 - made aware below
def test_civil_time_as_numbers_is_tokyo_time(naive: datetime) -> None:
    """The integer arithmetic gives the date and minute that zoneinfo gives."""
    instant = naive.replace(tzinfo=UTC)
    local = instant.astimezone(ZoneInfo("Asia/Tokyo"))
    value = microseconds(instant)
    assert (day_of(value), minute_of(value)) == (local.toordinal(), local.hour * 60 + local.minute)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30), st.integers(0, 10)), max_size=12))
def test_overlaps_are_those_of_every_pair(spans: list[tuple[str, int, int]]) -> None:
    """The sweep finds what comparing every pair finds (TX-L7)."""
    rides = [(number, rider, start, start + length) for number, (rider, start, length) in enumerate(spans)]
    wanted = {
        one[0]
        for one in rides
        for other in rides
        if one[0] != other[0] and one[1] == other[1] and one[2] < other[3] and other[2] < one[3]
    }
    assert set(overlapping(rides)) == wanted


@settings(deadline=None)
@given(
    st.integers(1, 50_000),
    st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6),
    st.sampled_from(["maitaku", "yoshitaku", "kuwamaru"]),
)
def test_no_yen_is_lost_between_fare_cash_and_shares(fare: int, riders: list[str], programme: str) -> None:
    """Cash and subsidy are the fare, shares are the subsidy, and nobody differs by more than one use's worth."""
    answer = quote(shipped_packs(programme), {"ride": _ride(meter_yen=fare, riders=riders, board="2026-04-15T10:00")})
    assert answer["subsidy_yen"] + answer["cash_yen"] == fare
    assert sum(answer["shares"].values()) == answer["subsidy_yen"] >= 0
    assert list(answer["shares"]) == list(dict.fromkeys(riders))


def test_clock_bounds() -> None:
    """TX-T2 to T4 at 300 and 86,400 seconds."""
    from mykey_taxi.upload.clock import assess_skew

    states = [assess_skew(timedelta(seconds=s)).state.value for s in (300, -300, 301, 86_400, -86_400, 86_401)]
    assert states == ["ok", "ok", "clock_adjusted", "clock_adjusted", "clock_adjusted", "quarantine"]
