"""A hub's card counter put together from its parts, and the plugins' share in it: they hand over data, and hear.

A plugin never sees an APDU, a serial or a key: it gets a person's pairwise id and an alias of the card of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import select

from mykey_core.card_writing.card_taps import TapJournal
from mykey_core.card_writing.counter import CardCounter, CounterParts
from mykey_core.card_writing.denials import SlotDenials
from mykey_core.card_writing.errors import WritingCode, WritingRefused
from mykey_core.card_writing.journal import WritingJournal, WritingRow
from mykey_core.card_writing.plan import Operation
from mykey_core.card_writing.profiles import CardData, CardProfile
from mykey_core.card_writing.references import CardReferences
from mykey_core.card_writing.slot_proofs import card_alias
from mykey_core.card_writing.turns import TurnBox
from mykey_core.card_writing.writer import Ending
from mykey_core.errors import StorageUnavailable
from mykey_core.plugins.arguments import CardOperation, CardProfileRequest, CardWritten
from mykey_core.plugins.errors import PluginFault
from mykey_core.storage.tables import visit as visit_table

if TYPE_CHECKING:
    from mykey_core.hub import Hub

_TOLD: Final = {
    Operation.WRITE: CardOperation.WRITTEN,
    Operation.SUSPEND: CardOperation.SUSPENDED,
    Operation.RESUME: CardOperation.RESUMED,
    Operation.DELETE: CardOperation.DELETED,
}
_log = logging.getLogger(__name__)


def open_counter(hub: Hub) -> CardCounter:
    """The counter of this process. The keys of cards are opened when the first writing needs them."""
    town, keys = hub.settings.municipality, hub.people.keys
    references = CardReferences(keys)

    denials = SlotDenials(hub.database, town, hub.clock, keys)

    def ended(row: WritingRow, ending: Ending, serial: bytes | None, subject: str | None) -> None:
        try:
            denials.follow(row, ending, serial)
        except StorageUnavailable:
            _log.warning("terminals without a network were not told of a card: repeat the writing")
        _tell(hub, row, ending, serial, subject)

    return CardCounter(
        CounterParts(
            database=hub.database,
            municipality=town,
            clock=hub.clock,
            journal=WritingJournal(hub.database, town, hub.clock, references),
            taps=TapJournal(hub.database, town, hub.clock, references),
            settings=hub.settings.card_writing,
            profiles=profiles_of(hub),
            keys=lambda: hub.settings.card_writing.open_keys(town),
            turns=TurnBox(hub.database, town, hub.clock, keys),
            ended=ended,
        )
    )


def profiles_of(hub: Hub) -> dict[str, CardProfile]:
    """The card profiles of the active plugins, by plugin."""
    found = {name: plugin.context.manifest.card_profile for name, plugin in hub.plugins.plugins.items()}
    return {name: profile for name, profile in found.items() if profile is not None}


def profile_data(
    hub: Hub,
    profile: CardProfile | None,
    plugin: str,
    values: Mapping[str, str | int],
    *,
    numbers: tuple[int, int, int],
    visit: UUID | None,
    terminal: UUID,
) -> tuple[CardData | None, str | None]:
    """The data to write, and whose: the plugin's own for the person of the visit, else what the counter typed in.

    `numbers` are value, rides and period. `profile_does_not_fit` when the plugin has nothing for this person.
    """
    subject = None if visit is None else _subject(hub, plugin, visit, terminal)
    if profile is None:
        return None, subject
    if subject is not None:
        request = CardProfileRequest(
            hub.settings.municipality, subject, hub.clock(), {name: str(value) for name, value in values.items()}
        )
        with hub.database.writing() as session:
            data = hub.plugins.card_profile(plugin, request, session)
        if data is None:
            raise WritingRefused(WritingCode.PROFILE_DOES_NOT_FIT, "the plugin has nothing for this person")
        return data, subject
    value, rides, period = numbers
    return CardData(profile.values_from_json(values), value=value, rides=rides, period=period), None


def _subject(hub: Hub, plugin: str, visit: UUID, terminal: UUID) -> str:
    own = visit_table.c
    wanted = select(own.subject).where(
        own.municipality == hub.settings.municipality,
        own.id == visit,
        own.plugin == plugin,
        own.terminal_id == terminal,
        own.expires_at > hub.clock(),
    )
    with hub.database.reading() as session:
        subject = session.execute(wanted).scalar()
    if subject is None:
        raise WritingRefused(WritingCode.VISIT_ENDED)
    return str(subject)


def _tell(hub: Hub, row: WritingRow, ending: Ending, serial: bytes | None, subject: str | None) -> None:
    """The plugin hears of its slot once the card has confirmed it. What it does with that cannot undo the writing."""
    operation = _TOLD.get(Operation(row.operation))
    profile = profiles_of(hub).get(row.plugin)
    if ending.state != "done" or not ending.steps or operation is None or serial is None or profile is None:
        return
    town = hub.settings.municipality
    alias = card_alias(hub.people.keys, row.plugin, town, serial)
    written = CardWritten(town, subject, profile.service, operation, alias, hub.clock())
    try:
        with hub.database.writing() as session:
            hub.plugins.card_written(row.plugin, written, session)
    except (PluginFault, StorageUnavailable) as error:
        _log.warning("the plugin %s did not take that its slot was %s: %s", row.plugin, operation, type(error).__name__)
