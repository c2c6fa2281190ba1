"""All views of the administration, so that the application needs one import."""

from __future__ import annotations

from mykey_web.admin import audit, campaigns, home, jobs, members, plugins, points, settings, terminals, trust
from mykey_web.admin.frame import NAVIGATION, blueprint, catalogue

VIEWS = (home, plugins, points, terminals, members, trust, campaigns, audit, jobs, settings)

__all__ = ["NAVIGATION", "VIEWS", "blueprint", "catalogue"]
