"""Two clients for the story: the page's side of the loopback agent, and a hostile terminal of our own making."""

from __future__ import annotations

import base64
import hashlib
import time
import uuid
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import OKPKey

from mykey_cardap.emulator import InProcessTransport
from mykey_cardap.emulator.cards import make_card
from mykey_cardap.jpki import JpkiSession
from mykey_cardap.kinds import CertificateKind

_TIMEOUT = 90.0  # seconds; the agent waits for a hub that is being restarted
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
Json = dict[str, Any]


class Page:
    """What the page of a service point does: it drives the loopback agent, from the hub's origin."""

    def __init__(self, address: str, origin: str, pairing_code: str) -> None:
        self._client = httpx.Client(
            base_url=f"{address}/agent/v1",
            headers={"Origin": origin, "Accept-Language": "en"},
            timeout=_TIMEOUT,
        )
        token = self._client.post("/pair", json={"code": pairing_code}).raise_for_status().json()["token"]
        self._client.headers["Mykey-Pairing"] = token

    def insert(self, card: str) -> None:
        """Put a card of the tray into the reader."""
        self._client.put("/tray/inserted", json={"card": card}).raise_for_status()

    def tap(self, service: str, action: str, pin: str, **values: str) -> Json:
        """One tap with the card in the reader; the agent's answer, a problem document included."""
        body = {"service": service, "action": action, "input": values, "pin": pin}
        answer: Json = self._client.post("/taps", json=body).json()
        return answer

    def act(self, service: str, action: str, visit: str | None = None, **values: str) -> Json:
        """One action without a tap."""
        body = {"service": service, "action": action, "input": values, "visit_id": visit}
        answer: Json = self._client.post("/actions", json=body).json()
        return answer

    def end_visit(self, visit: str) -> None:
        """Leave: nothing more can be done within this visit."""
        self._client.delete(f"/visits/{visit}").raise_for_status()

    def write(self, operation: str, **order: Any) -> Json:
        """Write the card in the reader; how the writing ended (or that it waits for approval)."""
        return self._followed("/card-writings", {"operation": operation, **order})

    def ride(self, plugin: str, **order: Any) -> Json:
        """One transaction with a service on the card."""
        return self._followed("/card-taps", {"plugin": plugin, **order})

    def _followed(self, path: str, order: Json) -> Json:
        job: Json = self._client.post(path, json=order).json()
        until = time.monotonic() + _TIMEOUT
        while job.get("state") == "running" and time.monotonic() < until:
            time.sleep(0.05)
            job = self._client.get(f"/card-writings/{job['writing_id']}").json()
        return job

    def take_out(self) -> None:
        """Leave the reader empty."""
        self._client.put("/tray/inserted", json={"card": None}).raise_for_status()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class RawTerminal:
    """A terminal that says what it likes: it shows that the hub, not the terminal, keeps the rules."""

    def __init__(self, origin: str, code: str) -> None:
        self.origin = origin
        self._key = OKPKey.generate_key("Ed25519")
        self._client = httpx.Client(base_url=f"{origin}/api/v1", headers={"Accept-Language": "en"}, timeout=_TIMEOUT)
        public = {
            name: str(value) for name, value in self._key.as_dict(private=False).items() if name in {"kty", "crv", "x"}
        }
        body = {"code": code, "public_key": public, "name": "hostile terminal", "version": "0"}
        enrolment = self._client.post("/terminals/enrolments", json=body).raise_for_status().json()
        self._client.headers["Authorization"] = f"Bearer {self._token(enrolment)}"

    def _token(self, enrolment: Json) -> str:
        now = int(time.time())
        identity = enrolment["terminal_id"]
        claims = {"iss": identity, "sub": identity, "aud": enrolment["audience"], "jti": str(uuid.uuid4())}
        assertion = jwt.encode(
            {"alg": "Ed25519"}, claims | {"iat": now, "exp": now + 60}, self._key, algorithms=["Ed25519"]
        )
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": assertion,
        }
        answer = self._client.post("/oauth/token", data=form).raise_for_status().json()
        return str(answer["access_token"])

    def begin(self, service: str, action: str = "open", **values: str) -> Json:
        """Ask for a tap."""
        body = {"service": service, "action": action, "input": values}
        answer: Json = self._client.post("/taps", json=body).json()
        return answer

    def prove(self, tap_id: str, token: Any) -> Json:
        """Hand in any token."""
        answer: Json = self._client.post(f"/taps/{tap_id}/proof", json={"token": token}).json()
        return answer

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def make_token(
    persona: str, pin: str, origin: str, nonce: str, kind: CertificateKind = CertificateKind.AUTHENTICATION
) -> dict[str, str]:
    """Let a virtual card sign for `origin` and `nonce` with either of its keys, through APDUs."""
    session = JpkiSession(InProcessTransport(make_card(persona)))
    session.verify_pin("authentication" if kind is CertificateKind.AUTHENTICATION else "signature", pin.encode())
    certificate = session.read_certificate(kind)
    message = hashlib.sha256(origin.encode()).digest() + hashlib.sha256(nonce.encode()).digest()
    signature = session.sign_message(kind, message, "RS256")
    return {
        "format": "web-eid:1.0",
        "unverifiedCertificate": base64.b64encode(certificate).decode("ascii"),
        "algorithm": "RS256",
        "signature": base64.b64encode(signature).decode("ascii"),
    }
