"""Watching readers: cards that come and go, readers that are plugged in and out.

Gives events only; what to do about a card is the caller's business.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import TYPE_CHECKING

from mykey_cardap.errors import TransportError
from mykey_cardap.pcsc.backends import load_backend
from mykey_cardap.pcsc.winscard import PNP_NOTIFICATION, ReaderState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mykey_cardap.pcsc.winscard import Winscard

_WAIT_MS = 1000
_SERVICE_PAUSE = 0.5


@unique
class EventKind(StrEnum):
    """What happened."""

    READER_ADDED = "reader-added"
    READER_REMOVED = "reader-removed"
    CARD_INSERTED = "card-inserted"
    CARD_REMOVED = "card-removed"


@dataclass(frozen=True, slots=True)
class ReaderEvent:
    """One event of one reader; `atr` is set for an inserted card."""

    kind: EventKind
    reader: str
    atr: bytes = b""


class ReaderMonitor:
    """Watches all readers until `stop`; readers and cards that are there already are reported first.

    Iterate over `events()` in a thread of yours, or hand a callback to `watch()`. A PC/SC service that stops
    takes its readers with it, and they are reported anew when it is back.
    """

    def __init__(self, winscard: Winscard | None = None) -> None:
        self._winscard = winscard or load_backend()
        self._stopping = threading.Event()
        self._context: int | None = None
        self._known: dict[str, ReaderState] = {}

    def stop(self) -> None:
        """End `events()` soon, at the latest after a second; may be called from any thread."""
        self._stopping.set()
        context = self._context
        if context is not None:
            with suppress(TransportError):
                self._winscard.cancel(context)

    def watch(self, callback: Callable[[ReaderEvent], None]) -> threading.Thread:
        """Call `callback` for each event from a daemon thread, which is returned started."""
        thread = threading.Thread(target=self._deliver, args=(callback,), name="mykey-readers", daemon=True)
        thread.start()
        return thread

    def _deliver(self, callback: Callable[[ReaderEvent], None]) -> None:
        for event in self.events():
            callback(event)

    def events(self) -> Iterator[ReaderEvent]:
        """Yield events as they happen; returns after `stop`."""
        try:
            while not self._stopping.is_set():
                try:
                    yield from self._turn()
                except TransportError:
                    if self._stopping.is_set():
                        return
                    yield from self._forget()
                    self._stopping.wait(_SERVICE_PAUSE)
        finally:
            self._release()

    def _turn(self) -> Iterator[ReaderEvent]:
        if self._context is None:
            self._context = self._winscard.establish_context()
        yield from self._compare_readers(self._winscard.list_readers(self._context))
        if self._stopping.is_set():
            return
        asked = [*self._known.values(), ReaderState(PNP_NOTIFICATION)]
        for state in self._winscard.get_status_change(self._context, _WAIT_MS, asked):
            if state.reader in self._known:
                yield from self._compare_state(state)

    def _compare_readers(self, names: list[str]) -> Iterator[ReaderEvent]:
        for name in [name for name in self._known if name not in names]:
            yield from self._lose(name)
        for name in names:
            if name not in self._known:
                self._known[name] = ReaderState(name)
                yield ReaderEvent(EventKind.READER_ADDED, name)

    def _compare_state(self, state: ReaderState) -> Iterator[ReaderEvent]:
        before = self._known[state.reader]
        self._known[state.reader] = ReaderState(state.reader, state.state & ~0x2, state.atr)
        exchanged = before.card_present and state.card_present and before.event_count != state.event_count
        if before.card_present and (exchanged or not state.card_present):
            yield ReaderEvent(EventKind.CARD_REMOVED, state.reader)
        if state.card_present and (exchanged or not before.card_present):
            yield ReaderEvent(EventKind.CARD_INSERTED, state.reader, state.atr)

    def _forget(self) -> Iterator[ReaderEvent]:
        self._release()
        for name in list(self._known):
            yield from self._lose(name)

    def _lose(self, name: str) -> Iterator[ReaderEvent]:
        if self._known.pop(name).card_present:
            yield ReaderEvent(EventKind.CARD_REMOVED, name)
        yield ReaderEvent(EventKind.READER_REMOVED, name)

    def _release(self) -> None:
        context, self._context = self._context, None
        if context is not None:
            with suppress(TransportError):
                self._winscard.release_context(context)
