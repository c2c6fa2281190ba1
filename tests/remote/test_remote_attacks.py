"""Attacks on the provider and on webhooks: each is refused, and what was given before is taken back."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

import httpx
import pytest
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey
from werkzeug.test import TestResponse

from mykey_core.remote.webhooks import WebhookSender
from mykey_testkit.browsers import PageClient, citizen_client
from mykey_testkit.hub import HubHarness

ORIGIN = "https://hub.example.jp"
PLUGIN = "https://festival.example.jp"
HTML = {"Accept": "text/html", "Accept-Language": "en"}
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Attacked:
    """A hub with two remote plugins, without sockets."""

    hub: HubHarness
    keys: dict[str, OKPKey]
    browser: PageClient = field(init=False)

    def __post_init__(self) -> None:
        self.browser = citizen_client(self.hub, "adult")

    def asked(self, **changes: str | None) -> dict[str, str]:
        """The parameters of a good request, changed; None leaves one out."""
        good: dict[str, str | None] = {
            "response_type": "code",
            "client_id": "festival",
            "redirect_uri": f"{PLUGIN}/callback",
            "scope": "openid",
            "state": "s",
            "nonce": "n",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in {**good, **changes}.items() if value is not None}

    def authorize(self, browser: PageClient | None = None, **changes: str | None) -> TestResponse:
        """GET the authorization endpoint."""
        return (browser or self.browser).get(f"/oidc/authorize?{urlencode(self.asked(**changes))}", headers=HTML)

    def error(self, **changes: str | None) -> str:
        """The error that goes back to the client."""
        answer = self.authorize(**changes)
        assert answer.status_code == 302, answer.text
        query = parse_qs(urlsplit(answer.location).query)
        assert (query["iss"], query.get("state")) == ([ORIGIN], ["s"])
        return query["error"][0]

    def agree(self, **changes: str | None) -> None:
        """Agree once, so that codes come without a question."""
        form = {"request": urlencode(self.asked(**changes)), "decision": "agree"}
        assert self.browser.post("/oidc/consent", form).status_code == 303

    def code(self, **changes: str | None) -> str:
        """A code for the client."""
        self.agree(**changes)
        answer = self.authorize(**changes)
        return parse_qs(urlsplit(answer.location).query)["code"][0]

    def assertion(self, client: str = "festival", **changes: Any) -> str:
        """The client's proof of itself."""
        now = int(time.time())
        claims = {"iss": client, "sub": client, "aud": f"{ORIGIN}/oidc/token", "iat": now, "exp": now + 60}
        whole = {**claims, "jti": str(uuid4()), **changes}
        return jwt.encode({"alg": "Ed25519"}, whole, self.keys[client], ["Ed25519"])

    def post(self, path: str, client: str = "festival", assertion: str | None = None, **form: str) -> TestResponse:
        """POST as a client."""
        proof = {
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion or self.assertion(client),
        }
        return self.hub.app.test_client().post(path, base_url=ORIGIN, data={**proof, **form})

    def redeem(self, code: str, client: str = "festival", **changes: str) -> TestResponse:
        """Ask for the tokens of a code."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": f"{PLUGIN}/callback",
            "code_verifier": VERIFIER,
        }
        return self.post("/oidc/token", client, **{**form, **changes})

    def userinfo(self, token: str) -> TestResponse:
        """What a token shows."""
        headers = {"Authorization": f"Bearer {token}"}
        return self.hub.app.test_client().get("/oidc/userinfo", base_url=ORIGIN, headers=headers)


@pytest.fixture
def attacked(tmp_path: Path, remote_manifest: Any, remote_key: Any) -> Iterator[Attacked]:
    """See `Attacked`."""
    keys, parts = {}, []
    for name, address in (("festival", PLUGIN), ("rival", "https://rival.example.jp")):
        keys[name] = remote_key()[0]
        path = tmp_path / f"{name}.toml"
        path.write_text(
            remote_manifest(address, keys[name])
            .replace('name = "festival"', f'name = "{name}"')
            .replace("festival-desk", f"{name}-desk"),
            encoding="utf-8",
        )
        host = urlsplit(address).netloc
        grants = f'"tap", "audit", "people", "http", "attribute:municipality", "host:{host}"'
        parts.append(f'[plugins.{name}]\nmanifest = "{path}"\ngrants = [{grants}]\n')
    folder = tmp_path / "town"
    folder.mkdir()
    hub = HubHarness(folder, "\n".join(parts), ["festival-desk"], origin=ORIGIN)
    yield Attacked(hub, keys)
    hub.close()


# -- the request ----------------------------------------------------------------------------------------------


WRONG: list[tuple[dict[str, str | None], str]] = [
    ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    ({"code_challenge_method": "plain", "code_challenge": VERIFIER}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": "code id_token"}, "unsupported_response_type"),
    ({"response_type": None}, "invalid_request"),
    ({"response_mode": "form_post"}, "invalid_request"),
    ({"scope": "profile"}, "invalid_scope"),
    ({"prompt": "bogus"}, "invalid_request"),
    ({"prompt": "none login"}, "invalid_request"),
    ({"prompt": "none"}, "consent_required"),
    ({"max_age": "abc"}, "invalid_request"),
    ({"request": "e30.e30."}, "request_not_supported"),
    ({"request_uri": "https://evil.example/r"}, "request_uri_not_supported"),
    ({"registration": "{}"}, "registration_not_supported"),
    ({"id_token_hint": "junk"}, "invalid_request"),
]


def test_what_a_bare_provider_lets_through_is_refused(attacked: Attacked) -> None:
    """authentication-hub §8.2: every gap goes back to the client as an error, with state and issuer."""
    assert [attacked.error(**changes) for changes, _ in WRONG] == [error for _, error in WRONG]


ELSEWHERE = [
    None,
    "https://evil.example/callback",
    f"{PLUGIN}/callback/",
    f"{PLUGIN}/callback?x=1",
    f"{PLUGIN}/callback#x",
    "https://festival.example.jp@evil.example/callback",
    "http://festival.example.jp/callback",
    "https://rival.example.jp/callback",
]


def test_nobody_is_sent_to_an_address_that_is_not_registered(attacked: Attacked) -> None:
    """A page of the hub says so; even a request that is wrong in other ways does not leave for that address."""
    for redirect_uri in ELSEWHERE:
        for more in ({}, {"response_type": "bogus"}, {"scope": ""}):
            answer = attacked.authorize(redirect_uri=redirect_uri, **more)
            assert (answer.status_code, answer.location) == (400, None), redirect_uri
            assert "The way back is not registered" in answer.text


def test_nobody_is_signed_in_silently(attacked: Attacked) -> None:
    """`prompt=none` without a session is refused; without it the browser goes to the sign-in page."""
    stranger = PageClient(attacked.hub)
    answer = attacked.authorize(stranger, prompt="none")
    assert parse_qs(urlsplit(answer.location).query)["error"] == ["login_required"]
    assert attacked.authorize(stranger).location.startswith("/sign-in/?next=")


def test_a_new_sign_in_is_really_new(attacked: Attacked) -> None:
    """`prompt=login` and `max_age` ask again, and only a session that began afterwards goes on."""
    attacked.agree()
    for changes in ({"prompt": "login"}, {"max_age": "0"}):
        answer = attacked.authorize(**changes)
        back = parse_qs(urlsplit(answer.location).query)["next"][0]
        assert attacked.browser.get(back, headers=HTML).status_code == 303, "the old session is not enough"
        attacked.hub.clock.move(timedelta(seconds=2))
        attacked.browser.sign_in("adult")
        assert "code=" in attacked.browser.get(back, headers=HTML).location
    attacked.hub.clock.move(timedelta(seconds=5))
    assert attacked.authorize(max_age="1").location.startswith("/sign-in/")
    assert "code=" in attacked.authorize(max_age="10000").location


def test_another_site_cannot_agree_for_the_citizen(attacked: Attacked) -> None:
    """The consent is a form of the hub with the session's token."""
    body = {"request": urlencode(attacked.asked()), "decision": "agree", "csrf_token": "0" * 64}
    assert attacked.browser.post("/oidc/consent", body).status_code == 403
    assert attacked.error(prompt="none") == "consent_required"


# -- the code -------------------------------------------------------------------------------------------------


def test_a_code_that_comes_twice_takes_back_what_it_gave(attacked: Attacked) -> None:
    """The second use is refused, the first token ends, and the audit says so."""
    code = attacked.code()
    token = attacked.redeem(code).get_json()["access_token"]
    assert attacked.userinfo(token).status_code == 200
    assert attacked.redeem(code).get_json()["error"] == "invalid_grant"
    assert attacked.userinfo(token).status_code == 401
    assert len(attacked.hub.audit("provider.code_reused")) == 1


def test_a_stolen_code_is_worth_nothing(attacked: Attacked) -> None:
    """Without the verifier, or with another address, there are no tokens."""
    for changes in (
        {"code_verifier": "w" * 43},
        {"code_verifier": ""},
        {"redirect_uri": "https://rival.example.jp/callback"},
        {"redirect_uri": ""},
    ):
        answer = attacked.redeem(attacked.code(), **changes)
        assert answer.status_code == 400, changes
        assert "access_token" not in answer.get_json()


def test_another_clients_code_is_worth_nothing(attacked: Attacked) -> None:
    """Injected into another client (mix-up), a code is refused, and still good for its own."""
    code = attacked.code()
    assert attacked.redeem(code, "rival").get_json()["error"] == "invalid_grant"
    assert attacked.redeem(code).status_code == 200


def test_a_code_lives_a_minute(attacked: Attacked) -> None:
    """Then it is over."""
    code = attacked.code()
    attacked.hub.clock.move(timedelta(seconds=60))
    assert attacked.redeem(code).get_json()["error"] == "invalid_grant"


# -- who asks -------------------------------------------------------------------------------------------------


def test_only_the_key_of_the_manifest_proves_the_client(attacked: Attacked) -> None:
    """Another's key, another's name, a key in the header, another audience, an old or repeated assertion."""
    now = int(time.time())
    stranger = OKPKey.generate_key("Ed25519")
    embedded = jwt.encode(
        {"alg": "Ed25519", "jwk": stranger.as_dict(private=False)},
        {"iss": "festival", "sub": "festival", "aud": ORIGIN, "exp": now + 60, "iat": now, "jti": "1"},
        stranger,
        ["Ed25519"],
    )
    repeated = attacked.assertion()
    form = {"grant_type": "client_credentials", "scope": "audit"}
    assert attacked.post("/oidc/token", assertion=repeated, **form).status_code == 200
    for wrong in (
        embedded,
        repeated,
        attacked.assertion("rival", iss="festival", sub="festival"),
        attacked.assertion(aud="https://other.example/token"),
        attacked.assertion(aud=f"{ORIGIN}/api/v1/oauth/token"),
        attacked.assertion(exp=now - 120),
        attacked.assertion(exp=now + 3600),
    ):
        answer = attacked.post("/oidc/token", assertion=wrong, **form)
        assert (answer.status_code, answer.get_json()["error"]) in {(400, "invalid_client"), (401, "invalid_client")}


def test_a_secret_is_no_way_to_prove_oneself(attacked: Attacked) -> None:
    """Neither a password nor nothing: one method, whatever the request says."""
    for form in ({"client_id": "festival"}, {"client_id": "festival", "client_secret": "x"}):
        body = {"grant_type": "client_credentials", "scope": "audit", **form}
        answer = attacked.hub.app.test_client().post("/oidc/token", base_url=ORIGIN, data=body)
        assert answer.get_json()["error"] == "invalid_client"


def test_tokens_of_people_and_of_plugins_are_two_things(attacked: Attacked) -> None:
    """A person's token opens no REST call, a plugin's shows nobody, and a terminal's token is neither."""
    person = attacked.redeem(attacked.code(scope="openid audit people")).get_json()
    assert person["scope"] == "openid"
    own = attacked.post("/oidc/token", grant_type="client_credentials", scope="audit people").get_json()
    client = attacked.hub.app.test_client()
    for token, expected in ((person, 401), (own, 204)):
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        body = {"action": "joined"}
        answer = client.post("/api/v1/remote/audit-records", base_url=ORIGIN, json=body, headers=headers)
        assert answer.status_code == expected
    assert attacked.userinfo(own["access_token"]).status_code == 401
    headers = {"Authorization": f"Bearer {own['access_token']}"}
    assert client.get("/api/v1/services", base_url=ORIGIN, headers=headers).status_code == 401


def test_only_its_own_client_ends_a_token(attacked: Attacked) -> None:
    """Revocation by another says 200 and does nothing (RFC 7009); a token is over after five minutes anyway."""
    token = attacked.redeem(attacked.code()).get_json()["access_token"]
    assert attacked.post("/oidc/revoke", "rival", token=token).status_code == 200
    assert attacked.userinfo(token).status_code == 200
    assert attacked.post("/oidc/revoke", token=token).status_code == 200
    assert attacked.userinfo(token).status_code == 401
    other = attacked.redeem(attacked.code()).get_json()["access_token"]
    attacked.hub.clock.move(timedelta(minutes=5))
    assert attacked.userinfo(other).status_code == 401


def test_a_disabled_plugin_is_nobody(attacked: Attacked) -> None:
    """Tokens of a plugin that the town has taken out open nothing."""
    token = attacked.redeem(attacked.code()).get_json()["access_token"]
    del attacked.hub.hub.plugins.plugins["festival"]
    assert attacked.userinfo(token).status_code == 401
    assert attacked.authorize().status_code == 400


# -- the ID token ---------------------------------------------------------------------------------------------


def test_the_id_token_is_for_one_client_and_by_a_published_key(attacked: Attacked) -> None:
    """ES256 with `kid`; audience, nonce and subject are this client's; a rotated key leaves old tokens verifiable."""
    found = attacked.redeem(attacked.code()).get_json()
    client = attacked.hub.app.test_client()
    keys = client.get("/oidc/jwks.json", base_url=ORIGIN).get_json()
    assert all("d" not in key for key in keys["keys"])
    token = jwt.decode(found["id_token"], KeySet.import_key_set(keys), algorithms=["ES256"])
    assert (token.claims["aud"], token.claims["nonce"], token.claims["iss"]) == ("festival", "n", ORIGIN)
    assert token.header["kid"] == keys["keys"][0]["kid"]
    with pytest.raises(JoseError, match="kid"):
        jwt.decode(found["id_token"], KeySet([ECKey.generate_key("P-256")]), algorithms=["ES256"])

    from mykey_core.remote.keys import ProviderKeys, Use

    own = ProviderKeys(attacked.hub.settings.provider_key_file)
    assert own.key_id(Use.ID_TOKEN) == keys["keys"][0]["kid"]
    assert own.rotate(Use.ID_TOKEN) == own.key_id(Use.ID_TOKEN) != keys["keys"][0]["kid"]
    attacked.hub.restart()
    renewed = attacked.hub.app.test_client().get("/oidc/jwks.json", base_url=ORIGIN).get_json()["keys"]
    assert [key["kid"] for key in renewed][1:] == [keys["keys"][0]["kid"]]


def test_a_hint_of_another_client_or_forged_is_refused(attacked: Attacked) -> None:
    """For `prompt=none` and for signing out: only a token that this hub gave to this client says who is meant."""
    hint = attacked.redeem(attacked.code()).get_json()["id_token"]
    assert "code=" in attacked.authorize(prompt="none", id_token_hint=hint).location
    forged = jwt.encode(
        {"alg": "ES256"}, {"iss": ORIGIN, "aud": "festival", "sub": "x"}, ECKey.generate_key("P-256"), ["ES256"]
    )
    assert attacked.error(id_token_hint=forged) == "invalid_request"
    rival = {"client_id": "rival", "redirect_uri": "https://rival.example.jp/callback"}
    assert attacked.error(**rival, id_token_hint=hint) == "invalid_request"
    for query in (
        {"post_logout_redirect_uri": f"{PLUGIN}/bye"},
        {"post_logout_redirect_uri": f"{PLUGIN}/bye", "id_token_hint": forged},
        {"post_logout_redirect_uri": "https://evil.example/", "id_token_hint": hint},
        {"post_logout_redirect_uri": f"{PLUGIN}/bye?foo=bar", "id_token_hint": hint},
    ):
        assert attacked.browser.get(f"/oidc/logout?{urlencode(query)}", headers=HTML).status_code == 400


def test_two_plugins_cannot_put_a_person_together(attacked: Attacked) -> None:
    """Subject and session have another name for each."""
    rival = {"client_id": "rival", "redirect_uri": "https://rival.example.jp/callback"}
    own = attacked.redeem(attacked.code()).get_json()["id_token"]
    other = attacked.redeem(
        attacked.code(**rival), "rival", redirect_uri="https://rival.example.jp/callback"
    ).get_json()["id_token"]
    keys = KeySet.import_key_set(attacked.hub.app.test_client().get("/oidc/jwks.json", base_url=ORIGIN).get_json())
    first, second = (jwt.decode(token, keys, algorithms=["ES256"]).claims for token in (own, other))
    assert not {first["sub"], first["sid"]} & {second["sub"], second["sid"]}


# -- webhooks -------------------------------------------------------------------------------------------------


def test_a_webhook_that_is_replayed_or_changed_is_refused(town: Any) -> None:
    """By the sample's own check: the same id does nothing twice, another body, id or time has no signature."""
    sent: list[httpx.Request] = []

    def note(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200)

    town.hub.terminal().tap("adult", "festival-desk", "join")
    town.worker.deliver_due()
    client = httpx.Client(transport=httpx.MockTransport(note))
    assert WebhookSender(town.hub.hub, lambda _: client).send_due() == 2
    first, body = sent[0], sent[0].content
    headers = {name: first.headers[name] for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}

    def post(content: bytes = body, **changes: str) -> httpx.Response:
        return httpx.post(f"{town.plugin}/webhook", content=content, headers={**headers, **changes}, trust_env=False)

    assert [post().json(), post().json()] == [{"repeated": False}, {"repeated": True}]
    assert post(body.replace(b"core.tap", b"core.top")).status_code == 401
    assert post(**{"webhook-id": str(uuid4())}).status_code == 401
    assert post(**{"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}).status_code == 401
    assert post(**{"webhook-timestamp": str(int(headers["webhook-timestamp"]) - 600)}).status_code == 400
    assert post(**{"webhook-signature": "v1a," + base64.b64encode(bytes(64)).decode()}).status_code == 401


def test_a_webhook_is_sent_again_until_it_is_taken_and_in_order(town: Any) -> None:
    """A receiver that is down holds up what is behind, with growing pauses, and gets all of it in the end."""
    answers, sent = [503, 302, 200, 200], []

    def receive(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["webhook-id"])
        return httpx.Response(answers.pop(0))

    town.hub.terminal().tap("adult", "festival-desk", "join")
    town.worker.deliver_due()
    client = httpx.Client(transport=httpx.MockTransport(receive))
    sender = WebhookSender(town.hub.hub, lambda _: client)
    assert (sender.send_due(), sender.send_due()) == (0, 0), "not at once again"
    town.hub.clock.move(timedelta(seconds=5))
    assert sender.send_due() == 0
    town.hub.clock.move(timedelta(seconds=10))
    assert sender.send_due() == 2
    assert len(set(sent[:3])) == 1
    assert sent[3] != sent[2]


def test_two_senders_do_not_send_the_same(town: Any) -> None:
    """While one waits for the receiver, the other leaves the row alone."""
    town.hub.terminal().tap("adult", "festival-desk", "join")
    town.worker.deliver_due()
    count = {"inner": -1}

    def receive(_: httpx.Request) -> httpx.Response:
        if count["inner"] < 0:
            count["inner"] = 0
            count["inner"] = WebhookSender(town.hub.hub, lambda _: client).send_due()
        return httpx.Response(200)

    client = httpx.Client(transport=httpx.MockTransport(receive))
    assert WebhookSender(town.hub.hub, lambda _: client).send_due() == 2
    assert count["inner"] == 0
