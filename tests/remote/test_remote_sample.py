"""The sample plugin in Node against a running hub: it signs people in, calls REST, and takes webhooks."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
from sqlalchemy import select

from mykey_core.plugins.loader import PluginState
from mykey_core.remote.provider import Authorizations, Code, CodeRequest
from mykey_core.storage.tables import pairwise
from mykey_testkit.browsers import PageClient, citizen_client, register


def test_a_citizen_signs_in_at_a_plugin_outside(town: Any) -> None:
    """Discovery, consent, code with PKCE, ID token and UserInfo, all judged by code that is not ours."""
    assert [(r.name, r.state) for r in town.hub.hub.plugins.reports if r.name == "festival"] == [
        ("festival", PluginState.ACTIVE)
    ]
    answer = town.sign_in("adult")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["about"] == {"sub": found["claims"]["sub"], "attributes": {"residence": {"municipality": "132217"}}}
    assert (found["claims"]["acr"], found["claims"]["amr"]) == ("urn:mykey:acr:card", ["sc", "pin"])
    records = [record.event for record in town.hub.audit()]
    assert "consent.granted" in records
    assert "attributes.read" in records
    assert "provider.signed_in" in records


def test_the_second_time_nobody_is_asked_and_the_subject_is_the_same(town: Any) -> None:
    """What was agreed to is not asked again; another person has another subject."""
    browser = citizen_client(town.hub, "adult")
    first = town.sign_in(browser=browser).json()["claims"]
    assert browser.get(town.login_address()).status_code == 302
    second = town.sign_in(browser=browser).json()["claims"]
    assert (first["sub"], first["sid"]) == (second["sub"], second["sid"])
    other = town.sign_in("next-generation").json()["claims"]
    assert (other["sub"], other["sid"]) != (first["sub"], first["sid"])


def test_whoever_does_not_agree_is_not_signed_in(town: Any) -> None:
    """The plugin hears `access_denied`, and there is no link."""
    browser = citizen_client(town.hub, "adult")
    left = town.authorize(browser, town.login_address(), decision="refuse")
    assert httpx.get(left, trust_env=False).json() == {"error": "access_denied"}
    assert browser.get(town.login_address(), headers={"Accept": "text/html"}).status_code == 200


def test_a_withdrawn_consent_ends_what_the_token_shows(town: Any) -> None:
    """After withdrawal the citizen is asked again, and UserInfo has named the reason."""
    browser = citizen_client(town.hub, "adult")
    town.sign_in(browser=browser)
    form = {"plugin": "festival", "purpose": "residence", "decision": "withdraw"}
    assert browser.post("/my/consents", form).status_code == 303
    assert browser.get(town.login_address(), headers={"Accept": "text/html"}).status_code == 200


def test_whoever_leaves_in_the_portal_is_unknown_afterwards(town: Any) -> None:
    """The link, the consents and the tokens end in one commit; the plugin is told to delete what it holds."""
    browser = citizen_client(town.hub, "adult")
    subject = town.sign_in(browser=browser).json()["claims"]["sub"]
    token = "t" * 42
    store = Authorizations(town.hub.hub)
    with town.hub.hub.database.reading() as session:
        own = (pairwise.c.municipality == town.hub.municipality, pairwise.c.subject == subject)
        person = session.execute(select(pairwise.c.person_id).where(*own)).scalar_one()
    asked, now = CodeRequest("", "", None, ""), town.hub.clock()
    code = Code(b"", uuid4(), "festival", person, uuid4(), asked, "card", now, used=False)
    store.save_token(token, "festival", "openid", code)
    assert store.token(token) is not None
    town.send()
    assert browser.post("/my/services/festival/leave").status_code == 303
    assert store.token(token) is None
    assert town.call("people", f"people/{subject}").json()["code"] == "remote_subject_unknown"
    town.send()
    last = list(town.seen()["seen"].values())[-1]
    assert (last["type"], last["data"]) == ("core.identity-ended", {"reason": "withdrawn", "subject": subject})
    assert town.sign_in(browser=browser).json()["claims"]["sub"] == subject, "made from the same person and key"


def test_the_plugin_calls_with_its_scopes_and_no_other(town: Any) -> None:
    """Audit and people are granted; events are not, and a token for one scope opens no other."""
    subject = town.sign_in("adult").json()["claims"]["sub"]
    assert town.call("audit", "audit-records", {"action": "joined", "subject": subject}).status_code == 204
    assert town.hub.audit("plugin.recorded")[-1].facts["plugin"] == "festival"
    assert town.call("people", f"people/{subject}").json()["subject"] == subject
    assert town.call("people", "audit-records", {"action": "joined"}).json()["code"] == "remote_scope_missing"
    assert town.call("events", "events", {"name": "festival.joined"}).json()["error"] == "invalid_scope"
    assert town.call("people", f"people/{'A' * 43}").json()["code"] == "remote_subject_unknown"
    words = {"title": "受付", "text": "受け付けました。"}
    assert town.call("people", "messages", {"subject": subject, "content": {"ja": words}}).status_code == 201
    page = citizen_client(town.hub, "adult").get("/my/messages", headers={"Accept-Language": "ja"}).text
    assert "受け付けました。" in page


def test_a_tap_reaches_the_plugin_by_webhook(town: Any) -> None:
    """The counter is answered at once; the plugin hears of the link and the tap under its own pairwise id."""
    answer = town.hub.terminal().tap("adult", "festival-desk", "join")
    assert answer["result"]["code"] == "festival.noted"
    assert town.send() == 2
    told = sorted(town.seen()["seen"].values(), key=lambda one: str(one["type"]))
    assert [one["type"] for one in told] == ["core.identity-linked", "core.tap"]
    assert told[0]["data"]["subject"] == told[1]["data"]["subject"]
    assert told[1]["data"]["action"] == "join"
    assert town.send() == 0


def test_signing_out_reaches_the_plugin(town: Any) -> None:
    """Back-channel logout with the plugin's own `sid`, and the way back that the plugin has registered."""
    browser = citizen_client(town.hub, "adult")
    done = town.sign_in(browser=browser).json()
    query = {
        "id_token_hint": done["id_token"],
        "post_logout_redirect_uri": f"{town.plugin}/bye",
        "state": "s1",
    }
    from urllib.parse import urlencode

    assert browser.get(f"/oidc/logout?{urlencode(query)}", headers={"Accept": "text/html"}).status_code == 200
    left = browser.post("/oidc/logout/confirmed", {"request": urlencode(query)})
    assert left.location == f"{town.plugin}/bye?state=s1"
    town.send()
    assert town.seen()["loggedOut"] == [{"sub": done["claims"]["sub"], "sid": done["claims"]["sid"]}]
    assert browser.get("/my/").status_code == 303


def test_somebody_who_is_not_signed_in_signs_in_on_the_way(town: Any) -> None:
    """The request goes through the hub's sign-in page and comes back to itself."""
    register(town.hub, "adult")
    browser = PageClient(town.hub)
    asked = town.login_address()
    page = browser.get(asked)
    assert page.status_code == 303
    assert page.location.startswith("/sign-in/?next=")
    shown = browser.get(page.location, headers={"Accept": "text/html"}).text
    assert 'data-next="/oidc/authorize?' in shown
    browser.sign_in("adult")
    assert httpx.get(town.authorize(browser, asked), trust_env=False).status_code == 200
