"""The plugin's pages: `citizen` in the portal, `staff` at the counter, `admin` for the town's administration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mykey_core.api import Area, NavigationItem, Pages
from mykey_taxi.pages.admin import admin
from mykey_taxi.pages.citizen import citizen
from mykey_taxi.pages.staff import staff

NAVIGATION: Final = (
    NavigationItem(Area.CITIZEN, "page.mine.title", "taxi-mine.show", 50),
    NavigationItem(Area.STAFF, "page.held.title", "taxi-staff.show", 50),
    NavigationItem(Area.ADMIN, "page.months.title", "taxi-admin.show", 50),
    NavigationItem(Area.ADMIN, "page.figures.title", "taxi-admin.figures", 51),
)


def pages() -> Sequence[Pages]:
    """The blueprints by area."""
    return (
        Pages(Area.CITIZEN, citizen, "page.mine.title"),
        Pages(Area.STAFF, staff, "page.held.title"),
        Pages(Area.ADMIN, admin, "page.months.title"),
    )
