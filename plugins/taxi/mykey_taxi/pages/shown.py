"""What pages of several areas show: the programme's name, flags and reasons in words, operators by name."""

from __future__ import annotations

from mykey_core.api import PluginDatabase
from mykey_taxi.held import HeldRide
from mykey_taxi.register import Register
from mykey_taxi.rules.packs import PackSeries
from mykey_taxi.settlement.cycle import parse_cycle
from mykey_web.api import instant_text, t


def programme_title(packs: PackSeries, month: str, language: str) -> str:
    """The name of the programme in a month."""
    facts = packs.on(parse_cycle(month).first_day).programme
    titles = {str(name): text for name, text in facts.title.items()}
    return titles.get(language) or titles.get("ja", facts.id)


def operator_names(database: PluginDatabase) -> dict[str, str]:
    """Operator → name."""
    return {name: entry.name for name, entry in Register(database).operators().items()}


def held_row(ride: HeldRide, operators: dict[str, str], language: str) -> dict[str, object]:
    """A ride for the clerk: no registration, no name."""
    marks = [t(f"flag.{name}") for name in ride.flags]
    if ride.reason:
        marks.append(t(f"reason.{ride.reason}"))
    return {
        "id": ride.ride_id,
        "at": instant_text(ride.board_at, language),
        "operator": operators.get(ride.operator_id, ride.operator_id),
        "fare": ride.fare_yen,
        "subsidy": ride.subsidy_yen,
        "riders": ride.riders,
        "why": marks or [t("held.denied_or_clock")],
    }
