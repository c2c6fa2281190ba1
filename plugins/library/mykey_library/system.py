"""Which library system answers: the embedded store, or the library's own one over SIP2. Nobody else asks that."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mykey_core.api import PluginContext, PluginDatabase
from mykey_library.circulation import Circulation, Place
from mykey_library.embedded import EmbeddedCirculation
from mykey_library.policy import LibrarySettingError, Policy

if TYPE_CHECKING:
    from mykey_library.sip2.client import Peer, Sip2Connection
    from mykey_library.sip2.profiles import SystemProfile

_PATIENCE_AT_A_TAP: Final = 4.0
"""Seconds for one reply while a citizen waits and the hub's transaction is open; an agent waits thirty for a tap."""
_RETRIES_AT_A_TAP: Final = 1
_lines = threading.local()  # one connection for each thread: SIP2 answers one question after the other


def embedded(context: PluginContext, database: PluginDatabase, at: datetime, place: Place) -> EmbeddedCirculation:
    """The embedded store at one instant, asked from one place."""
    return EmbeddedCirculation(database, Policy.from_settings(context.settings), at, place)


def is_embedded(settings: Mapping[str, Any]) -> bool:
    """Whether the hub itself is the library's system."""
    return bool(settings.get("system", "embedded") == "embedded")


def check_system(settings: Mapping[str, Any]) -> None:
    """`LibrarySettingError` when the settings name a system over SIP2 that cannot be read."""
    if not is_embedded(settings):
        _peer(settings)


def open_circulation(context: PluginContext, database: PluginDatabase, at: datetime, place: Place) -> Circulation:
    """The library's system at one instant, asked from one place.

    Over SIP2 the tap's transaction waits for the system: four seconds for a reply, and once more, whatever the profile
    or the system itself would allow.
    """
    if is_embedded(context.settings):
        return embedded(context, database, at, place)
    from mykey_library.sip2.remote import Sip2Circulation  # noqa: PLC0415 - most towns have the embedded store

    return Sip2Circulation(_line(context.settings), now=lambda: datetime.now(UTC), language=place.language)


def _line(settings: Mapping[str, Any]) -> Sip2Connection:
    from mykey_library.sip2.client import Sip2Connection  # noqa: PLC0415 - as above

    peer = _peer(settings)
    known: dict[Peer, Sip2Connection] = _lines.__dict__.setdefault("known", {})
    return known.setdefault(peer, Sip2Connection(peer))


def _peer(settings: Mapping[str, Any]) -> Peer:
    from mykey_library.sip2.commands import peer_of_file  # noqa: PLC0415 - as above
    from mykey_library.sip2.errors import ConfigurationError  # noqa: PLC0415 - as above

    if not settings["sip2_host"]:
        raise LibrarySettingError("system is sip2, so sip2_host has to name the library system")
    try:
        peer = peer_of_file(settings["sip2_host"], settings["sip2_port"], Path(settings["sip2_file"]))
    except ConfigurationError as error:
        raise LibrarySettingError(f"sip2_file: {error}") from error
    return replace(peer, profile=_in_haste(peer.profile))


def _in_haste(profile: SystemProfile) -> SystemProfile:
    """The profile with the patience of somebody who stands at a machine."""
    seconds, retries = min(profile.reply_seconds, _PATIENCE_AT_A_TAP), min(profile.retries, _RETRIES_AT_A_TAP)
    return profile.model_copy(update={"reply_seconds": seconds, "retries": retries, "obeys_timeout": False})
