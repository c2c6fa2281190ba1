"""Browsers without a window: clients of the hub's pages that keep cookies and send the token of every form.

They sign in as people do, with the virtual card's proof, so that a session in a test is a session of the hub.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from werkzeug.test import TestResponse

from mykey_core.authentication.nonce import new_nonce
from mykey_core.portal.staff import StaffRegister
from mykey_core.trust.revocation.budget import RiskClass
from mykey_testkit.hub import HubHarness, sign_challenge

_TOKEN = re.compile(r'name="csrf_token" value="([0-9a-f]{64})"')
_SIGN_IN = "/sign-in"


class PageClient:
    """One browser. `get` and `post` take paths of the hub; `post` puts the session's token into the form."""

    def __init__(self, hub: HubHarness) -> None:
        self.hub = hub
        self._http = hub.app.test_client()
        self._base = f"https://{urlsplit(hub.origin).netloc}"

    def get(self, path: str, **options: Any) -> TestResponse:
        """GET a page."""
        return self._http.get(path, base_url=self._base, **options)

    def post(self, path: str, form: Mapping[str, Any] | None = None, **options: Any) -> TestResponse:
        """POST a form."""
        data = {"csrf_token": self.csrf_token(), **(form or {})}
        return self._http.post(path, base_url=self._base, data=data, **options)

    def post_json(self, path: str, body: Mapping[str, Any]) -> TestResponse:
        """POST JSON, as the pages' scripts do."""
        headers = {"X-CSRF-Token": self.csrf_token()}
        return self._http.post(path, base_url=self._base, json=dict(body), headers=headers)

    def csrf_token(self) -> str:
        """The token for the forms of this browser's session."""
        found = _TOKEN.search(self.get(f"{_SIGN_IN}/").get_data(as_text=True))
        assert found is not None, "the sign-in page has no form"
        return found[1]

    def sign_in(self, persona: str, audience: str = "citizen", invitation: str | None = None) -> TestResponse:
        """Sign in with the virtual card of `persona`."""
        challenge = self.post_json(f"{_SIGN_IN}/challenge", {"audience": audience}).get_json()
        body = {"id": challenge["id"], "token": sign_challenge(persona, challenge), "invitation": invitation}
        return self.post_json(f"{_SIGN_IN}/card", body)


def register(hub: HubHarness, persona: str) -> None:
    """Make the holder of a card known to the hub, as the first tap at a desk does."""
    nonce = new_nonce()
    token = sign_challenge(persona, {"nonce": nonce, "origin": hub.origin})
    now = hub.clock()
    verified = hub.hub.logins.authentication[RiskClass.HIGH].verify_members(token, nonce, now)
    with hub.hub.database.writing() as session:
        if hub.hub.people.find(session, verified.certificate, "portal") is None:
            hub.hub.people.enrol(session, verified.certificate, now, actor="staff:test")


def citizen_client(hub: HubHarness, persona: str) -> PageClient:
    """A browser in which the card of `persona` has signed in; the person becomes known to the hub if need be."""
    register(hub, persona)
    browser = PageClient(hub)
    answer = browser.sign_in(persona)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return browser


def staff_client(hub: HubHarness, persona: str, roles: Collection[str]) -> PageClient:
    """A browser in which a new member of staff with these roles has signed in with the card of `persona`."""
    name = f"test-{'-'.join(sorted(roles))}"[:32].rstrip("-")
    register_of_staff = StaffRegister(hub.municipality)
    with hub.hub.database.writing() as session:
        register_of_staff.put(session, name, "テスト職員", roles, at=hub.clock(), actor="staff:test")
        code = register_of_staff.invite(session, name, at=hub.clock())
    browser = PageClient(hub)
    answer = browser.sign_in(persona, "staff", code)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return browser
