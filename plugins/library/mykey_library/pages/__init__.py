"""The library's pages: `citizen` in the portal, `staff` at the counter. What they show they ask of the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mykey_core.api import Area, NavigationItem, Pages
from mykey_library.pages.citizen import citizen
from mykey_library.pages.staff import staff

NAVIGATION: Final = (
    NavigationItem(Area.CITIZEN, "page.mine.title", "library-mine.show", 40),
    NavigationItem(Area.CITIZEN, "page.search.title", "library-mine.search", 41),
    NavigationItem(Area.STAFF, "page.desk.title", "library-staff.show", 40),
    NavigationItem(Area.STAFF, "page.shelf.title", "library-staff.shelf", 41),
    NavigationItem(Area.STAFF, "page.overdue.title", "library-staff.overdue", 42),
    NavigationItem(Area.STAFF, "page.statistics.title", "library-staff.statistics_page", 43),
)


def pages() -> Sequence[Pages]:
    """The blueprints by area."""
    return (Pages(Area.CITIZEN, citizen, "page.mine.title"), Pages(Area.STAFF, staff, "page.desk.title"))
