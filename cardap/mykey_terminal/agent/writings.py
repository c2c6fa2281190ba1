"""Card writings and taps of a page: each runs in a thread of the agent, and the page asks how far it is.

What is written, the hub decides; the page sends an order and never sees an APDU of it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

from mykey_cardap.errors import CardError, NoCardError
from mykey_terminal.errors import AgentError, HubProblemError, TerminalError
from mykey_terminal.open_writings import OpenWriting, OpenWritings
from mykey_terminal.problems import problem_of
from mykey_terminal.relay import TAPS, WRITINGS, CardRelay, WritingOutcome

if TYPE_CHECKING:
    from mykey_cardap.transport import Transport
    from mykey_terminal.hub import Hub
    from mykey_terminal.readers import CardReader

_KEPT = 64
_TAP = "tap"
_APPROVAL_NEEDED = "approval_needed"


class WritingDesk:
    """The writings that pages of this agent have begun. `hold` takes the card for one operation, or refuses."""

    def __init__(
        self,
        hub: Hub,
        reader: CardReader,
        notes: OpenWritings,
        hold: Callable[[float], AbstractContextManager[None]],
    ) -> None:
        self._hub = hub
        self._reader = reader
        self._notes = notes
        self._hold = hold
        self._jobs: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def profiles(self, language: str | None) -> dict[str, Any]:
        """What can be written here, as the hub words it."""
        return self._hub.card_profiles(language=language)

    def settle(self) -> list[dict[str, Any]]:
        """At the agent's start: tell the hub of writings that an earlier agent left open."""
        return self._notes.settle(self._hub)

    def begin(self, order: dict[str, Any], language: str | None) -> dict[str, Any]:
        """Begin a writing with the card in the reader; it goes on by itself. The answer has its `writing_id`."""
        return self._begin(order, language, WRITINGS, str(order.get("operation", "")))

    def begin_tap(self, order: dict[str, Any], language: str | None) -> dict[str, Any]:
        """The same for one transaction with a service on the card."""
        return self._begin(order, language, TAPS, _TAP)

    def go_on(self, writing_id: str, language: str | None) -> dict[str, Any]:
        """Go on with a writing that a second person has approved."""
        known = self.state(writing_id)
        if known["state"] != "approval":
            return known
        self._start(self._hub.card_relay(language=language), writing_id, known["operation"], known["plugin"])
        return self.state(writing_id)

    def approve(self, writing_id: str, language: str | None, clerk: str | None = None) -> dict[str, Any]:
        """Approve a writing of another terminal; `clerk` is the voucher of who is signed in."""
        return self._hub.card_relay(language=language).approve(writing_id, clerk).as_json()

    def release(self, writing_id: str, evidence: str, language: str | None, clerk: str | None = None) -> dict[str, Any]:
        """Ask for the release of a writing's card from quarantine, or agree to it."""
        state = self._hub.card_relay(language=language).release(writing_id, evidence, clerk)
        return {"writing_id": writing_id, "state": state}

    def state(self, writing_id: str) -> dict[str, Any]:
        """Where a writing of this agent is: `running`, `approval`, or how it ended. `agent_not_found` for others."""
        with self._lock:
            job = self._jobs.get(writing_id)
        if job is None:
            raise AgentError("agent_not_found", 404)
        return dict(job)

    def _begin(self, order: dict[str, Any], language: str | None, path: str, operation: str) -> dict[str, Any]:
        if not self._reader.card_present():
            raise NoCardError("there is no card in the reader")
        relay = self._hub.card_relay(language=language)
        begun = relay.begin(order, path=path)
        plugin = str(order.get("plugin", ""))
        self._put(begun.writing_id, begun.as_json() | {"operation": operation, "plugin": plugin})
        if begun.state != "approval":
            self._start(relay, begun.writing_id, operation, plugin)
        return self.state(begun.writing_id)

    def _start(self, relay: CardRelay, writing_id: str, operation: str, plugin: str) -> None:
        """Take the card here, so that a page hears at once when it is in use; the thread gives it back."""
        stack = ExitStack()
        stack.enter_context(self._hold(0))
        self._put(writing_id, {"state": "running"})
        note = OpenWriting(writing_id=writing_id, operation=operation, plugin=plugin)
        threading.Thread(target=self._run, args=(stack, relay, note), name="card-writing", daemon=True).start()

    def _run(self, stack: ExitStack, relay: CardRelay, note: OpenWriting) -> None:
        def progress(outcome: WritingOutcome) -> None:
            self._put(note.writing_id, outcome.as_json() | {"state": "running"})

        with stack:
            outcome = self._outcome(relay, note, progress)
        self._put(note.writing_id, outcome)  # the card is given back: who sees the end may begin something else

    def _outcome(
        self, relay: CardRelay, note: OpenWriting, progress: Callable[[WritingOutcome], None]
    ) -> dict[str, Any]:
        try:
            with self._notes.noted(note), self._reader.open() as transport:
                return _resumed(relay, transport, note.writing_id, progress)
        except (TerminalError, CardError) as error:
            self._notes.settle(self._hub)
            return {"state": "unknown", "problem": problem_of(error).to_json()}

    def _put(self, writing_id: str, changes: dict[str, Any]) -> None:
        with self._lock:
            self._jobs[writing_id] = self._jobs.get(writing_id, {}) | changes
            while len(self._jobs) > _KEPT:
                self._jobs.popitem(last=False)


def _resumed(
    relay: CardRelay, transport: Transport, writing_id: str, progress: Callable[[WritingOutcome], None]
) -> dict[str, Any]:
    """The end of a writing; one that nobody has approved yet still waits, and nothing was sent to the card."""
    try:
        return relay.resume(transport, writing_id, progress=progress).as_json()
    except HubProblemError as error:
        if error.problem.code != _APPROVAL_NEEDED:
            raise
        return {"state": "approval"}
