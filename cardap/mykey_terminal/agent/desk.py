"""What a terminal's agent does for a page: run a tap, pass an action on, note a record, make a receipt.

What needs the reader only is `reader_desk`. Knows nothing of HTTP between page and agent; that is `app`.
"""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mykey_terminal.agent.reader_desk import ReaderDesk, pin_json
from mykey_terminal.agent.receipts import receipt_pdf
from mykey_terminal.errors import AgentError, TerminalError
from mykey_terminal.problems import problem_of
from mykey_terminal.tap import TapRequest, TapRunner

if TYPE_CHECKING:
    from collections.abc import Callable

    from mykey_terminal.agent.bodies import ActionBody, ReceiptBody, RecordBody, TapBody
    from mykey_terminal.tap import TapReport

    Note = Callable[[str, dict[str, Any]], int]


class CardDesk(ReaderDesk):
    """The terminal's reader and hub in the service of pages. Safe for several threads."""

    def __init__(self, runner: TapRunner, note: Note | None = None) -> None:
        """`note` puts a record into the offline queue, and says its number; None for an agent without one."""
        super().__init__(runner.reader, runner.hub.enrolment.hub_origin)
        self._runner = runner
        self._note = note

    def status(self, page: str = "") -> dict[str, Any]:
        """Who this terminal is and what its reader holds; a reader that fails is part of the answer."""
        enrolment = self._runner.hub.enrolment
        own = {"terminal_id": enrolment.terminal_id, "service_point": enrolment.service_point}
        return {**super().status(page), **own}

    def services(self, language: str | None) -> dict[str, Any]:
        """The hub's list of services."""
        return self._runner.hub.services(language=language)

    def tap(self, body: TapBody, language: str | None) -> dict[str, Any]:
        """Run one tap. Raises `ReaderBusyError` when another operation is running: a tap never queues."""
        request = TapRequest(body.service, body.action, body.input, language, body.allow_last_attempt)
        with self.hold(0):
            return report_json(self._runner.run(request, body.pin_bytes()))

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


def report_json(report: TapReport) -> dict[str, Any]:
    """A tap's report as the agent and `mykey terminal tap --json` answer it."""
    answer: dict[str, Any] = {
        "state": "done" if report.problem is None else "problem",
        "tap_id": report.tap_id,
        "card": None if report.pin is None else pin_json(report.pin),
        "recovered": report.recovered,
        "trace": [asdict(exchange) for exchange in report.trace],
    }
    if report.problem is None:
        answer["result"] = report.result
    else:
        answer["problem"] = report.problem.to_json()
    return answer
