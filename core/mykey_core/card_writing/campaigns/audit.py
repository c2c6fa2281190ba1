"""A campaign at readers in the hub's audit log: that it began or went on, and how it ended.

What became of each card stands in the campaign's own signed report.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mykey_core.audit.records import append
from mykey_core.card_writing.campaigns.setup import Setup
from mykey_core.card_writing.events import REGISTERED
from mykey_core.clock import Clock, system_clock
from mykey_core.settings import load_settings
from mykey_core.storage.database import open_database

assert REGISTERED  # noqa: S101 - importing registers the events


def record_begin(setup: Setup, clock: Clock = system_clock) -> None:
    """Before the first card of a run. Raises `StorageUnavailable`: what cannot be recorded is not done."""
    facts = {"profile": setup.profile_name, "provider": str(setup.provider), "generation": setup.generation}
    _record(setup, "card_campaign.begun", {**facts, "cards": setup.cards}, clock)


def record_end(setup: Setup, states: Mapping[str, int], stopped: str | None, clock: Clock = system_clock) -> None:
    """After a run: how many cards are in which state by now, and why it stopped before its end."""
    counted = [f"{state}/{count}" for state, count in sorted(states.items())]
    _record(setup, "card_campaign.ended", {"states": counted, "stopped": stopped}, clock)


def _record(setup: Setup, event: str, facts: Mapping[str, object], clock: Clock) -> None:
    if setup.config is None:  # simulated cards are nobody's
        return
    settings = load_settings(Path(setup.config))
    database = open_database(settings.database_url, settings.municipality)
    try:
        with database.writing() as session:
            append(session, settings.municipality, clock(), event, {"campaign": setup.campaign, **facts})
    finally:
        database.dispose()
