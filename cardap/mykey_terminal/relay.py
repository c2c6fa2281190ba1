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

_PATH: Final = f"{API}/card-writings"
_TRIES: Final = 5
_PAUSE_SECONDS: Final = 1.0
_MAX_ROUNDS: Final = 1_000


class PostsJson(Protocol):
    """What the relay needs of the hub: `mykey_terminal.hub_http.HubHttp` has it."""

    def post(self, path: str, body: dict[str, Any], *, language: str | None = None) -> dict[str, Any]:
        """POST a JSON object and return the one that the hub answers; raises `HubError`."""
        ...


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    writing_id: str = Field(min_length=1, max_length=100)
    state: Literal["open", "approval", "done", "unknown", "refused", "quarantined"]
    sequence: int
    commands: list[str]
    plan: list[str] = []
    card: dict[str, Any] | None = None
    problem: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class WritingOutcome:
    """How a writing ended. `approval`: a second person has to approve first, then `resume` it."""

    writing_id: str
    state: str
    plan: tuple[str, ...]
    card: Mapping[str, Any] | None
    problem: Mapping[str, Any] | None


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
        begun = _read(self._http.post(_PATH, order, language=self._language))
        return _outcome(begun) if begun.state == "approval" else self.resume(card, begun.writing_id)

    def resume(self, card: Transport, writing_id: str) -> WritingOutcome:
        """Carry on a writing that has been approved."""
        reply = self._exchange(writing_id, {"sequence": 0})
        for _ in range(_MAX_ROUNDS):
            if not reply.commands:
                return _outcome(reply)
            reply = self._exchange(writing_id, _answers(card, reply))
        raise HubAnswerError("the hub's writing does not end")

    def _exchange(self, writing_id: str, body: dict[str, Any]) -> _Reply:
        """One exchange; a reply that was lost on the way is asked for again."""
        path = f"{_PATH}/{writing_id}/responses"
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


def _read(document: dict[str, Any]) -> _Reply:
    try:
        return _Reply.model_validate(document)
    except ValidationError:
        raise HubAnswerError("the hub's answer does not have the form of the API") from None


def _outcome(reply: _Reply) -> WritingOutcome:
    return WritingOutcome(reply.writing_id, reply.state, tuple(reply.plan), reply.card, reply.problem)
