"""Events of readers and cards from states as PC/SC reports them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, cast

from mykey_cardap.pcsc import EventKind, ReaderEvent, ReaderMonitor
from mykey_cardap.pcsc.codes import Code, check
from mykey_cardap.pcsc.winscard import PNP_NOTIFICATION, ReaderState, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mykey_cardap.pcsc.winscard import Winscard

ATR = b"\x3b\xe0"
EMPTY, PRESENT = State.EMPTY, State.PRESENT | State.CHANGED


class StateService:
    """Plays steps: each is (readers, states after the wait) or an error code."""

    name = "states"

    def __init__(self, *steps: list[ReaderState] | Code) -> None:
        self._steps = list(steps)
        self._now: list[ReaderState] = []
        self.stop = threading.Event()

    def establish_context(self) -> int:
        return 1

    def release_context(self, context: int) -> None:
        assert context == 1

    def cancel(self, context: int) -> None:
        assert context == 1

    def list_readers(self, context: int) -> list[str]:
        assert context == 1
        if not self._steps:
            self.stop.set()
            return [state.reader for state in self._now]
        step = self._steps.pop(0)
        if isinstance(step, Code):
            check(step)
            return []
        self._now = step
        return [state.reader for state in step]

    def get_status_change(self, context: int, timeout_ms: int, known: Sequence[ReaderState]) -> list[ReaderState]:
        assert (context, timeout_ms > 0) == (1, True)
        assert known[-1].reader == PNP_NOTIFICATION
        return [*self._now, ReaderState(PNP_NOTIFICATION)]


def play(*steps: list[ReaderState] | Code) -> list[ReaderEvent]:
    service = StateService(*steps)
    monitor = ReaderMonitor(cast("Winscard", service))

    def stop_at_the_end() -> None:
        service.stop.wait(10)
        monitor.stop()

    watcher = threading.Thread(target=stop_at_the_end)
    watcher.start()
    events = list(monitor.events())
    watcher.join()
    return events


def kinds(events: list[ReaderEvent]) -> list[str]:
    return [event.kind.value for event in events]


def test_a_card_comes_and_goes() -> None:
    """What is there at the start is reported, with the ATR of the card."""
    events = play(
        [ReaderState("R", EMPTY)],
        [ReaderState("R", PRESENT | 1 << 16, ATR)],
        [ReaderState("R", EMPTY | 2 << 16)],
    )
    assert events == [
        ReaderEvent(EventKind.READER_ADDED, "R"),
        ReaderEvent(EventKind.CARD_INSERTED, "R", ATR),
        ReaderEvent(EventKind.CARD_REMOVED, "R"),
    ]


def test_a_quick_exchange_of_cards_is_not_missed() -> None:
    """Present before and after, but the event counter moved: out and in."""
    events = play([ReaderState("R", PRESENT | 1 << 16, ATR)], [ReaderState("R", PRESENT | 3 << 16, ATR)])
    assert kinds(events) == ["reader-added", "card-inserted", "card-removed", "card-inserted"]


def test_a_reader_that_is_unplugged_takes_its_card_with_it() -> None:
    """Card removed, then reader removed."""
    events = play([ReaderState("R", PRESENT, ATR)], [])
    assert kinds(events) == ["reader-added", "card-inserted", "card-removed", "reader-removed"]


def test_a_service_that_stops_and_comes_back() -> None:
    """Everything is reported as gone, and anew when it is back."""
    events = play([ReaderState("R", PRESENT, ATR)], Code.NO_SERVICE, [ReaderState("R", PRESENT, ATR)])
    assert kinds(events) == [
        "reader-added",
        "card-inserted",
        "card-removed",
        "reader-removed",
        "reader-added",
        "card-inserted",
    ]


def test_a_stopped_monitor_gives_nothing() -> None:
    """`stop` before the start counts as well."""
    monitor = ReaderMonitor(cast("Winscard", StateService([ReaderState("R", EMPTY)])))
    monitor.stop()
    assert list(monitor.events()) == []
