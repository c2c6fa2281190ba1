"""The plugin's pages: `citizen` in the portal, `staff` at the counter, `admin` for the town's administration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mykey_core.api import NavigationItem, Pages

NAVIGATION: Final[Sequence[NavigationItem]] = ()


def pages() -> Sequence[Pages]:
    """The blueprints by area."""
    return ()
