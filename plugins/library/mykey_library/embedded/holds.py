"""Holds: the queue of a title, the copy that is set aside for its first in line, and the way between branches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import select
from uuid_utils.compat import uuid7

from mykey_library.circulation import ItemState
from mykey_library.embedded.collection import Collection, Copy
from mykey_library.rows import Rows
from mykey_library.tables import hold, notice, title, transit


class HoldState(StrEnum):
    """Where a hold stands."""

    QUEUED = "queued"  # no copy yet
    TRAVELLING = "travelling"  # a copy is on its way to the branch
    WAITING = "waiting"  # a copy stands on the hold shelf


@dataclass(frozen=True, slots=True)
class Hold:
    """A patron waits for a title, or for one copy (`wanted`); `barcode` is the copy that is set aside."""

    id: UUID
    title_id: str
    wanted: str | None
    number: str
    pickup: str
    placed_at: datetime
    state: HoldState
    barcode: str | None
    waits_until: date | None
    title: str


@dataclass(frozen=True, slots=True)
class Route:
    """What becomes of a copy that is free: it stays, waits for somebody, or goes to another branch."""

    state: ItemState
    for_hold: bool = False
    send_to: str = ""


_hold = select(
    hold.c.id,
    hold.c.title_id,
    hold.c.wanted_barcode,
    hold.c.patron_number,
    hold.c.pickup_branch,
    hold.c.placed_at,
    hold.c.state,
    hold.c.barcode,
    hold.c.waits_until,
    title.c.title,
).join(title, (title.c.municipality == hold.c.municipality) & (title.c.id == hold.c.title_id))


def _as_hold(row: Any) -> Hold:
    values = list(row)
    values[6] = HoldState(values[6])
    return Hold(*values)


@dataclass(frozen=True, slots=True)
class Holds:
    """The holds of one library."""

    rows: Rows
    collection: Collection
    hold_days: int

    def _all(self, **equal: object) -> list[Hold]:
        found = _hold.where(*self.rows.where(hold, **equal)).order_by(hold.c.placed_at, hold.c.id)
        return [_as_hold(row) for row in self.rows.all(found)]

    def of_patron(self, number: str) -> list[Hold]:
        """What a patron waits for, the oldest first."""
        return self._all(patron_number=number)

    def find(self, number: str, title_id: str) -> Hold | None:
        """The hold of a patron on a title."""
        return next(iter(self._all(patron_number=number, title_id=title_id)), None)

    def queue(self, title_id: str, copy: str | None = None) -> list[Hold]:
        """Who waits without a copy yet, first in line first; with `copy` those only whom that copy can serve."""
        queued = self._all(title_id=title_id, state=HoldState.QUEUED.value)
        return [one for one in queued if copy is None or one.wanted in {None, copy}]

    def ahead(self, copy: Copy, number: str) -> int:
        """How many others this copy has to serve before the patron, or at all when the patron does not wait."""
        line = [one.number for one in self.queue(copy.title_id, copy.barcode)]
        return line.index(number) if number in line else len(line)

    def set_aside(self, barcode: str) -> Hold | None:
        """For whom a copy is set aside."""
        return next(iter(self._all(barcode=barcode)), None)

    def position(self, one: Hold) -> int:
        """The place in the queue, counted from 1; 0 when a copy is set aside already."""
        line = [queued.id for queued in self.queue(one.title_id)]
        return line.index(one.id) + 1 if one.id in line else 0

    def place(self, number: str, title_id: str, pickup: str, *, at: datetime, wanted: str | None = None) -> Hold:
        """Join the queue."""
        key: UUID = uuid7()
        own = {"patron_number": number, "title_id": title_id, "pickup_branch": pickup, "placed_at": at}
        state = HoldState.QUEUED.value
        self.rows.add(hold, id=key, wanted_barcode=wanted, state=state, barcode=None, waits_until=None, **own)
        return self._all(id=key)[0]

    def change_pickup(self, one: Hold, pickup: str) -> None:
        """Fetch it elsewhere; a copy that waits already is sent on when it is scanned next."""
        self.rows.change(hold, {"pickup_branch": pickup}, id=one.id)

    def remove(self, one: Hold) -> None:
        """Take a hold out of the queue; the copy that was set aside has to be routed anew."""
        self.rows.remove(hold, id=one.id)

    # -- copies ------------------------------------------------------------------------------------------

    def route(self, copy: Copy, here: str, *, at: datetime, today: date) -> Route:
        """Decide what becomes of a copy that is free in the branch `here`, and record it."""
        self.rows.remove(transit, barcode=copy.barcode)
        line = self.queue(copy.title_id, copy.barcode) if copy.for_loan else []
        if line:
            return self._set_aside(line[0], copy, here, at, today)
        if copy.branch != here:
            return self._send(copy, here, copy.branch, at)
        self.collection.set_state(copy.barcode, ItemState.AVAILABLE)
        return Route(ItemState.AVAILABLE)

    def arrive(self, one: Hold, copy: Copy, here: str, *, at: datetime, today: date) -> Route:
        """A copy that is set aside was scanned: it waits where it is fetched, or goes on to there."""
        self.rows.remove(transit, barcode=copy.barcode)
        return self._set_aside(one, copy, here, at, today)

    def _set_aside(self, one: Hold, copy: Copy, here: str, at: datetime, today: date) -> Route:
        if one.pickup != here:
            self._mark(one, HoldState.TRAVELLING, copy.barcode, None)
            return self._send(copy, here, one.pickup, at, for_hold=True)
        until = self.collection.calendar(here).first_open(today + timedelta(days=self.hold_days))
        self._mark(one, HoldState.WAITING, copy.barcode, until)
        self.collection.set_state(copy.barcode, ItemState.HOLD_SHELF)
        if one.state is not HoldState.WAITING:
            self.rows.add(
                notice, id=uuid7(), patron_number=one.number, made_on=today, kind="hold-waiting", barcode=copy.barcode
            )
        return Route(ItemState.HOLD_SHELF, for_hold=True)

    def _mark(self, one: Hold, state: HoldState, barcode: str, until: date | None) -> None:
        values = {"state": state.value, "barcode": barcode, "waits_until": until}
        self.rows.change(hold, values, id=one.id)

    def _send(self, copy: Copy, here: str, there: str, at: datetime, *, for_hold: bool = False) -> Route:
        self.rows.add(transit, barcode=copy.barcode, from_branch=here, to_branch=there, since=at)
        self.collection.set_state(copy.barcode, ItemState.IN_TRANSIT)
        return Route(ItemState.IN_TRANSIT, for_hold, there)

    def destination(self, barcode: str) -> str | None:
        """The branch that a copy travels to."""
        row = self.rows.one(transit, barcode=barcode)
        return str(row.to_branch) if row else None

    def forget_way(self, barcode: str) -> None:
        """The copy does not travel any more."""
        self.rows.remove(transit, barcode=barcode)

    def expired(self, today: date) -> list[Hold]:
        """Holds whose last day on the shelf is over."""
        waiting = self._all(state=HoldState.WAITING.value)
        return [one for one in waiting if one.waits_until is not None and one.waits_until < today]

    def put_back(self, one: Hold) -> None:
        """The copy that was set aside is gone: back to the patron's old place in the queue."""
        self.rows.change(hold, {"state": HoldState.QUEUED.value, "barcode": None, "waits_until": None}, id=one.id)

    def waited_for(self) -> dict[str, int]:
        """Title → how many wait for it without a copy."""
        counts: dict[str, int] = {}
        for one in self._all(state=HoldState.QUEUED.value):
            counts[one.title_id] = counts.get(one.title_id, 0) + 1
        return counts
