"""Which library system answers: the embedded store, or the library's own one over SIP2. Nobody else asks that."""

from __future__ import annotations

from datetime import datetime

from mykey_core.api import PluginContext, PluginDatabase
from mykey_library.circulation import Circulation, Place
from mykey_library.embedded import EmbeddedCirculation
from mykey_library.policy import Policy


def embedded(context: PluginContext, database: PluginDatabase, at: datetime, place: Place) -> EmbeddedCirculation:
    """The embedded store at one instant, asked from one place."""
    return EmbeddedCirculation(database, Policy.from_settings(context.settings), at, place)


def open_circulation(context: PluginContext, database: PluginDatabase, at: datetime, place: Place) -> Circulation:
    """The library's system at one instant, asked from one place."""
    return embedded(context, database, at, place)
