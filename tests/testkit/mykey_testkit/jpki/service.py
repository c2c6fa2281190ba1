"""The HTTP service of the test JPKI on loopback: CRLs, deltas, CA certificates, OCSP, and its administration.

    GET  /ca/KIND/GENERATION.crt             POST /ocsp/KIND      (GET /ocsp/KIND/BASE64 too, RFC 6960 A.1)
    GET  /crl/KIND/GENERATION/TOWN.crl       GET  /delta/KIND/GENERATION/TOWN.crl
    GET  /admin/requests                     PUT  /admin/clock      {"now": ISO 8601 | null}
    PUT  /admin/faults {"target": "crl|delta|ocsp|ca", "fault": NAME, "seconds": 1.0, "times": null}
    DELETE /admin/faults
    POST /admin/revocations {"kind", "generation", "municipality", "serial" (decimal text), "reason", "at"}
    POST /admin/certificates {"kind", "generation", "serial" (decimal text)}

KIND is `authentication` or `signature`, TOWN a six-digit municipality code. The header `Mykey-Test-Now` (ISO 8601)
sets the clock for one request. What the answers contain is made in `crls` and `ocsp`; how transport breaks, in
`transport`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any, ClassVar
from urllib.parse import unquote

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ReasonFlags

from mykey_cardap.emulator.personas import UnknownPersonaError
from mykey_cardap.kinds import CertificateKind
from mykey_testkit.jpki import crls, ocsp, transport
from mykey_testkit.jpki.book import Book, Partition
from mykey_testkit.jpki.faults import Fault

NOW_HEADER = "Mykey-Test-Now"
MAX_BODY = 64 * 1024
_KIND = "(?P<kind>authentication|signature)"


@dataclass(slots=True)
class PlannedFault:
    """A fault on one target; `times` requests long (None: until it is taken away), `seconds` for the slow ones."""

    fault: Fault
    seconds: float = 1.0
    times: int | None = None


@dataclass(slots=True)
class State:
    """What one running service knows: books, clock, planned faults, and how often each target was asked."""

    book: Book
    fixed_now: datetime | None = None
    faults: dict[str, PlannedFault] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    lock: Lock = field(default_factory=Lock)

    def now(self) -> datetime:
        """The clock of the service, in UTC."""
        return self.fixed_now or datetime.now(UTC)

    def asked(self, target: str) -> PlannedFault | None:
        """Count a request and take the fault that is planned for it."""
        with self.lock:
            self.requests[target] += 1
            planned = self.faults.get(target)
            if planned is not None and planned.times is not None:
                planned.times -= 1
                if planned.times <= 0:
                    del self.faults[target]
            return planned


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer before the transport: its body, media type, and for files the time of their making."""

    body: bytes
    media_type: str
    made: datetime | None = None
    status: int = HTTPStatus.OK


def make_server(state: State, port: int = 0) -> ThreadingHTTPServer:
    """A server on 127.0.0.1 (port 0: any free one); call `serve_forever`, and `server_close` in the end."""
    handler = type("BoundHandler", (_Handler,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    return server


class _Handler(BaseHTTPRequestHandler):
    state: ClassVar[State]
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        self._route("GET")

    def do_POST(self) -> None:
        self._route("POST")

    def do_PUT(self) -> None:
        self._route("PUT")

    def do_DELETE(self) -> None:
        self._route("DELETE")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's signature
        """Say nothing: serials are in the paths of OCSP requests."""

    def _route(self, method: str) -> None:
        body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), MAX_BODY))
        for wanted, pattern, target, function in _ROUTES:
            found = re.fullmatch(pattern, self.path)
            if found and method == wanted:
                self._answer(target, function, found.groupdict(), body)
                return
        self._send(Answer(b"", "text/plain", status=HTTPStatus.NOT_FOUND), None)

    def _answer(self, target: str, function: _Function, parts: dict[str, str], body: bytes) -> None:
        planned = None if target == "admin" else self.state.asked(target)
        fault = planned.fault if planned else None
        try:
            now = datetime.fromisoformat(self.headers[NOW_HEADER]) if NOW_HEADER in self.headers else self.state.now()
            answer = function(self.state, parts, body, now, fault)
        except UnknownPersonaError as error:
            answer = Answer(str(error).encode(), "text/plain", status=HTTPStatus.NOT_FOUND)
        except (ValueError, KeyError, TypeError) as error:
            answer = Answer(str(error).encode(), "text/plain", status=HTTPStatus.BAD_REQUEST)
        self._send(answer, planned)

    def _send(self, answer: Answer, planned: PlannedFault | None) -> None:
        if planned is not None and planned.fault.part == "http":
            transport.send_broken(self, answer.body, answer.media_type, planned.fault, planned.seconds)
            return
        etag = f'"{sha256(answer.body).hexdigest()[:32]}"'
        if answer.made and answer.status == HTTPStatus.OK and self._has_already(etag, answer.made):
            self.send_response(HTTPStatus.NOT_MODIFIED)
            self.send_header("ETag", etag)
            self.end_headers()
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.media_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if answer.made:
            self.send_header("ETag", etag)
            self.send_header("Last-Modified", transport.http_date(answer.made))
        self.end_headers()
        self.wfile.write(answer.body)

    def _has_already(self, etag: str, made: datetime) -> bool:
        """RFC 9110 13.1: If-None-Match counts, and If-Modified-Since only without it."""
        if "If-None-Match" in self.headers:
            return etag in self.headers["If-None-Match"]
        return self.headers.get("If-Modified-Since") == transport.http_date(made)


_Function = Callable[[State, dict[str, str], bytes, datetime, Fault | None], Answer]


def _partition(parts: dict[str, str]) -> Partition:
    return Partition(CertificateKind(parts["kind"]), int(parts["generation"]), parts["town"])


def _crl(state: State, parts: dict[str, str], _body: bytes, now: datetime, fault: Fault | None) -> Answer:
    der = crls.full_crl(state.book, _partition(parts), now, fault)
    return Answer(der, "application/pkix-crl", made=crls.published(now))


def _delta(state: State, parts: dict[str, str], _body: bytes, now: datetime, fault: Fault | None) -> Answer:
    der = crls.delta_crl(state.book, _partition(parts), now, fault)
    return Answer(der, "application/pkix-crl", made=now - (now - crls.published(now)) % crls.DELTA_EVERY)


def _ca(state: State, parts: dict[str, str], _body: bytes, _now: datetime, _fault: Fault | None) -> Answer:
    certificate = state.book.jpki.ca_certificate(CertificateKind(parts["kind"]), int(parts["generation"]))
    return Answer(
        certificate.public_bytes(Encoding.DER), "application/pkix-cert", made=certificate.not_valid_before_utc
    )


def _ocsp_post(state: State, parts: dict[str, str], body: bytes, now: datetime, fault: Fault | None) -> Answer:
    der = ocsp.answer(state.book, CertificateKind(parts["kind"]), body, now, fault)
    return Answer(der, "application/ocsp-response")


def _ocsp_get(state: State, parts: dict[str, str], _body: bytes, now: datetime, fault: Fault | None) -> Answer:
    try:
        body = base64.b64decode(unquote(parts["request"]), validate=True)
    except binascii.Error:
        body = b""
    return _ocsp_post(state, parts, body, now, fault)


def _json(value: Any) -> Answer:
    return Answer(json.dumps(value).encode(), "application/json")


def _admin_requests(state: State, *_rest: Any) -> Answer:
    with state.lock:
        return _json(dict(state.requests))


def _admin_clock(state: State, _parts: dict[str, str], body: bytes, *_rest: Any) -> Answer:
    wanted = json.loads(body)["now"]
    state.fixed_now = None if wanted is None else datetime.fromisoformat(wanted).astimezone(UTC)
    return _json({"now": state.now().isoformat()})


def _admin_faults(state: State, _parts: dict[str, str], body: bytes, *_rest: Any) -> Answer:
    order = json.loads(body)
    planned = PlannedFault(Fault(order["fault"]), float(order.get("seconds", 1.0)), order.get("times"))
    if order["target"] not in {"crl", "delta", "ocsp", "ca"}:
        raise ValueError("target is crl, delta, ocsp or ca")
    with state.lock:
        state.faults[order["target"]] = planned
    return _json({"fault": planned.fault})


def _admin_no_faults(state: State, *_rest: Any) -> Answer:
    with state.lock:
        state.faults.clear()
    return _json({})


def _admin_revoke(state: State, _parts: dict[str, str], body: bytes, now: datetime, *_rest: Any) -> Answer:
    order = json.loads(body)
    partition = Partition(CertificateKind(order["kind"]), int(order["generation"]), order["municipality"])
    at = datetime.fromisoformat(order["at"]).astimezone(UTC) if "at" in order else now
    state.book.revoke(partition, int(order["serial"]), at.replace(microsecond=0), ReasonFlags(order["reason"]))
    return _json({"revoked_at": at.isoformat()})


def _admin_issue(state: State, _parts: dict[str, str], body: bytes, *_rest: Any) -> Answer:
    order = json.loads(body)
    state.book.issue(CertificateKind(order["kind"]), int(order["generation"]), int(order["serial"]))
    return _json({})


_FILE = rf"{_KIND}/(?P<generation>[1-4])/(?P<town>\d{{6}})\.crl"
_ROUTES: tuple[tuple[str, str, str, _Function], ...] = (
    ("GET", rf"/crl/{_FILE}", "crl", _crl),
    ("GET", rf"/delta/{_FILE}", "delta", _delta),
    ("GET", rf"/ca/{_KIND}/(?P<generation>[1-4])\.crt", "ca", _ca),
    ("POST", rf"/ocsp/{_KIND}", "ocsp", _ocsp_post),
    ("GET", rf"/ocsp/{_KIND}/(?P<request>.+)", "ocsp", _ocsp_get),
    ("GET", "/admin/requests", "admin", _admin_requests),
    ("PUT", "/admin/clock", "admin", _admin_clock),
    ("PUT", "/admin/faults", "admin", _admin_faults),
    ("DELETE", "/admin/faults", "admin", _admin_no_faults),
    ("POST", "/admin/revocations", "admin", _admin_revoke),
    ("POST", "/admin/certificates", "admin", _admin_issue),
)
