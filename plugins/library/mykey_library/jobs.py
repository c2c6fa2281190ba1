"""What the library does every night: overdue notices, the end of holds that nobody fetched, and forgetting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from uuid_utils.compat import uuid7

from mykey_core.api import DailyAt, Job, Json, PluginContext, PluginDatabase, tokyo_date
from mykey_library.circulation import Place
from mykey_library.embedded import EmbeddedCirculation
from mykey_library.links import Links
from mykey_library.rows import Rows
from mykey_library.system import embedded
from mykey_library.tables import notice

NIGHT: Final = time(4, 30)  # Asia/Tokyo: after the day of the last returns, before the doors open
_AGAIN: Final = timedelta(days=7)
_NOTICES_KEPT: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Night:
    """What one night has done; `patrons` are the numbers for whom a notice was made."""

    notices: int
    holds_ended: int
    forgotten: int
    patrons: frozenset[str] = frozenset()


def run_night(library: EmbeddedCirculation) -> Night:
    """Everything of one night; done twice on a day, the second time does nothing."""
    told = [number for barcode, number in _late(library) if _notify(library, barcode, number)]
    ended = library.expire_holds()
    _drop_old_notices(library)
    return Night(len(told), ended, library.log.forget(library.today), frozenset(told))


def _late(library: EmbeddedCirculation) -> list[tuple[str, str]]:
    return [(loan.barcode, loan.number) for loan in library.loans.overdue(library.today)]


def _notify(library: EmbeddedCirculation, barcode: str, number: str) -> bool:
    """A notice on the first day after the due date and every week from then on."""
    last: date | None = library.loans.notified_on(barcode)
    if last is not None and library.today < last + _AGAIN:
        return False
    library.loans.set_notified(barcode, library.today)
    day = {"made_on": library.today, "kind": "overdue", "barcode": barcode}
    library.rows.add(notice, id=uuid7(), patron_number=number, **day)
    return True


def _drop_old_notices(library: EmbeddedCirculation) -> None:
    rows = library.rows.all(library.rows.select(notice).where(notice.c.made_on < library.today - _NOTICES_KEPT))
    for row in rows:
        library.rows.remove(notice, id=row.id)


def daily(context: PluginContext, database: PluginDatabase, arguments: Mapping[str, Json], at: datetime) -> None:
    """The job that the hub runs; it tells how much it did, and of whom to nobody."""
    del arguments
    done = run_night(embedded(context, database, at, Place("night")))
    if context.may("people"):
        _write_to(context, database, done.patrons)
    counts = {"notices": done.notices, "holds-ended": done.holds_ended, "forgotten": done.forgotten}
    context.events.publish("library.night-done", {**counts, "day": tokyo_date(at).isoformat()}, database)


def _write_to(context: PluginContext, database: PluginDatabase, numbers: frozenset[str]) -> None:
    """A message in the portal for everybody who has linked a card.

    It names no item: what somebody reads is nobody's business outside of the library (requirement (f)).
    """
    links = Links(Rows(database))
    title, text = context.text("notice.overdue.title"), context.text("notice.overdue.text")
    for subject in sorted(subject for number in numbers for subject in links.subjects_of(number)):
        context.messages.send(subject, title, text, database)


JOBS: Final = (Job("daily", daily, DailyAt(NIGHT)),)
