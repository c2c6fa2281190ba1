"""A card reader at this computer, through PC/SC.

Sharing the card, transactions and powering it off after a PIN are `mykey_cardap.pcsc`'s business.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from mykey_cardap.errors import NoCardError, NoReaderError
from mykey_cardap.pcsc import choose_reader, list_readers, load_backend, open_card
from mykey_cardap.pcsc.winscard import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mykey_cardap.pcsc.winscard import ReaderState, Winscard
    from mykey_cardap.transport import Transport
    from mykey_terminal.readers import ReaderKind


class SilentCardError(NoCardError):
    """A card is in the reader and does not answer: it lies on its wrong side, or its contacts are dirty."""


class PcscReader:
    """The reader called `wanted` (or whose name contains it), else the only one that holds a card."""

    kind: ReaderKind = "pcsc"

    def __init__(self, wanted: str | None = None, *, winscard: Winscard | None = None) -> None:
        self._wanted = wanted
        self._winscard = winscard

    @property
    def name(self) -> str:
        """The name of the reader that would be used now; what was asked for when it is not there."""
        try:
            return choose_reader(self._wanted, self._backend())
        except (NoReaderError, NoCardError):
            return self._wanted or ""

    def card_present(self) -> bool:
        """Whether the reader holds a card. Raises `NoReaderError`, `ReaderChoiceError` and `SilentCardError`."""
        readers = self._readers()
        if any(reader.card_present for reader in readers):
            return True
        if any(reader.state & State.PRESENT for reader in readers):
            raise SilentCardError("the card does not answer: turn it over or wipe its contacts")
        return False

    @property
    def movements(self) -> int:
        """How often cards came and went, as pcsc-lite counts them since it started."""
        return sum(reader.event_count for reader in self._readers())

    @property
    def insertion(self) -> tuple[tuple[str, int], ...] | None:
        """Readers that hold a card, each with its count of movements: other readers may come and go."""
        held = tuple((reader.reader, reader.event_count) for reader in self._readers() if reader.card_present)
        return held or None

    def _readers(self) -> list[ReaderState]:
        backend = self._backend()
        readers = list_readers(backend)
        if not readers:
            raise NoReaderError("no card reader is connected")
        if self._wanted is None:
            return readers
        chosen = choose_reader(self._wanted, backend)
        return [reader for reader in readers if reader.reader == chosen]

    @contextmanager
    def open(self) -> Iterator[Transport]:
        """Hold the card in one transaction."""
        with open_card(self._wanted, winscard=self._backend()) as connection, connection.transaction() as transport:
            yield transport

    def _backend(self) -> Winscard:
        if self._winscard is None:
            self._winscard = load_backend()
        return self._winscard
