"""Terminals without a network refuse what a counter has suspended: the denied cards follow the counter's writings.

A lost card is not at any counter: its service's plugin denies it (`context.card.deny`), or `mykey card-services deny`.
"""

from __future__ import annotations

from typing import Final

from mykey_core.card_writing.journal import WritingRow
from mykey_core.card_writing.plan import Operation
from mykey_core.card_writing.slot_proofs import card_alias
from mykey_core.card_writing.writer import Ending
from mykey_core.clock import Clock
from mykey_core.keys.provider import KeyProvider
from mykey_core.storage.database import Database
from mykey_core.terminals.configuration import allow_card, deny_card

SUSPENDED: Final = "suspended"
"""The reason of a denial that a counter made."""


class SlotDenials:
    """The denials of one municipality that follow from suspending and resuming services on cards."""

    def __init__(self, database: Database, municipality: str, clock: Clock, keys: KeyProvider) -> None:
        self._database = database
        self._municipality = municipality
        self._clock = clock
        self._keys = keys

    def follow(self, row: WritingRow, ending: Ending, serial: bytes | None) -> None:
        """Deny the card in this service once it is suspended, also when it was pulled before it said so; or allow it.

        Raises `StorageUnavailable`.
        """
        if serial is None:
            return
        alias = card_alias(self._keys, row.plugin, self._municipality, serial)
        actor = "hub" if row.terminal is None else f"terminal:{row.terminal}"
        if row.operation == Operation.SUSPEND and ending.state in {"done", "unknown"}:
            self.deny(alias, reason=SUSPENDED, actor=actor)
        elif row.operation == Operation.RESUME and ending.state == "done":
            self.allow(alias, actor=actor)

    def deny(self, alias: str, *, reason: str, actor: str) -> None:
        """Deny whatever carries `alias`; `reason` is a machine word. Once more changes nothing."""
        town, now = self._municipality, self._clock()
        self._database.commit(lambda session: deny_card(session, town, alias, reason=reason, at=now, actor=actor))

    def allow(self, alias: str, *, actor: str) -> bool:
        """End the denial; False when there is none."""
        town, now = self._municipality, self._clock()
        return self._database.commit(lambda session: allow_card(session, town, alias, at=now, actor=actor))
