"""`python -m mykey_testkit.renewal_service`: an operator's notices of renewals as a process, for tests.

    POST /v1/certificate-neighbour   the adapter's contract (mykey_core.identity.notices)
    PUT  /admin/chains               {"chains": [[{issuerSha256, serialNumber}, …], …], "fault": NAME | null}
    GET  /admin/requests             {"count": how often it was asked}

Faults: `http-500`, `slow`, `other-question`, `malformed`. It prints one line of JSON with its address when it listens,
and ends with its standard input.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar

ACCESS_TOKEN = "test-renewal-token"
SLOW_SECONDS = 3.0
_MAX_BODY = 64 * 1024
Id = dict[str, str]


@dataclass(slots=True)
class State:
    """The chains of renewals, and how the service is told to fail."""

    chains: list[list[Id]] = field(default_factory=list)
    fault: str | None = None
    count: int = 0

    def neighbour(self, asked: Id, direction: str) -> Id | None:
        """The certificate directly before or after `asked` in the first chain that has one."""
        step = 1 if direction == "SUCCESSOR" else -1
        for chain in self.chains:
            for place, one in enumerate(chain):
                if one == asked and 0 <= place + step < len(chain):
                    return chain[place + step]
        return None


class _Handler(BaseHTTPRequestHandler):
    state: ClassVar[State]

    def do_GET(self) -> None:
        self._send({"count": self.state.count})

    def do_PUT(self) -> None:
        told = json.loads(self._body())
        self.state.chains, self.state.fault = told["chains"], told.get("fault")
        self._send({})

    def do_POST(self) -> None:
        self.state.count += 1
        question = json.loads(self._body())
        if self.headers.get("Authorization") != f"Bearer {ACCESS_TOKEN}":
            self._send({}, HTTPStatus.UNAUTHORIZED)
        elif self.state.fault == "http-500":
            self._send({}, HTTPStatus.INTERNAL_SERVER_ERROR)
        else:
            if self.state.fault == "slow":
                time.sleep(SLOW_SECONDS)
            self._send(self._answer(question))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's signature
        """Say nothing."""

    def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        if self.state.fault == "malformed":
            return {"asked": question["asked"]}
        found = self.state.neighbour(question["asked"], question["direction"])
        answer = {"asked": question["asked"], "direction": question["direction"], "found": found}
        if self.state.fault == "other-question":
            answer["asked"] = {**question["asked"], "serialNumber": "1"}
        return answer

    def _body(self) -> bytes:
        return self.rfile.read(min(int(self.headers.get("Content-Length") or 0), _MAX_BODY))

    def _send(self, body: object, status: int = HTTPStatus.OK) -> None:
        data = json.dumps(body).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            return


def main() -> int:
    """Serve until standard input ends."""
    handler = type("BoundHandler", (_Handler,), {"state": State()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"url": f"http://127.0.0.1:{server.server_port}"}), flush=True)  # noqa: T201 - its output
    try:
        sys.stdin.buffer.read()
    finally:
        server.shutdown()
        server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
