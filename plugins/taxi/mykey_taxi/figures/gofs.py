"""Zones and operating rules as GOFS-lite 1.0 files, from a rule pack: what journey planners can read.

Written: gofs, system_information, service_brands, vehicle_types, zones, operating_rules, calendar. Not written:
wait_times, for which a programme has no data. Only zones with a polygon appear; rides to a place outside the city have
no zone and so no rule. Rings follow RFC 7946 (counterclockwise outside), as the examples of the specification do.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Any, Final

from mykey_taxi.errors import PackError
from mykey_taxi.rules.pack import WEEKDAYS, Pack, Zone

VERSION: Final = "1.0"
_VEHICLE: Final = "taxi"
_OPEN_END: Final = date(2099, 12, 31)


def gofs_files(pack: Pack, *, updated: int, url: str, language: str = "ja") -> dict[str, dict[str, Any]]:
    """File name → content. `updated` is POSIX seconds, `url` the folder in which the files will stand."""
    zones = [zone for zone in pack.area.zones if zone.polygon]
    if not zones:
        raise PackError(pack.programme.id, "area.zones", "no zone has a polygon, and GOFS needs one")
    name = pack.programme.title.get("ja" if language == "ja" else "en", pack.programme.id)
    contents: dict[str, dict[str, Any]] = {
        "system_information": {"language": language, "timezone": "Asia/Tokyo", "name": name},
        "service_brands": {"service_brands": [{"brand_id": pack.programme.id, "brand_name": name}]},
        "vehicle_types": {"vehicle_types": [{"vehicle_type_id": _VEHICLE}]},
        "zones": {"zones": {"type": "FeatureCollection", "features": [_feature(zone, language) for zone in zones]}},
        "operating_rules": {"operating_rules": _rules(pack, zones)},
        "calendar": {"calendars": [_calendar(pack)]},
    }
    feeds = [{"name": feed, "url": f"{url.rstrip('/')}/{feed}.json"} for feed in contents]
    files = {"gofs": {language: {"feeds": feeds}}, **contents}
    head = {"last_updated": updated, "ttl": 86_400, "version": VERSION}
    return {f"{feed}.json": {**head, "data": data} for feed, data in files.items()}


def _feature(zone: Zone, language: str) -> dict[str, Any]:
    return {
        "type": "Feature",
        "zone_id": zone.id,
        "geometry": {"type": "MultiPolygon", "coordinates": [[_counterclockwise(zone.polygon)]]},
        "properties": {"name": zone.title.get("ja" if language == "ja" else "en", zone.id)},
    }


def _counterclockwise(ring: Sequence[tuple[float, float]]) -> list[list[float]]:
    """The ring in the direction of RFC 7946 §3.1.6, by the sign of its area."""
    pairs = pairwise(ring)
    area = sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairs)
    ordered = ring if area > 0 else list(reversed(ring))
    return [list(point) for point in ordered]


def _rules(pack: Pack, zones: Sequence[Zone]) -> list[dict[str, Any]]:
    hours = pack.service.hours
    window = {}
    if hours is not None:
        last = "59" if pack.service.end_inclusive else "00"  # the closing minute is inside (TX-H1)
        window = {"start_pickup_window": f"{hours[0]}:00", "end_pickup_window": f"{hours[1]}:{last}"}
    common = {**window, "calendars": [pack.programme.id], "brand_id": pack.programme.id, "vehicle_type_id": [_VEHICLE]}
    return [{"from_zone_id": start.id, "to_zone_id": end.id, **common} for start in zones for end in zones]


def _calendar(pack: Pack) -> dict[str, Any]:
    days = [day for day in WEEKDAYS if day in pack.service.weekdays]
    return {
        "calendar_id": pack.programme.id,
        "days": days,
        "start_date": f"{pack.programme.valid_from:%Y%m%d}",
        "end_date": f"{pack.programme.valid_to or _OPEN_END:%Y%m%d}",
    }
