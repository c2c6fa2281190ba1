"""What every act of the embedded store stands on: the policy of the day, the tables, and where this is happening."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from mykey_core.api import PluginDatabase, tokyo_date
from mykey_library.calendar import Calendar
from mykey_library.circulation import Place
from mykey_library.embedded.collection import Collection, Copy
from mykey_library.embedded.holds import Hold, Holds, HoldState
from mykey_library.embedded.loans import Loans
from mykey_library.embedded.log import Log
from mykey_library.embedded.matrix import read_matrix
from mykey_library.embedded.register import Register
from mykey_library.policy import Policy
from mykey_library.rows import Rows

MEDIA: Final = {"book": "001", "magazine": "002", "cd": "006", "av": "005"}
"""Kind of an item → its media type in SIP2; 000 for others."""


class Ground:
    """One library at one instant, asked from one place, within one transaction."""

    def __init__(self, database: PluginDatabase, policy: Policy, at: datetime, place: Place) -> None:
        self.rows = rows = Rows(database)
        self.at, self.today, self.place = at, tokyo_date(at), place
        self.policy = policy.with_matrix(read_matrix(rows))
        self.collection = Collection(rows)
        self.register = Register(rows)
        self.loans = Loans(rows)
        self.holds = Holds(rows, self.collection, policy.limits.hold_days)
        self.log = Log(rows, policy.forget_days)
        self._here = self.collection.branch_at(place.branch) if place.branch else None

    def branch_of(self, copy: Copy) -> str:
        """Where this is happening: the terminal's branch, or the copy's own where that is not known."""
        return self._here or copy.branch

    def _calendar(self, copy: Copy) -> Calendar:
        return self.collection.calendar(self.branch_of(copy))

    def _pickup(self, wanted: str) -> str | None:
        return (self.collection.branch_at(wanted) if wanted else None) or self._here

    def _locked(self, barcode: str) -> Copy | None:
        copy = self.collection.copy(barcode)
        if copy is not None:
            self.collection.lock_title(copy.title_id)
        return copy

    def _release(self, over: Hold) -> None:
        """Give the copy of a hold that is over to the next in line. One that travels is routed where it arrives."""
        copy = self.collection.copy(over.barcode) if over.barcode else None
        if copy is not None and over.state is HoldState.WAITING:
            self.holds.route(copy, over.pickup, at=self.at, today=self.today)
