"""The GOFS files against the members that the GOFS-lite 1.0 reference requires, its types and its references."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mykey_taxi.cli import taxi
from mykey_taxi.errors import PackError
from mykey_taxi.figures.gofs import gofs_files
from mykey_taxi.rules.packs import shipped_packs

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "system_information": ("language", "timezone", "name"),
    "service_brands": ("service_brands[].brand_id", "service_brands[].brand_name"),
    "vehicle_types": ("vehicle_types[].vehicle_type_id",),
    "zones": (
        "zones.type", "zones.features[].type", "zones.features[].zone_id", "zones.features[].geometry",
        "zones.features[].properties",
    ),
    "operating_rules": (
        "operating_rules[].from_zone_id", "operating_rules[].to_zone_id", "operating_rules[].calendars",
        "operating_rules[].vehicle_type_id",
    ),
    "calendar": ("calendars[].calendar_id", "calendars[].start_date", "calendars[].end_date"),
}  # fmt: skip
TIME = re.compile(r"[0-9]{1,2}:[0-5][0-9]:[0-5][0-9]")
URL = "https://town.example/gofs"


def _values(data: Any, path: str) -> list[Any]:
    """The values at a path; `name[]` is each element of an array, which must not be empty. `KeyError` if missing."""
    found = [data]
    for part in path.split("."):
        name = part.removesuffix("[]")
        found = [value[name] for value in found]
        if part.endswith("[]"):
            assert all(isinstance(value, list) and value for value in found), path
            found = [element for value in found for element in value]
    return found


@pytest.fixture(scope="module")
def files() -> dict[str, dict[str, Any]]:
    """The feed of the shipped pack, through JSON as it is published."""
    made = gofs_files(shipped_packs().packs[-1], updated=1_795_000_000, url=URL)
    read: dict[str, dict[str, Any]] = json.loads(json.dumps(made))
    return read


def test_every_required_member_is_there(files: dict[str, dict[str, Any]]) -> None:
    """Head and data of each file; the discovery file names exactly the others, by their base names."""
    assert set(files) == {"gofs.json", *(f"{name}.json" for name in REQUIRED)}
    for name, paths in REQUIRED.items():
        file = files[f"{name}.json"]
        assert set(file) == {"last_updated", "ttl", "version", "data"}
        assert (file["version"], type(file["last_updated"]), file["ttl"] >= 0) == ("1.0", int, True)
        assert all(value is not None for path in paths for value in _values(file["data"], path))
    ((language, feeds),) = files["gofs.json"]["data"].items()
    assert language == files["system_information.json"]["data"]["language"]
    assert {(feed["name"], feed["url"]) for feed in feeds["feeds"]} == {
        (name, f"{URL}/{name}.json") for name in REQUIRED
    }


def test_rules_refer_to_what_is_there(files: dict[str, dict[str, Any]]) -> None:
    """Zones, calendars, brands and vehicle types by their ids, without spaces; windows come in pairs of times."""
    zones = {zone["zone_id"] for zone in files["zones.json"]["data"]["zones"]["features"]}
    calendars = {entry["calendar_id"] for entry in files["calendar.json"]["data"]["calendars"]}
    vehicles = {entry["vehicle_type_id"] for entry in files["vehicle_types.json"]["data"]["vehicle_types"]}
    brands = {entry["brand_id"] for entry in files["service_brands.json"]["data"]["service_brands"]}
    assert not [name for name in zones | calendars | vehicles | brands if " " in name]
    for rule in files["operating_rules.json"]["data"]["operating_rules"]:
        assert {rule["from_zone_id"], rule["to_zone_id"]} <= zones
        assert set(rule["calendars"]) <= calendars
        assert set(rule["vehicle_type_id"]) <= vehicles
        assert rule["brand_id"] in brands
        assert TIME.fullmatch(rule["start_pickup_window"])
        assert TIME.fullmatch(rule["end_pickup_window"])


def test_zones_are_closed_rings_and_dates_are_dates(files: dict[str, dict[str, Any]]) -> None:
    """RFC 7946 MultiPolygons; YYYYMMDD with the end not before the start; days by three letters."""
    for zone in files["zones.json"]["data"]["zones"]["features"]:
        assert (zone["type"], zone["geometry"]["type"]) == ("Feature", "MultiPolygon")
        for polygon in zone["geometry"]["coordinates"]:
            for ring in polygon:
                assert len(ring) >= 4
                assert ring[0] == ring[-1]
                assert all(-180 <= x <= 180 and -90 <= y <= 90 for x, y in ring)
    for entry in files["calendar.json"]["data"]["calendars"]:
        assert re.fullmatch(r"[0-9]{8}", entry["start_date"])
        assert entry["start_date"] <= entry["end_date"]
        assert set(entry["days"]) <= {"mon", "tue", "wed", "thu", "fri", "sat", "sun"}


def test_a_pack_without_maps_makes_no_feed() -> None:
    """A feed without a zone would be none, so it is refused with the place in the pack."""
    pack = shipped_packs().packs[-1]
    bare = tuple(zone.model_copy(update={"polygon": ()}) for zone in pack.area.zones)
    with pytest.raises(PackError) as caught:
        gofs_files(pack.model_copy(update={"area": pack.area.model_copy(update={"zones": bare})}), updated=0, url=URL)
    assert caught.value.place == "area.zones"


def test_the_command_writes_the_files(tmp_path: Path) -> None:
    """`mykey taxi gofs`, in English too."""
    done = CliRunner().invoke(taxi, ["gofs", "--out", str(tmp_path), "--url", URL + "/", "--language", "en"])
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, 7)
    assert json.loads((tmp_path / "gofs.json").read_text("utf-8"))["data"]["en"]["feeds"][0]["url"].startswith(URL)
