"""Enrolment, client assertions and access tokens, as RFC 7523 and the hub's own rules want them."""

from __future__ import annotations

import base64
import json
import time
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey, RSAKey

from mykey_core.terminals.errors import ServicePointUnknown
from mykey_testkit.hub import HubHarness, TerminalClient


def test_an_enrolment_code_is_good_once(library_hub: HubHarness) -> None:
    """The second terminal with the same code is refused."""
    code = library_hub.hub.terminals.new_code("desk")
    first = TerminalClient(library_hub.app, code, library_hub.clock)
    second = TerminalClient(library_hub.app, code, library_hub.clock)
    assert "terminal_id" in first.enrolment
    assert second.enrolment["code"] == "enrolment_code_invalid"


def test_a_lost_answer_can_be_asked_for_again(library_hub: HubHarness) -> None:
    """The same code with the same key gives the same terminal, once; with another key it is refused."""
    code = library_hub.hub.terminals.new_code("desk")
    first = TerminalClient(library_hub.app, code, library_hub.clock)
    key = {name: str(value) for name, value in first.key.as_dict(private=False).items() if name != "kid"}
    body = {"code": code, "public_key": key, "name": "again", "version": "1"}
    again = library_hub.app.test_client().post("/api/v1/terminals/enrolments", json=body).get_json()
    assert again["terminal_id"] == first.enrolment["terminal_id"]
    assert len(library_hub.audit("terminal.enrolled")) == 1


def test_an_enrolment_code_ends_after_an_hour(library_hub: HubHarness) -> None:
    """A code that was left lying about is of no use."""
    code = library_hub.hub.terminals.new_code("desk")
    library_hub.clock.move(timedelta(hours=1))
    assert TerminalClient(library_hub.app, code, library_hub.clock).enrolment["code"] == "enrolment_code_invalid"


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "OKP", "crv": "X25519", "x": "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"},
        {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQ"},
        {"kty": "OKP", "crv": "Ed25519", "x": "short"},
        {},
    ],
)
def test_only_a_public_ed25519_key_is_registered(library_hub: HubHarness, key: dict[str, str]) -> None:
    """Any other key is refused, and the code stays good."""
    code = library_hub.hub.terminals.new_code("desk")
    http = library_hub.app.test_client()
    body = {"code": code, "public_key": key, "name": "n", "version": "1"}
    assert http.post("/api/v1/terminals/enrolments", json=body).get_json()["code"] == "public_key_invalid"
    assert "terminal_id" in TerminalClient(library_hub.app, code, library_hub.clock).enrolment


def test_a_private_device_key_is_refused(library_hub: HubHarness) -> None:
    """A terminal that sends its private key is told so instead of having it stored."""
    key = OKPKey.generate_key("Ed25519").as_dict(private=True)
    body = {"code": library_hub.hub.terminals.new_code("desk"), "public_key": key, "name": "n", "version": "1"}
    answer = library_hub.app.test_client().post("/api/v1/terminals/enrolments", json=body).get_json()
    assert answer["code"] == "public_key_invalid"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://other.example.jp/api/v1/oauth/token"},
        {"iss": "somebody-else"},
        {"exp": 1_000_000_000},
        {"exp": int(time.time()) + 86_400},
        {"jti": None},
        {"sub": "00000000-0000-7000-8000-000000000000"},
        {"sub": ["list"]},
    ],
)
def test_assertions_with_a_wrong_claim_are_refused(library_hub: HubHarness, changes: dict[str, Any]) -> None:
    """Audience, issuer, life, id and subject are each checked."""
    terminal = library_hub.terminal()
    answer = terminal.ask_token(terminal.assertion(**changes))
    assert (answer.status_code, answer.get_json()["error"]) in {(400, "invalid_client"), (401, "invalid_client")}


def test_an_assertion_is_good_once(library_hub: HubHarness) -> None:
    """A replayed assertion gives no second token."""
    terminal = library_hub.terminal()
    assertion = terminal.assertion()
    assert terminal.ask_token(assertion).status_code == 200
    assert terminal.ask_token(assertion).get_json()["error"] == "invalid_client"


def test_tokens_are_given_behind_a_proxy_that_ends_tls(library_hub: HubHarness) -> None:
    """The hub itself hears plain http under its public name; its origin says https, and that counts."""
    terminal = library_hub.terminal()
    form = {"grant_type": "client_credentials", "client_assertion": terminal.assertion()}
    form["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    answer = library_hub.app.test_client().post("/api/v1/oauth/token", data=form, base_url="http://hub.example.jp")
    assert answer.status_code == 200


def test_algorithm_confusion_is_refused(library_hub: HubHarness) -> None:
    """Neither 'none' nor HMAC with the public key nor a key in the header is taken."""
    terminal = library_hub.terminal()
    now = int(time.time())
    identity = terminal.enrolment["terminal_id"]
    claims = {"iss": identity, "sub": identity, "aud": terminal.enrolment["audience"], "iat": now, "exp": now + 60}
    public = terminal.key.as_dict(private=False)
    hmac_key = OctKey.import_key(str(public["x"]))
    other = OKPKey.generate_key("Ed25519")
    forged = [
        jwt.encode({"alg": "HS256"}, claims | {"jti": "1"}, hmac_key, algorithms=["HS256"]),
        _unsigned(claims | {"jti": "2"}),
        jwt.encode(
            {"alg": "Ed25519", "jwk": other.as_dict(private=False)},
            claims | {"jti": "3"},
            other,
            algorithms=["Ed25519"],
        ),
        jwt.encode({"alg": "RS256"}, claims | {"jti": "4"}, _rsa_key(), algorithms=["RS256"]),
    ]
    assert [terminal.ask_token(token).get_json()["error"] for token in forged] == ["invalid_client"] * 4


def _unsigned(claims: dict[str, Any]) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


def _rsa_key() -> RSAKey:
    from cryptography.hazmat.primitives import serialization

    from mykey_cardap.emulator import keystore

    name = next(name for name in keystore.names() if name.startswith("persona/"))
    pem = keystore.key(name).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return RSAKey.import_key(pem)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic dXNlcjpwYXNz"])
def test_without_a_good_token_nothing_is_answered(library_hub: HubHarness, header: str) -> None:
    """401 with a challenge, for every way of not having a token."""
    terminal = library_hub.terminal()
    answer = terminal.get("/services", Authorization=header)
    assert (answer.status_code, answer.get_json()["code"]) == (401, "terminal_unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_token_ends_after_five_minutes(library_hub: HubHarness) -> None:
    """An access token is refused once its time is over."""
    terminal = library_hub.terminal()
    assert terminal.get("/services").status_code == 200
    library_hub.clock.move(timedelta(minutes=5))
    assert terminal.get("/services").status_code == 401


def test_a_revoked_terminal_is_shut_out(library_hub: HubHarness) -> None:
    """Revoking a lost terminal ends its token at once and gives it no other."""
    from uuid import UUID

    terminal = library_hub.terminal()
    assert terminal.get("/services").status_code == 200
    library_hub.hub.terminals.revoke(UUID(terminal.enrolment["terminal_id"]))
    assert terminal.get("/services").status_code == 401
    assert terminal.ask_token(terminal.assertion()).get_json()["error"] == "invalid_client"


def test_a_service_that_the_point_does_not_offer_is_refused(library_hub: HubHarness) -> None:
    """A terminal gets only what its service point was given."""
    library_hub.hub.terminals.define_service_point("empty", {"ja": "何もない"}, [])
    terminal = library_hub.terminal("empty")
    assert terminal.begin("library-desk")["code"] == "service_not_allowed"
    assert terminal.get("/services").get_json()["services"] == []


def test_no_code_for_an_unknown_service_point(library_hub: HubHarness) -> None:
    """A misspelt service point gets no enrolment code; the error names those that there are."""
    with pytest.raises(ServicePointUnknown, match=r"there are: desk\)") as caught:
        library_hub.hub.terminals.new_code("desc")
    assert caught.value.known == ("desk",)


def test_services_are_described_in_the_language_asked_for(library_hub: HubHarness) -> None:
    """The page of a service point is made from this: titles, actions and fields."""
    terminal = library_hub.terminal()
    answer = terminal.get("/services", **{"Accept-Language": "ja"}).get_json()
    services = answer["services"]
    assert {answer[place]["title"] for place in ("service_point", "municipality")} == {"カウンター", "みほん市"}
    assert services[0]["title"] == "図書館カウンター"
    assert [action["name"] for action in services[0]["actions"]][:3] == ["open", "link", "lend"]
    assert services[0]["actions"][1]["fields"][0]["pattern"] == "[A-Z0-9]{6,14}"
