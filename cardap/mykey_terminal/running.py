"""What a terminal does by itself while it runs: it reports, fetches its configuration, and uploads its queue.

One thread. Each round is short; a hub that does not answer is asked again after growing pauses. A hub that answers
that it no longer knows this terminal locks it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from mykey_terminal.clock import Clock, system_clock
from mykey_terminal.errors import ConfigurationRefusedError, HubError, HubProblemError, TerminalError
from mykey_terminal.problems import problem_of
from mykey_terminal.queue import Uploader, UploadRefusedError
from mykey_terminal.queue.store import instant
from mykey_terminal.version import VERSION

if TYPE_CHECKING:
    from mykey_terminal.configuration import ConfigurationStore
    from mykey_terminal.hub import Hub
    from mykey_terminal.queue import OfflineQueue

log = logging.getLogger(__name__)
FIRST_PAUSE = 5.0
LONGEST_PAUSE = 60.0
ASK_UNSETTLED = timedelta(minutes=1)
KEEP_DECIDED = timedelta(days=90)
_SHUT_OUT = frozenset({"terminal_not_accepted", "terminal_unauthorized"})


@dataclass(frozen=True, slots=True)
class Condition:
    """How the terminal stands with its hub. `problem` is a code, empty when all is well.

    `locked`: the hub does not know this terminal any more; it must act for nobody.
    """

    problem: str = ""
    locked: bool = False
    last_contact: datetime | None = None


@dataclass(slots=True)
class Upkeep:
    """The rounds of one terminal. `reader_state` says `ready`, `missing`, `busy` or `none`."""

    hub: Hub
    configuration: ConfigurationStore
    queue: OfflineQueue
    clock: Clock = system_clock
    reader_state: Callable[[], str] = lambda: "none"
    on_change: Callable[[Condition], None] = lambda _: None
    condition: Condition = field(default_factory=Condition)
    _asked: datetime | None = None

    def round(self) -> float:
        """One round; the seconds until the next. Raises nothing of the hub."""
        pause = self.configuration.current.poll_seconds if self.configuration.current else FIRST_PAUSE
        try:
            pause = self._report()
            self._upload()
        except UploadRefusedError as error:
            self._now(Condition(error.problem.code, last_contact=self.clock()))
            return LONGEST_PAUSE
        except HubProblemError as error:
            code = error.problem.code
            self._now(Condition(code, locked=code in _SHUT_OUT, last_contact=self.condition.last_contact))
        except (HubError, ConfigurationRefusedError) as error:
            self._now(Condition(problem_of(error).code, self.condition.locked, self.condition.last_contact))
        else:
            self._now(Condition(last_contact=self.clock()))
        return float(pause)

    def _report(self) -> float:
        answer = self.hub.report(self._facts())
        sequence = answer.get("configuration")
        if isinstance(sequence, int) and sequence != self.configuration.sequence:
            self.configuration.fetch(self.hub)
        seconds = answer.get("poll_seconds")
        return float(seconds) if isinstance(seconds, int) and seconds > 0 else FIRST_PAUSE

    def _facts(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "wall_clock": instant(self.clock()),
            "configuration": self.configuration.sequence,
            "queue": self.queue.counts(),
            "reader": self.reader_state(),
            "problems": [self.condition.problem] if self.condition.problem else [],
        }

    def _upload(self) -> None:
        now = self.clock()
        ask = self._asked is None or now - self._asked >= ASK_UNSETTLED
        if ask:
            self._asked = now
            self.queue.forget(now - KEEP_DECIDED)
        Uploader(self.hub, self.queue, self.clock).run_once(ask_unsettled=ask)

    def _now(self, condition: Condition) -> None:
        if (condition.problem, condition.locked) != (self.condition.problem, self.condition.locked):
            log.warning("terminal: %s", condition.problem or "all is well")
            self.on_change(condition)
        self.condition = condition

    def run(self, ended: threading.Event, wake: threading.Event) -> None:
        """Rounds until `ended` is set; `wake` begins the next one at once."""
        failures = 0
        while not ended.is_set():
            try:
                pause = self.round()
            except TerminalError as error:  # the queue cannot be written: people must see it, the agent goes on
                self._now(Condition(problem_of(error).code, self.condition.locked, self.condition.last_contact))
                pause = LONGEST_PAUSE
            failures = failures + 1 if self.condition.problem else 0
            wake.wait(min(pause * 2 ** min(failures, 4), max(LONGEST_PAUSE, pause)) if failures else pause)
            wake.clear()
