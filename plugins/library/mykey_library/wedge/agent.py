"""The agent of the terminal on this computer, asked over its loopback API; and the patron number out of a tap."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import httpx

from mykey_library.wedge.errors import AgentRefused, WedgeError

_TIMEOUT: Final = 60.0  # seconds: a tap asks the card and the hub
_POLL: Final = 0.3
Json = dict[str, Any]
AskPin = Callable[[int | None], str | None]
"""Asks the person at the reader for the PIN, given the tries left; None to give up."""


class Agent:
    """A paired connection. `origin` is the hub's, which the agent wants to see."""

    def __init__(self, port: int, origin: str, pairing_code: str) -> None:
        base = f"http://127.0.0.1:{port}/agent/v1"
        self._client = httpx.Client(base_url=base, headers={"Origin": origin}, timeout=_TIMEOUT, trust_env=False)
        token = self._ask("POST", "/pair", {"code": pairing_code})["token"]
        self._client.headers["Mykey-Pairing"] = str(token)

    def card_present(self) -> bool:
        """Whether a card is in the reader."""
        return bool(self._ask("GET", "/status")["reader"]["card_present"])

    def wait_for_card(self, *, present: bool) -> None:
        """Until a card is put in, or taken out."""
        while self.card_present() is not present:
            time.sleep(_POLL)

    def patron_number(self, service: str, ask_pin: AskPin) -> str:
        """Tap, and read the number off the account; stops before the last try of the PIN."""
        left = self._tries_left()
        pin = ask_pin(left)
        if pin is None:
            raise AgentRefused("given_up")
        answer = self._ask("POST", "/taps", {"service": service, "action": "open", "input": {}, "pin": pin})
        return number_of(answer)

    def _tries_left(self) -> int | None:
        pin = (self._ask("GET", "/card").get("pins") or {}).get("authentication") or {}
        left = pin.get("attempts_remaining")
        if pin.get("blocked") or left == 0:
            raise AgentRefused("pin_blocked")
        if left == 1:
            raise AgentRefused("last_attempt")
        return None if left is None else int(left)

    def _ask(self, method: str, path: str, body: Json | None = None) -> Json:
        try:
            answer: Json = self._client.request(method, path, json=body).json()
        except (httpx.HTTPError, ValueError) as error:
            raise WedgeError("the terminal's agent does not answer: is `mykey terminal run` running here?") from error
        if "code" in answer and "status" in answer:
            raise AgentRefused(str(answer["code"]))
        return answer

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def number_of(answer: Json) -> str:
    """The patron number in a tap's answer: the first fact of the account; `AgentRefused` for a refusal."""
    if answer.get("state") != "done":
        raise AgentRefused(str((answer.get("problem") or answer).get("code")))
    result: Json = answer["result"]
    if result.get("outcome") != "done":
        raise AgentRefused(str(result.get("code")))
    facts = next(block for block in result["view"] if block["kind"] == "facts")
    return str(facts["rows"][0]["value"])
