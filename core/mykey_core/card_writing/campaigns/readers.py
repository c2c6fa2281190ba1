"""Card readers of a campaign's station: each gives one card after the other, put in by an operator or a feeder.

PC/SC only; a machine that is no PC/SC reader needs a `CardSource` of its own. What is done with a card is
`station.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Final, Protocol

from mykey_cardap.errors import TransportError
from mykey_cardap.pcsc import CardConnection, ReaderState, Share, list_readers, load_backend
from mykey_cardap.pcsc.winscard import Winscard
from mykey_cardap.transport import Transport
from mykey_core.card_writing.errors import CampaignError

_TURN_MS: Final = 300
_PAUSE_SECONDS: Final = 0.5


class CardSource(Protocol):
    """One reader. Used by one thread."""

    @property
    def name(self) -> str:
        """How the operator knows it."""
        ...

    def wait(self, stop: threading.Event, *, present: bool) -> bool:
        """Wait until a card is there, or is gone; False when `stop` was set meanwhile. Raises `TransportError`."""
        ...

    def card(self) -> AbstractContextManager[Transport]:
        """The card that is there, for the time of the context. Raises `TransportError`."""
        ...


class PcscReader:
    """A reader of PC/SC. Cards are opened exclusively: no other program speaks in between."""

    def __init__(self, name: str, winscard: Winscard) -> None:
        self.name = name
        self._winscard = winscard
        self._seen = 0

    def wait(self, stop: threading.Event, *, present: bool) -> bool:
        """See `CardSource.wait`. A card that was exchanged within a moment counts as gone."""
        context = self._winscard.establish_context()
        try:
            while not stop.is_set():
                state = self._winscard.get_status_change(context, 0, [ReaderState(self.name)])[0]
                if self._is(state, present=present):
                    self._seen = state.event_count
                    return True
                self._winscard.get_status_change(context, _TURN_MS, [ReaderState(self.name, state.state, state.atr)])
        finally:
            with suppress(TransportError):
                self._winscard.release_context(context)
        return False

    def _is(self, state: ReaderState, *, present: bool) -> bool:
        if present:
            return state.card_present
        return not state.card_present or state.event_count != self._seen

    @contextmanager
    def card(self) -> Iterator[Transport]:
        """See `CardSource.card`."""
        connection = CardConnection(self._winscard, self.name, share=Share.EXCLUSIVE)
        with connection, connection.transaction() as transport:
            yield transport


def pcsc_readers(names: tuple[str, ...]) -> list[PcscReader]:
    """The readers with these names, or parts of names; all of them when none is named. `CampaignError`."""
    try:
        found = [state.reader for state in list_readers()]
    except TransportError as error:
        raise CampaignError(f"no card reader can be used: {error}") from error
    chosen = [_one(name, found) for name in names] or found
    if not chosen:
        raise CampaignError("no card reader is connected (with --simulated the list is written onto simulated cards)")
    if len(set(chosen)) != len(chosen):
        raise CampaignError("a reader is named twice")
    return [PcscReader(name, load_backend()) for name in chosen]


def _one(wanted: str, found: list[str]) -> str:
    matches = [name for name in found if name == wanted] or [name for name in found if wanted.lower() in name.lower()]
    if len(matches) != 1:
        raise CampaignError(f"no single reader is called '{wanted}'; there are: {', '.join(found) or 'none'}")
    return matches[0]


def pause(stop: threading.Event) -> None:
    """After trouble with a reader: a moment before it is asked again."""
    stop.wait(_PAUSE_SECONDS)
