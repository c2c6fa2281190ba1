"""P12 and P13: what the OpenID provider costs, against floors that do only the cryptography and the dictionary work.

P12  An ID token as the token endpoint makes it (claims of the hub, header, at_hash, ES256) against one raw P-256
     signature of as many bytes by `cryptography`. CPU time.
P13  Whole code flows of a citizen who has agreed before: GET /oidc/authorize with the session's cookie and PKCE, POST
     /oidc/token with a signed assertion; SQLite NORMAL, in this process, over WSGI. The floor is a bare WSGI program
     that answers the same two requests from dictionaries: it verifies the assertion (Ed25519), checks PKCE
     (SHA-256) and signs the ID token (P-256). CPU time a flow.

The performance notes set P13 against Node's `oidc-provider` in memory. That peer is no part of this repository, and
ours keeps codes, grants, tokens and the audit in the database; the ratio to the floor says what that costs. Rounds
are interleaved, every answer is checked, medians are quoted.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.jwk import OKPKey

from mykey_core.remote.provider import Code, CodeRequest
from mykey_testkit.browsers import PageClient, citizen_client
from mykey_testkit.clock import ManualClock
from mykey_testkit.hub import HubHarness
from mykey_web.oidc import server as oidc
from mykey_web.oidc.endpoints import audiences

ORIGIN, PLUGIN = "https://hub.example.jp", "https://festival.example.jp"
TARGET_P12 = 2.5
ROUNDS, FLOWS, TOKENS = 7, 100, 1000
VERIFIER = "v" * 43
MANIFEST = Path(__file__).parents[1] / "tests" / "remote_sample" / "festival.toml"
GRANTS = '"tap", "audit", "people", "http", "attribute:municipality", "host:festival.example.jp"'
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def base64url(data: bytes) -> str:
    """RFC 7515."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


CHALLENGE = base64url(hashlib.sha256(VERIFIER.encode()).digest())


def make_town(folder: Path, key: OKPKey) -> HubHarness:
    """A hub with the sample plugin registered."""
    text = MANIFEST.read_text(encoding="utf-8").replace("PLUGIN", PLUGIN).replace("HOST", urlsplit(PLUGIN).netloc)
    manifest = folder / "festival.toml"
    manifest.write_text(text.replace("PUBLIC", str(key.as_dict(private=False)["x"])), encoding="utf-8")
    plugins = f'[plugins.festival]\nmanifest = "{manifest}"\ngrants = [{GRANTS}]\n'
    return HubHarness(folder, plugins, ["festival-desk"], clock=ManualClock(datetime.now(UTC)), origin=ORIGIN)


class Flows:
    """A citizen's browser and a plugin that go through the hub."""

    def __init__(self, town: HubHarness, key: OKPKey) -> None:
        self.key = key
        self.browser: PageClient = citizen_client(town, "adult")
        self.plugin = town.app.test_client()
        asked = {
            "response_type": "code", "client_id": "festival", "redirect_uri": f"{PLUGIN}/callback", "scope": "openid",
            "state": "s", "nonce": "n", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        }  # fmt: skip
        self.query = urlencode(asked)
        agreed = self.browser.post("/oidc/consent", {"request": self.query, "decision": "agree"})
        assert agreed.status_code == HTTPStatus.SEE_OTHER
        self.number = 0

    def assertions(self, count: int) -> list[str]:
        """Made before the clock runs: they are the client's work."""
        now = int(time.time())
        claims = {"iss": "festival", "sub": "festival", "aud": f"{ORIGIN}/oidc/token", "iat": now, "exp": now + 250}
        made = ({**claims, "jti": str(uuid4())} for _ in range(count))
        return [jwt.encode({"alg": "Ed25519"}, whole, self.key, ["Ed25519"]) for whole in made]

    def run(self, assertion: str) -> None:
        """One flow; each comes from another address, for the rate is limited by address."""
        self.number += 1
        address = f"10.{self.number >> 16 & 255}.{self.number >> 8 & 255}.{self.number & 255}"
        sent = self.browser._http.get(  # noqa: SLF001 - the browser's client takes an address
            f"/oidc/authorize?{self.query}", base_url=ORIGIN, environ_base={"REMOTE_ADDR": address}
        )
        code = parse_qs(urlsplit(sent.location).query)["code"][0]
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": f"{PLUGIN}/callback",
            "code_verifier": VERIFIER, "client_assertion_type": ASSERTION, "client_assertion": assertion,
        }  # fmt: skip
        answer = self.plugin.post("/oidc/token", base_url=ORIGIN, data=form, environ_base={"REMOTE_ADDR": address})
        assert answer.get_json()["id_token"].count(".") == 2  # noqa: PLR2004 - a compact JWS


class Floor:
    """The same two requests with nothing that could be left out; codes live in a dictionary."""

    def __init__(self, key: OKPKey) -> None:
        self.public = Ed25519PrivateKey.from_private_bytes(
            base64.urlsafe_b64decode(str(key.as_dict(private=True)["d"]) + "=")
        ).public_key()
        self.signing = ec.generate_private_key(ec.SECP256R1())
        self.codes: dict[str, str] = {}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        """WSGI."""
        if environ["PATH_INFO"] == "/oidc/authorize":
            asked = parse_qs(environ["QUERY_STRING"])
            code = uuid4().hex
            self.codes[code] = asked["code_challenge"][0]
            start_response("302 Found", [("Location", f"{asked['redirect_uri'][0]}?code={code}")])
            return [b""]
        form = parse_qs(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode())
        signed, _, signature = form["client_assertion"][0].rpartition(".")
        self.public.verify(base64.urlsafe_b64decode(signature + "=="), signed.encode())
        json.loads(base64.urlsafe_b64decode(signed.partition(".")[2] + "=="))
        challenge = base64url(hashlib.sha256(form["code_verifier"][0].encode()).digest())
        assert self.codes.pop(form["code"][0]) == challenge
        claims = base64url(json.dumps({"iss": ORIGIN, "sub": "x" * 43, "aud": "festival"}).encode())
        token = f"e30.{claims}"
        token += "." + base64url(self.signing.sign(token.encode(), ec.ECDSA(SHA256())))
        body = json.dumps({"access_token": uuid4().hex, "id_token": token}).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]


def floor_flows(floor: Floor, flows: Flows) -> Flows:
    """Flows through the floor, by the same client code."""
    from werkzeug.test import Client  # noqa: PLC0415 - the client of Flask without Flask

    bare = object.__new__(Flows)
    bare.__dict__.update(flows.__dict__, number=0, plugin=Client(floor))
    bare.browser = SimpleNamespace(_http=Client(floor))  # type: ignore[assignment]
    return bare


def microseconds(act: Callable[[], Any], count: int) -> float:
    """CPU µs of one of `count` acts."""
    begin = time.process_time()
    act()
    return (time.process_time() - begin) / count * 1e6


def p12(town: HubHarness, provider: oidc.Provider) -> None:
    """Print the line of P12."""
    maker = oidc._IdToken(provider.keys, town.hub)  # noqa: SLF001 - the part of the grant that makes the token
    asked = CodeRequest(f"{PLUGIN}/callback", "openid", "n", CHALLENGE)
    code = Code(b"", uuid4(), "festival", uuid4(), uuid4(), asked, "card", town.clock.now, used=True)
    stored = oidc._StoredCode(code)  # noqa: SLF001 - the same
    stored.subject = "x" * 43
    client = SimpleNamespace(client_id="festival")
    request = SimpleNamespace(client=client, authorization_code=stored, user=stored)
    token = {"access_token": "a" * 43, "scope": "openid"}
    key, message = ec.generate_private_key(ec.SECP256R1()), b"m" * 500

    def ours() -> None:
        for _ in range(TOKENS):
            maker.encode_id_token(token, request)

    def floor() -> None:
        for _ in range(TOKENS):
            key.sign(message, ec.ECDSA(SHA256()))

    with town.app.test_request_context(base_url=ORIGIN):
        rounds = [(microseconds(floor, TOKENS), microseconds(ours, TOKENS)) for _ in range(ROUNDS)]
    show("P12 ID token / raw P-256 signature", rounds, f"<= {TARGET_P12}")


def p13(town: HubHarness, key: OKPKey, count: int) -> None:
    """Print the line of P13."""
    flows = Flows(town, key)
    bare = floor_flows(Floor(key), flows)
    rounds = []
    for _ in range(ROUNDS):
        pair = []
        for which in (bare, flows):
            assertions = flows.assertions(count)
            pair.append(microseconds(lambda which=which, given=assertions: [which.run(one) for one in given], count))
        rounds.append((pair[0], pair[1]))
    show("P13 code flow / floor, in process", rounds, "see the head of this program")
    ours = statistics.median(pair[1] for pair in rounds)
    print(f"    {1e6 / ours:.0f} flows/s of one core")


def show(name: str, rounds: list[tuple[float, float]], target: str) -> None:
    """Medians of floor and ours, and of their ratio."""
    floor, ours = (statistics.median(pair[which] for pair in rounds) for which in (0, 1))
    ratio = statistics.median(pair[1] / pair[0] for pair in rounds)
    print(f"{name:36} floor {floor:8.1f} us, ours {ours:8.1f} us, ratio {ratio:6.2f}  {target}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["p12", "p13"], action="append")
    parser.add_argument("--count", type=int, default=FLOWS)
    arguments = parser.parse_args()
    wanted = arguments.only or ["p12", "p13"]
    key = OKPKey.generate_key("Ed25519")
    with tempfile.TemporaryDirectory() as name:
        town = make_town(Path(name), key)
        if "p12" in wanted:
            provider = oidc.make_provider(town.app, town.hub, audiences)
            p12(town, provider)
        if "p13" in wanted:
            p13(town, key, arguments.count)
        town.close()


if __name__ == "__main__":
    main()
