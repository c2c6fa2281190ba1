"""`python -m mykey_testkit.operator_service`: a platform operator's status service as a process, for tests.

    POST /v1/certificate-status       the adapter's contract (docs/reference/platform-operator-adapter.md)
    PUT  /admin/behaviour             {"fault": NAME | null, "method": "CRL" | "OCSP", "age_seconds": 0}
    GET  /admin/requests              {"count": how often a status was asked}

What is revoked comes from the test JPKI's book. It prints one line of JSON with its address when it listens, and
ends with its standard input.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from mykey_cardap.emulator.jpki import RevokedSerial
from mykey_cardap.kinds import CertificateKind
from mykey_testkit.jpki.book import GENERATIONS, Book

ACCESS_TOKEN = "test-operator-token"
MAX_BODY = 64 * 1024
SLOW_SECONDS = 3.0


@dataclass(slots=True)
class State:
    """What one running double knows: the books, its fixed clock, and how it is told to behave."""

    book: Book
    now: datetime
    behaviour: dict[str, Any] = field(default_factory=dict)
    count: int = 0


class _Handler(BaseHTTPRequestHandler):
    state: ClassVar[State]

    def do_GET(self) -> None:
        self._send({"count": self.state.count})

    def do_PUT(self) -> None:
        self.state.behaviour = json.loads(self._body())
        self._send({})

    def do_POST(self) -> None:
        self.state.count += 1
        fault = self.state.behaviour.get("fault")
        body = self._body()
        if self.path != "/v1/certificate-status" or self.headers.get("Authorization") != f"Bearer {ACCESS_TOKEN}":
            self._send({}, HTTPStatus.UNAUTHORIZED)
        elif fault == "http-500":
            self._send({}, HTTPStatus.INTERNAL_SERVER_ERROR)
        else:
            if fault == "http-slow":
                time.sleep(SLOW_SECONDS)
            self._answer(body, fault)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's signature
        """Say nothing."""

    def _answer(self, body: bytes, fault: str | None) -> None:
        try:
            asked = json.loads(body)
            der = base64.b64decode(asked["certificate"], validate=True)
            answer = status_object(self.state, der, str(asked["checkPurpose"]))
        except (ValueError, KeyError, binascii.Error):
            self._send({}, HTTPStatus.BAD_REQUEST)
            return
        self._send({**answer, **_FAULTS.get(fault or "", {})})

    def _body(self) -> bytes:
        return self.rfile.read(min(int(self.headers.get("Content-Length") or 0), MAX_BODY))

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


_FAULTS: dict[str, dict[str, object]] = {
    "other-certificate": {"certificateSha256": "00" * 32},
    "other-purpose": {"checkPurpose": "CHECK_PURPOSE_SIGNATURE_VERIFICATION"},
    "no-time": {"sourceUpdatedAt": None},
    "future": {"sourceUpdatedAt": "2999-01-01T00:00:00Z"},
    "strange-status": {"status": "STATUS_MAYBE"},
}


def status_object(state: State, der: bytes, purpose: str) -> dict[str, object]:
    """What the operator knows of the certificate `der`."""
    certificate = x509.load_der_x509_certificate(der)
    status, reason = _status(state, certificate)
    updated = state.now - timedelta(seconds=state.behaviour.get("age_seconds", 0))
    return {
        "status": status,
        "reason": reason,
        "checkMethod": f"CHECK_METHOD_{state.behaviour.get('method', 'OCSP')}",
        "checkPurpose": purpose,
        "sourceUpdatedAt": updated.isoformat(),
        "certificateSha256": sha256(der).hexdigest(),
    }


def _status(state: State, certificate: x509.Certificate) -> tuple[str, str | None]:
    for kind in CertificateKind:
        for generation in GENERATIONS:
            if _issued_by(certificate, state.book.jpki.ca_certificate(kind, generation)):
                found = state.book.status(kind, generation, certificate.serial_number, state.now)
                return _words(found)
    return "STATUS_UNKNOWN", None


def _issued_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _words(found: RevokedSerial | bool) -> tuple[str, str | None]:  # noqa: FBT001 - the book's own answer
    if isinstance(found, RevokedSerial):
        held = found.reason is x509.ReasonFlags.certificate_hold
        return ("STATUS_ON_HOLD" if held else "STATUS_REVOKED"), found.reason.value
    return ("STATUS_GOOD" if found else "STATUS_UNKNOWN"), None


def main(arguments: list[str] | None = None) -> int:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m mykey_testkit.operator_service")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--at", default=None, help="a fixed clock, ISO 8601 with offset")
    options = parser.parse_args(arguments)
    now = datetime.fromisoformat(options.at) if options.at else datetime.now(UTC)
    handler = type("BoundHandler", (_Handler,), {"state": State(Book(now.date()), now)})
    server = ThreadingHTTPServer(("127.0.0.1", options.port), handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"url": f"http://127.0.0.1:{server.server_port}"}), flush=True)  # noqa: T201 - its output
    try:
        sys.stdin.buffer.read()
    except KeyboardInterrupt:
        pass
    finally:
        server.shutdown()
        server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
