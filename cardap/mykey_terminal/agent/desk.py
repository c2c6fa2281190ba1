"""What the agent does for a page: look at the card, run a tap, pass an action on. One card operation at a time.

Knows nothing of HTTP between page and agent; that is `app`.
"""

from __future__ import annotations

import base64
import threading
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mykey_cardap.errors import CardError, ReaderBusyError
from mykey_cardap.jpki import JpkiSession
from mykey_terminal.agent.receipts import receipt_pdf
from mykey_terminal.errors import AgentError, TerminalError
from mykey_terminal.problems import problem_of
from mykey_terminal.readers.virtual import VirtualReader
from mykey_terminal.sign_in import sign_in
from mykey_terminal.tap import TapRequest, TapRunner
from mykey_terminal.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mykey_cardap.session import PinStatus
    from mykey_terminal.agent.bodies import ActionBody, ReceiptBody, RecordBody, SignInBody, TapBody
    from mykey_terminal.tap import TapReport

    Note = Callable[[str, dict[str, Any]], int]

_PATIENCE = 1.0
"""Seconds that a look at the card waits for a running operation; a tap does not wait at all."""


class CardDesk:
    """The terminal's reader and hub in the service of pages. Safe for several threads."""

    def __init__(self, runner: TapRunner, note: Note | None = None) -> None:
        """`note` puts a record into the offline queue, and says its number; None for an agent without one."""
        self._runner = runner
        self._note = note
        self._card_lock = threading.Lock()

    # -- looking ------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """Who this terminal is and what its reader holds; a reader that fails is part of the answer."""
        enrolment = self._runner.hub.enrolment
        return {
            "version": VERSION,
            "terminal_id": enrolment.terminal_id,
            "service_point": enrolment.service_point,
            "reader": self._reader_status(),
        }

    def _reader_status(self) -> dict[str, Any]:
        reader = self._runner.reader
        answer: dict[str, Any] = {"name": "", "kind": reader.kind, "card_present": False, "card": None}
        try:
            answer |= {"card_present": reader.card_present(), "name": reader.name}
        except CardError as error:
            answer["problem"] = problem_of(error).to_json()
        if isinstance(reader, VirtualReader) and reader.inserted:
            answer["card"] = asdict(next(card for card in reader.tray() if card.name == reader.inserted))
        return answer

    def card(self) -> dict[str, Any]:
        """The tries left of the authentication PIN and the token's label; costs no try and needs no PIN."""
        if not self._runner.reader.card_present():
            return {"present": False, "pins": {}, "token_label": None}
        with self.hold(_PATIENCE), self._runner.reader.open() as transport:
            session = JpkiSession(transport)
            status = session.pin_status("authentication")
            label = session.token_info().label
            session.logout()
        return {"present": True, "pins": {"authentication": _pin_json(status)}, "token_label": label}

    def tray(self) -> dict[str, Any]:
        """The cards of the virtual reader. Raises `agent_not_found` when the reader is a real one."""
        reader = self._virtual()
        return {"cards": [asdict(card) for card in reader.tray()], "inserted": reader.inserted}

    def insert(self, name: str | None) -> dict[str, Any]:
        """Insert a card of the tray, or take the card out: also in the middle of a tap, as people do."""
        reader = self._virtual()
        reader.insert(name)
        return {"inserted": reader.inserted}

    # -- acting -------------------------------------------------------------------------------------------

    def services(self, language: str | None) -> dict[str, Any]:
        """The hub's list of services."""
        return self._runner.hub.services(language=language)

    def tap(self, body: TapBody, language: str | None) -> dict[str, Any]:
        """Run one tap. Raises `ReaderBusyError` when another operation is running: a tap never queues."""
        request = TapRequest(body.service, body.action, body.input, language, body.allow_last_attempt)
        with self.hold(0):
            return report_json(self._runner.run(request, body.pin_bytes()))

    def sign_in(self, body: SignInBody, page_origin: str) -> dict[str, Any]:
        """Let the card sign a nonce for the hub's own pages; a page of another origin is refused (`agent_origin`)."""
        origin = self._runner.hub.enrolment.hub_origin
        if page_origin != origin:
            raise AgentError("agent_origin", 403)
        with self.hold(0):
            report = sign_in(
                self._runner.reader,
                origin=origin,
                nonce=body.nonce,
                pin=body.pin_bytes(),
                allow_last_attempt=body.allow_last_attempt,
            )
        card = None if report.pin is None else _pin_json(report.pin)
        if report.problem is not None:
            return {"state": "problem", "problem": report.problem.to_json(), "card": card}
        return {"state": "done", "token": report.token, "card": card}

    def tap_again(self, tap_id: str, language: str | None) -> dict[str, Any]:
        """What the hub says of an earlier tap, in `language`; nothing is done again."""
        return self._runner.hub.tap_state(tap_id, language=language).model_dump(exclude_none=True)

    def act(self, body: ActionBody, language: str | None) -> dict[str, Any]:
        """Pass an action without a card on to the hub."""
        try:
            answer = self._runner.hub.act(
                body.service,
                body.action,
                body.input,
                visit_id=body.visit_id,
                language=language,
                key=body.request_id,
            )
        except TerminalError as error:
            return {"state": "problem", "problem": problem_of(error).to_json()}
        return {"state": "done", "result": answer.get("result")}

    def record(self, body: RecordBody) -> dict[str, Any]:
        """Note an action for the time when the hub is back; `agent_not_found` where this agent keeps no queue.

        The record is signed and on the disk when this returns.
        """
        if self._note is None:
            raise AgentError("agent_not_found", 404)
        return {"seq": self._note(body.service, {"act": body.action, **body.input})}

    def receipt(self, body: ReceiptBody) -> dict[str, Any]:
        """A receipt of what the page shows, as PDF in base64; it goes nowhere but to the printer."""
        return {"pdf": base64.b64encode(receipt_pdf(body, self._runner.clock())).decode("ascii")}

    def end_visit(self, visit_id: str) -> dict[str, Any]:
        """End a visit when the card has left the reader."""
        self._runner.hub.end_visit(visit_id)
        return {"ended": True}

    @contextmanager
    def hold(self, patience: float) -> Iterator[None]:
        """Take the card for one operation; `ReaderBusyError` when another one runs longer than `patience` seconds."""
        if not self._card_lock.acquire(timeout=patience):
            raise ReaderBusyError("the terminal is using the card")
        try:
            yield
        finally:
            self._card_lock.release()

    def _virtual(self) -> VirtualReader:
        if not isinstance(self._runner.reader, VirtualReader):
            raise AgentError("agent_not_found", 404)
        return self._runner.reader


def report_json(report: TapReport) -> dict[str, Any]:
    """A tap's report as the agent and `mykey terminal tap --json` answer it."""
    answer: dict[str, Any] = {
        "state": "done" if report.problem is None else "problem",
        "tap_id": report.tap_id,
        "card": None if report.pin is None else _pin_json(report.pin),
        "recovered": report.recovered,
        "trace": [asdict(exchange) for exchange in report.trace],
    }
    if report.problem is None:
        answer["result"] = report.result
    else:
        answer["problem"] = report.problem.to_json()
    return answer


def _pin_json(status: PinStatus) -> dict[str, Any]:
    return {"attempts_remaining": status.attempts_remaining, "blocked": status.blocked}
