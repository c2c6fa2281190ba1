"""Fixtures of the terminal's tests: a clock that is moved by hand, and a small hub that really checks things.

The double keeps the hub's promises that a terminal relies on: assertions are verified with joserfc, signatures with
cryptography, a nonce works once. It shares no code with the terminal.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from werkzeug.serving import make_server
from werkzeug.test import EnvironBuilder, run_wsgi_app
from werkzeug.wrappers import Request, Response

from mykey_terminal.agent.app import AgentApp
from mykey_terminal.agent.desk import CardDesk
from mykey_terminal.agent.gate import Gate, own_hosts
from mykey_terminal.agent.pairing import PairingDesk
from mykey_terminal.clock import system_clock
from mykey_terminal.enrolment import Enrolment, StateDirectory, enrol
from mykey_terminal.hub import Hub
from mykey_terminal.pending import PendingTaps
from mykey_terminal.readers.virtual import VirtualReader
from mykey_terminal.tap import TapRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from wsgiref.types import StartResponse, WSGIEnvironment

START = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
ORIGIN = "https://hub.example.jp"


@dataclass
class HandClock:
    """A clock that stands still until `sleep` or a test moves it."""

    now: datetime = START
    pauses: list[float] = field(default_factory=list)

    def __call__(self) -> datetime:
        """The moment."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Move on, and note by how much."""
        self.pauses.append(seconds)
        self.now += timedelta(seconds=seconds)


class Refused(Exception):
    """An answer with a problem."""

    def __init__(self, status: int, code: str, **extensions: Any) -> None:
        super().__init__(code)
        self.status = status
        self.document = {"type": f"urn:mykey:problem:{code}", "code": code, "title": code, **extensions}


@dataclass
class HubDouble:
    """A hub in one process. `faults[endpoint]` is a list of what goes wrong next there.

    `lost-before` and `lost-after` (the connection breaks before or after the work), a number (that status without
    work), `garbage` (an answer that is no JSON), or None (nothing).
    """

    clock: Callable[[], datetime]
    origin: str = ORIGIN
    token_lifetime: int = 300
    codes: set[str] = field(default_factory=lambda: {"KONNICHIWA"})
    needs: list[str] = field(default_factory=lambda: ["authentication-pin"])
    tap_origin: str | None = None
    faults: dict[str, list[str | int | None]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    languages: list[str | None] = field(default_factory=list)
    keys: dict[str, OKPKey] = field(default_factory=dict)
    used_assertions: set[str] = field(default_factory=set)
    tokens: dict[str, datetime] = field(default_factory=dict)
    taps: dict[str, dict[str, Any]] = field(default_factory=dict)
    effects: list[str] = field(default_factory=list)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        self.bodies.append(request.get_data())
        return self._answer(request)(environ, start_response)

    def count(self, endpoint: str) -> int:
        """How often an endpoint was asked."""
        return sum(name == endpoint for name, _ in self.calls)

    def _answer(self, request: Request) -> Response:
        endpoint = self._endpoint(request)
        self.calls.append((endpoint, request.path))
        self.languages.append(request.headers.get("Accept-Language"))
        fault = (self.faults.get(endpoint) or [None]).pop(0)
        if fault == "lost-before":
            raise httpx.ReadError("the hub was killed")
        if fault == "garbage":
            return Response("<html>", content_type="text/html")
        try:
            if isinstance(fault, int):
                raise Refused(fault, "hub_busy")
            document, status = getattr(self, f"_{endpoint}")(request)
        except Refused as refusal:
            document, status = refusal.document, refusal.status
        if fault == "lost-after":
            raise httpx.ReadError("the hub was killed")
        if status == 204:
            return Response(status=204)
        media = "application/json" if status < 400 else "application/problem+json"
        return Response(json.dumps(document), status=status, content_type=media)

    def _endpoint(self, request: Request) -> str:
        path = request.path.removeprefix("/api/v1")
        fixed = {
            "/terminals/enrolments": "enrol",
            "/oauth/token": "token",
            "/services": "services",
            "/taps": "tap",
            "/actions": "act",
        }
        if path.startswith("/visits/"):
            return "visit"
        return fixed.get(path) or ("proof" if path.endswith("/proof") else "state")

    # -- endpoints ----------------------------------------------------------------------------------------

    def _enrol(self, request: Request) -> tuple[dict[str, Any], int]:
        body = json.loads(request.get_data())
        if body["code"] not in self.codes:
            raise Refused(403, "enrolment_code_invalid")
        self.codes.discard(body["code"])
        if set(body["public_key"]) != {"kty", "crv", "x"}:
            raise Refused(400, "public_key_invalid")
        terminal_id = f"terminal-{len(self.keys) + 1}"
        self.keys[terminal_id] = OKPKey.import_key(body["public_key"])
        return {
            "terminal_id": terminal_id,
            "municipality": "132217",
            "service_point": {"name": "library-desk", "title": "図書館カウンター"},
            "services": ["library"],
            "token_endpoint": f"{self.origin}/api/v1/oauth/token",
            "audience": f"{self.origin}/api/v1/oauth/token",
        }, 201

    def _token(self, request: Request) -> tuple[dict[str, Any], int]:
        form = request.form
        if form.get("grant_type") != "client_credentials" or not self._good(form.get("client_assertion", "")):
            return {"error": "invalid_client"}, 401
        token = secrets.token_urlsafe(24)
        self.tokens[token] = self.clock() + timedelta(seconds=self.token_lifetime)
        return {"access_token": token, "token_type": "Bearer", "expires_in": self.token_lifetime}, 200

    def _good(self, assertion: str) -> bool:
        """RFC 7523 §3: signature of the enrolled key, issuer, audience, life of at most 60 s, used once."""
        header, payload = (json.loads(_unpadded(part)) for part in assertion.split(".")[:2])
        key = self.keys.get(payload["sub"])
        if key is None or header["kid"] != key.thumbprint():
            return False
        try:
            claims = jwt.decode(assertion, key, algorithms=["Ed25519"]).claims
        except JoseError:
            return False
        now = self.clock().timestamp()
        fresh = claims["iat"] <= now < claims["exp"] <= claims["iat"] + 60
        unused = claims["jti"] not in self.used_assertions
        self.used_assertions.add(claims["jti"])
        audience = f"{self.origin}/api/v1/oauth/token"
        return fresh and unused and claims["iss"] == claims["sub"] and claims["aud"] == audience

    def _check_token(self, request: Request) -> None:
        token = (request.headers.get("Authorization") or "").removeprefix("Bearer ")
        if self.tokens.get(token, START) <= self.clock():
            raise Refused(401, "token")

    def _services(self, request: Request) -> tuple[dict[str, Any], int]:
        self._check_token(request)
        return {"services": [{"service": "library", "title": "図書館"}]}, 200

    def _tap(self, request: Request) -> tuple[dict[str, Any], int]:
        self._check_token(request)
        tap_id = f"tap-{len(self.taps) + 1}"
        nonce = base64.b64encode(secrets.token_bytes(33)).decode()
        end = self.clock() + timedelta(minutes=5)
        self.taps[tap_id] = {"nonce": nonce, "end": end, "state": "open", "body": json.loads(request.get_data())}
        return {
            "tap_id": tap_id,
            "nonce": nonce,
            "origin": self.tap_origin or self.origin,
            "expires_at": end.isoformat(),
            "needs": self.needs,
        }, 201

    def _proof(self, request: Request) -> tuple[dict[str, Any], int]:
        self._check_token(request)
        tap = self.taps[request.path.split("/")[-2]]
        if tap["state"] != "open":
            raise Refused(409, "nonce_used")
        if tap["end"] <= self.clock():
            raise Refused(409, "tap_expired")
        tap["state"] = "refused"
        if not _verifies(json.loads(request.get_data())["token"], self.origin, tap["nonce"]):
            tap["problem"] = {"code": "token_signature", "status": 403}
            raise Refused(403, "token_signature")
        tap |= {"state": "done", "result": {"outcome": "done", "code": "opened"}}
        self.effects.append(request.path)
        return self._state_of(request.path.split("/")[-2]), 200

    def _state(self, request: Request) -> tuple[dict[str, Any], int]:
        self._check_token(request)
        tap_id = request.path.split("/")[-1]
        if tap_id not in self.taps:
            raise Refused(404, "tap_unknown")
        return self._state_of(tap_id), 200

    def _state_of(self, tap_id: str) -> dict[str, Any]:
        tap = self.taps[tap_id]
        state = "expired" if tap["state"] == "open" and tap["end"] <= self.clock() else tap["state"]
        return {"tap_id": tap_id, "state": state, "result": tap.get("result"), "problem": tap.get("problem")}

    def _act(self, request: Request) -> tuple[dict[str, Any], int]:
        self._check_token(request)
        key = request.headers.get("Idempotency-Key")
        echo = json.loads(request.get_data())
        return {"result": {"outcome": "done", "code": "acted", "echo": echo, "key": key}}, 200

    def _visit(self, request: Request) -> tuple[dict[str, Any], int]:
        self._check_token(request)
        if request.method != "DELETE" or not request.path.endswith("/v-1"):
            raise Refused(404, "visit_ended")
        return {}, 204


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _verifies(token: dict[str, str], origin: str, nonce: str) -> bool:
    """Whether the signature of a Web eID token is good, by the rules of the reference and `cryptography`."""
    key = x509.load_der_x509_certificate(base64.b64decode(token["unverifiedCertificate"])).public_key()
    signature = base64.b64decode(token["signature"])
    name = {"RS256": "sha256", "ES384": "sha384"}[token["algorithm"]]
    message = hashlib.new(name, origin.encode()).digest() + hashlib.new(name, nonce.encode()).digest()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey):
            r, s = (int.from_bytes(half, "big") for half in (signature[:48], signature[48:]))
            key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA384()))
    except InvalidSignature:
        return False
    return token["format"] == "web-eid:1.0"


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def hub_double(clock: HandClock) -> HubDouble:
    return HubDouble(clock)


@pytest.fixture
def transport(hub_double: HubDouble) -> httpx.WSGITransport:
    return httpx.WSGITransport(app=hub_double)


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    return StateDirectory(tmp_path / "state")


@pytest.fixture
def enrolled(state: StateDirectory, transport: httpx.WSGITransport, clock: HandClock) -> Enrolment:
    return enrol(ORIGIN, "KONNICHIWA", state, name="desk", clock=clock, transport=transport)


@pytest.fixture
def hub(enrolled: Enrolment, state: StateDirectory, transport: httpx.WSGITransport, clock: HandClock) -> Iterator[Hub]:
    with Hub(enrolled, state.load()[1], clock=clock, transport=transport) as hub:
        yield hub


@pytest.fixture
def reader(state: StateDirectory) -> VirtualReader:
    reader = VirtualReader(state.cards, today=START.date())
    reader.insert("adult")
    return reader


@pytest.fixture
def runner(hub: Hub, reader: VirtualReader, state: StateDirectory, clock: HandClock) -> TapRunner:
    return TapRunner(hub, reader, PendingTaps(state.pending), clock.sleep, clock)


@dataclass
class AgentClient:
    """A page that talks to an agent; `code` is what the agent announced last."""

    app: AgentApp
    codes: list[str]
    hub: HubDouble
    token: str = ""

    @property
    def code(self) -> str:
        """The code that the person sees now."""
        return self.codes[-1]

    @property
    def touched(self) -> list[str]:
        """What the hub was asked since the enrolment."""
        return [name for name, _ in self.hub.calls if name != "enrol"]

    def pair(self) -> str:
        """Pair as the page of the hub and keep the token."""
        answer = self.request("POST", "/pair", body={"code": self.code})
        self.token = answer.json["token"]
        return self.token

    def call(self, method: str, path: str, body: Any = None, *, language: str | None = None) -> Response:
        """A good request of a paired page."""
        return self.request(method, path, body=body, token=self.token or self.pair(), language=language)

    def request(
        self,
        method: str,
        path: str,
        *,
        origin: str | None = ORIGIN,
        host: str = "127.0.0.1:41873",
        token: str | None = None,
        body: Any = None,
        raw: bytes | None = None,
        media_type: str | None = "application/json",
        language: str | None = None,
    ) -> Response:
        """A request of which everything can be wrong."""
        if body is not None:
            raw = json.dumps(body).encode()
        headers = {"Origin": origin, "Mykey-Pairing": token, "Accept-Language": language}
        given = {name: value for name, value in headers.items() if value is not None}
        builder = EnvironBuilder(
            path="/agent/v1" + path,
            method=method,
            headers=given,
            data=raw or b"",
            content_type=media_type if method in {"POST", "PUT"} else None,
        )
        environ = builder.get_environ()
        environ["HTTP_HOST"] = host
        environ["CONTENT_LENGTH"] = str(len(raw or b""))
        return Response(*run_wsgi_app(self.app, environ))


@pytest.fixture
def agent(runner: TapRunner, hub_double: HubDouble, clock: HandClock) -> AgentClient:
    codes: list[str] = []
    desk = PairingDesk(monotonic=lambda: clock().timestamp(), announce=codes.append)
    origins = {ORIGIN, "http://127.0.0.1:8080"}
    client = AgentClient(AgentApp(Gate(own_hosts(41873), origins, desk), CardDesk(runner)), codes, hub_double)
    client.pair()
    return client


@pytest.fixture
def live_hub(hub_double: HubDouble) -> Iterator[str]:
    """The double behind a real server on loopback, on the real clock; its address."""
    hub_double.clock = system_clock
    server = make_server("127.0.0.1", 0, hub_double, threaded=True)  # unlike waitress it can be closed from here
    hub_double.origin = f"http://127.0.0.1:{server.port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield hub_double.origin
    server.shutdown()
    thread.join(5)
    server.server_close()


@pytest.fixture
def at_home(live_hub: str, tmp_path: Path) -> Path:
    """The state folder of a terminal that is enrolled with the live double."""
    folder = tmp_path / "terminal"
    enrol(live_hub, "KONNICHIWA", StateDirectory(folder), name="desk", clock=system_clock)
    return folder
