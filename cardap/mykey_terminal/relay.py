"""Card writing as the terminal sees it: it carries APDUs between the hub and the card in its reader, and knows no key.

A lost reply is asked for again with the same number, so that no command reaches the card twice. A card that is gone is
reported; the next writing of the same card goes on where this one stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mykey_cardap.errors import TransportError
from mykey_cardap.transport import Transport
from mykey_terminal.errors import HubAnswerError, HubUnreachableError
from mykey_terminal.hub_http import API

WRITINGS: Final = f"{API}/card-writings"
TAPS: Final = f"{API}/card-taps"
_TRIES: Final = 5
_PAUSE_SECONDS: Final = 1.0
_MAX_ROUNDS: Final = 1_000
_GOODBYES: Final = 3


class PostsJson(Protocol):
    """What the relay needs of the hub: `mykey_terminal.hub_http.HubHttp` has it."""

    def post(self, path: str, body: dict[str, Any], *, language: str | None = None) -> dict[str, Any]:
        """POST a JSON object and return the one that the hub answers; raises `HubError`."""
        ...

    def get(self, path: str, *, language: str | None = None) -> dict[str, Any]:
        """GET a JSON object; raises `HubError`."""
        ...


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    writing_id: str = Field(min_length=1, max_length=100)
    state: Literal["open", "approval", "done", "unknown", "refused", "quarantined"]
    sequence: int
    commands: list[str]
    plan: list[str] = []
    steps_done: int = 0
    card: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    problem: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class WritingOutcome:
    """Where a writing is, or how it ended. `approval`: a second person has to approve first, then `resume` it.

    `steps_done` of the `plan` are on the card. `result` is that of a tap with a service on the card.
    """

    writing_id: str
    state: str
    plan: tuple[str, ...]
    card: Mapping[str, Any] | None
    problem: Mapping[str, Any] | None
    steps_done: int = 0
    result: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """As the agent and the command line answer it."""
        return {
            "writing_id": self.writing_id,
            "state": self.state,
            "plan": list(self.plan),
            "steps_done": self.steps_done,
            "card": None if self.card is None else dict(self.card),
            "result": None if self.result is None else dict(self.result),
            "problem": None if self.problem is None else dict(self.problem),
        }


class CardRelay:
    """Relays writings over one connection to the hub. `pause` waits between tries to reach it."""

    def __init__(
        self, http: PostsJson, *, language: str | None = None, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._http = http
        self._language = language
        self._pause = pause

    def write(self, card: Transport, order: dict[str, Any]) -> WritingOutcome:
        """Begin a writing (`order`: the body of `POST /card-writings`) and carry it to its end.

        Raises `HubError`: `HubProblemError` when the hub refuses, before the card was touched or at the end.
        """
        begun = self.begin(order)
        return begun if begun.state == "approval" else self.resume(card, begun.writing_id)

    def tap(self, card: Transport, order: dict[str, Any]) -> WritingOutcome:
        """One transaction with a service on the card (`order`: the body of `POST /card-taps`)."""
        return self.resume(card, self.begin(order, path=TAPS).writing_id)

    def begin(self, order: dict[str, Any], *, path: str = WRITINGS) -> WritingOutcome:
        """Begin; nothing is sent to the card before `resume`. `path` is `WRITINGS` or `TAPS`."""
        return _outcome(_read(self._http.post(path, order, language=self._language)))

    def resume(
        self, card: Transport, writing_id: str, *, progress: Callable[[WritingOutcome], None] = lambda _: None
    ) -> WritingOutcome:
        """Carry on a writing that was begun or has been approved; `progress` hears of each exchange."""
        reply = self._exchange(writing_id, {"sequence": 0})
        for _ in range(_MAX_ROUNDS):
            progress(_outcome(reply))
            if not reply.commands:
                return _outcome(reply)
            reply = self._exchange(writing_id, _answers(card, reply))
        raise HubAnswerError("the hub's writing does not end")

    def find(self, writing_id: str) -> WritingOutcome:
        """Where a writing is; nothing is sent to the card."""
        return _outcome(_read(self._http.get(f"{WRITINGS}/{writing_id}", language=self._language)))

    def approve(self, writing_id: str, clerk: str | None = None) -> WritingOutcome:
        """Approve a writing that another terminal has begun; `clerk` is the hub's voucher for who is signed in."""
        path, body = f"{WRITINGS}/{writing_id}/approval", _by(clerk)
        return _outcome(_read(self._http.post(path, body, language=self._language)))

    def release(self, writing_id: str, evidence: str, clerk: str | None = None) -> str:
        """Ask to release the card of a writing from quarantine: "asked" or "released"."""
        path, body = f"{WRITINGS}/{writing_id}/release", {"evidence": evidence, **_by(clerk)}
        return str(self._http.post(path, body, language=self._language).get("state"))

    def give_up(self, writing_id: str) -> WritingOutcome:
        """After a crash: tell the hub that the card lost its power, so that it closes the writing; how it ended.

        Write the same card again afterwards: the hub reads it, and goes on where it stopped.
        """
        reply = _read(self._http.get(f"{WRITINGS}/{writing_id}", language=self._language))
        for _ in range(_GOODBYES):
            if reply.state != "open":
                break
            gone = {"sequence": reply.sequence, "card_gone": reply.sequence > 0}
            reply = self._exchange(writing_id, gone)
        return _outcome(reply)

    def _exchange(self, writing_id: str, body: dict[str, Any]) -> _Reply:
        """One exchange; a reply that was lost on the way is asked for again."""
        path = f"{WRITINGS}/{writing_id}/responses"
        for _ in range(_TRIES - 1):
            try:
                return _read(self._http.post(path, body, language=self._language))
            except HubUnreachableError:
                self._pause(_PAUSE_SECONDS)
        return _read(self._http.post(path, body, language=self._language))


def _answers(card: Transport, reply: _Reply) -> dict[str, Any]:
    """Send the commands to the card; the first transport error ends it."""
    try:
        responses = [card.send_apdu(bytes.fromhex(command)).hex() for command in reply.commands]
    except TransportError:
        return {"sequence": reply.sequence, "card_gone": True}
    except ValueError:
        raise HubAnswerError("the hub's commands are no APDUs") from None
    return {"sequence": reply.sequence, "responses": responses}


def _by(clerk: str | None) -> dict[str, Any]:
    return {} if clerk is None else {"clerk": clerk}


def _read(document: dict[str, Any]) -> _Reply:
    try:
        return _Reply.model_validate(document)
    except ValidationError:
        raise HubAnswerError("the hub's answer does not have the form of the API") from None


def _outcome(reply: _Reply) -> WritingOutcome:
    return WritingOutcome(
        reply.writing_id, reply.state, tuple(reply.plan), reply.card, reply.problem, reply.steps_done, reply.result
    )
