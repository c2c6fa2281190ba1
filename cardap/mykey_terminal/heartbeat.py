"""How the agent of a page tells the hub that it is there while nobody taps: one small report each minute.

`mykey terminal run` reports by itself (`running`), with its queue; this is for `mykey terminal agent`, which has none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mykey_cardap.errors import CardError, ReaderBusyError
from mykey_terminal.clock import Clock, system_clock
from mykey_terminal.errors import TerminalError
from mykey_terminal.queue.store import instant
from mykey_terminal.version import VERSION

if TYPE_CHECKING:
    from mykey_terminal.hub import Hub
    from mykey_terminal.readers import CardReader

EVERY_SECONDS = 60.0
"""The hub calls a terminal silent after three minutes without news."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The reports of one agent. `reader_state` says `ready`, `missing`, `busy` or `none`."""

    hub: Hub
    reader_state: Callable[[], str]
    clock: Clock = system_clock

    def beat(self) -> bool:
        """Report once; False when the hub did not take it, which a tap tells its people and this does not."""
        facts = {"version": VERSION, "wall_clock": instant(self.clock()), "configuration": 0}
        try:
            self.hub.report({**facts, "reader": self.reader_state(), "problems": []})
        except TerminalError:
            return False
        return True

    def run(self, ended: threading.Event) -> None:
        """Report each minute until `ended` is set."""
        while not ended.is_set():
            self.beat()
            ended.wait(EVERY_SECONDS)


def state_of_reader(reader: CardReader) -> str:
    """`ready`, `busy` (another program has it) or `missing`."""
    try:
        reader.card_present()
    except ReaderBusyError:
        return "busy"
    except CardError:
        return "missing"
    return "ready"
