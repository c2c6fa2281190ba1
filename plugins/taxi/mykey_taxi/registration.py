"""Registration at the counter: who is eligible, on what ground, until when; usable from the same day on.

What is known comes from the card with consent, or from documents that the clerk has seen. Nothing of it is kept but
the ground that was met.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from mykey_core.api import Attribute, ConsentDenied, PluginContext, PluginDatabase, TapRequest, tokyo_date
from mykey_taxi.register import Register
from mykey_taxi.rules.civil import fiscal_year
from mykey_taxi.rules.eligibility import Applicant, Eligibility, assess
from mykey_taxi.rules.expressions import Ground
from mykey_taxi.rules.pack import Pack
from mykey_taxi.rules.packs import PackSeries

PURPOSE: Final = "eligibility"
DOCUMENTS: Final = {
    "1": Ground.NO_LICENCE,
    "2": Ground.LICENCE_RETURNED,
    "3": Ground.DISABILITY,
    "4": Ground.CARE_LEVEL,
    "5": Ground.INTRACTABLE,
    "6": Ground.PREGNANT_POSTPARTUM,
    "7": Ground.LICENCE,
    "8": Ground.VEHICLE_SUBSIDY,
    "9": Ground.VEHICLE_TAX_REDUCTION,
    "0": Ground.CAN_USE_VEHICLE,
}
"""What the clerk types for a document; the order is that of the form."""


@dataclass(frozen=True, slots=True)
class Registered:
    """The outcome of an application. `rider_id` and `until` are None when it was refused."""

    eligibility: Eligibility
    rider_id: str | None = None
    until: date | None = None


def register(context: PluginContext, packs: PackSeries, request: TapRequest, database: PluginDatabase) -> Registered:
    """Register the person of the tap for the fiscal year; again in the same year changes nothing."""
    day = tokyo_date(request.at)
    pack = packs.on(day)
    answer = assess(pack, applicant(context, request.input), day)
    if not answer.eligible or request.subject is None:
        return Registered(answer)
    until = last_day(pack, day, request.input)
    book = Register(database)
    rider_id = book.enrol(request.subject, request.at)
    member = book.members([rider_id]).get(rider_id)
    first = day if member is None or not member.covers(day.toordinal()) else _day_after(member.spans, day)
    if first <= until:
        ground = answer.met_by or ""
        book.add_registration(rider_id, first, until, ground=ground, pack_hash=answer.pack_hash, at=request.at)
    return Registered(answer, rider_id, until)


def _day_after(spans: tuple[tuple[int, int], ...], day: date) -> date:
    """The day after the span that covers `day`; the last day there is for one without end."""
    end = max(last for first, last in spans if first <= day.toordinal() <= last)
    return date.max if end >= date.max.toordinal() else date.fromordinal(end + 1)


def applicant(context: PluginContext, values: Mapping[str, str]) -> Applicant:
    """What is known of the applicant. The service's policy lets residents of the town only reach this point."""
    birth = _birth_from_card(context)
    if birth is None and values.get("birth"):
        birth = date.fromisoformat(values["birth"])
    seen = frozenset(DOCUMENTS[digit] for digit in values.get("documents", ""))
    return Applicant(birth, resident=True, grounds=seen)


def _birth_from_card(context: PluginContext) -> date | None:
    if context.people is None:
        return None
    try:
        found = context.people.attributes(PURPOSE)[Attribute.BIRTH_DATE]
    except ConsentDenied:  # the person does not want that, or the signature certificate was not shown
        return None
    return found if isinstance(found, date) else None


def last_day(pack: Pack, day: date, values: Mapping[str, str]) -> date:
    """The end of the fiscal year, or an earlier day that the clerk has given."""
    month, first = pack.programme.year_start
    end = date(fiscal_year(day, (month, first)) + 1, month, first) - timedelta(days=1)
    asked = values.get("last_day")
    return min(end, date.fromisoformat(asked)) if asked else end
