"""Finding out what became of a tap after the answer to its proof was lost.

The hub uses a nonce once, so the same proof may be sent a second time: the tap is done once or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx

from mykey_terminal.errors import (
    HubAnswerError,
    HubProblemError,
    HubUnreachableError,
    TapNotDoneError,
    TapOutcomeUnknownError,
)
from mykey_terminal.problems import Problem

if TYPE_CHECKING:
    from datetime import datetime

    from mykey_terminal.clock import Clock, Sleep
    from mykey_terminal.hub import Hub, TapState

FIRST_DELAY = 0.25
LONGEST_DELAY = 4.0
"""Seconds between two questions; the delay doubles from the first to the longest."""
_NO_MORE_SAY = frozenset({httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN})
"""The hub no longer talks to this terminal about the tap: asking again is of no use."""
GRACE = timedelta(seconds=10)
"""How long after the tap's end the hub is still asked; clocks differ."""


@dataclass(slots=True)
class Settlement:
    """Asks the hub about one tap until it says `done`, `refused` or `expired`.

    `proof` is sent again once when the hub has seen nothing of it; None leaves it at asking.
    """

    hub: Hub
    tap_id: str
    expires_at: datetime
    clock: Clock
    sleep: Sleep
    proof: dict[str, str] | None = None
    longest: timedelta | None = None
    language: str | None = None

    def settle(self) -> TapState:
        """Return the hub's word that the tap was done.

        Raises `HubProblemError` when the hub refused it, `TapNotDoneError` when it had no effect and never
        will, and `TapOutcomeUnknownError` when the hub did not say in time.
        """
        deadline = self._deadline()
        delay = FIRST_DELAY
        while True:
            state = self._ask()
            if state is not None and state.state != "open":
                return self._conclude(state)
            if state is not None and self.proof is not None:
                if (answer := self._send_again()) is not None:
                    return self._conclude(answer)
                continue
            if self.clock() >= deadline:
                raise TapOutcomeUnknownError(self.tap_id)
            self.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY)

    def _deadline(self) -> datetime:
        end = self.expires_at + GRACE
        return end if self.longest is None else min(end, self.clock() + self.longest)

    def _ask(self) -> TapState | None:
        """The hub's word, or None when it gave none."""
        try:
            return self.hub.tap_state(self.tap_id, language=self.language)
        except (HubUnreachableError, HubAnswerError):
            return None
        except HubProblemError as error:
            if error.problem.status == httpx.codes.NOT_FOUND:
                raise TapNotDoneError(self.tap_id) from error
            if error.problem.status in _NO_MORE_SAY:
                raise TapOutcomeUnknownError(self.tap_id) from error
            return None

    def _send_again(self) -> TapState | None:
        """Send the proof once more; None when the hub must be asked what came of it."""
        proof, self.proof = self.proof, None
        if proof is None:
            return None
        try:
            return self.hub.send_proof(self.tap_id, proof, language=self.language)
        except (HubUnreachableError, HubAnswerError, HubProblemError):
            # Also a refusal: the first proof may have arrived in between, and then 'used already' is no news.
            return None

    def _conclude(self, state: TapState) -> TapState:
        if state.state == "done":
            return state
        if state.state == "refused" and state.problem:
            status = state.problem.get("status")
            known = status if isinstance(status, int) else httpx.codes.FORBIDDEN.value
            raise HubProblemError(Problem.from_json(known, state.problem))
        raise TapNotDoneError(self.tap_id)


def is_unclear(error: HubProblemError) -> bool:
    """Whether a refusal leaves open what happened: a fault of the hub (5xx), not a decision of it."""
    return error.problem.status >= httpx.codes.INTERNAL_SERVER_ERROR
