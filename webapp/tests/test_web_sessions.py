"""Sessions of the pages: cookies, fixation, forged forms, ends, rates and headers; on both databases."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from mykey_core.identity.states import PersonState
from mykey_core.portal.sessions import token_hash
from mykey_core.portal.tables import web_session
from mykey_core.storage.tables import person
from mykey_testkit.browsers import PageClient, citizen_client, register, staff_client
from mykey_testkit.hub import MUNICIPALITY, ORIGIN, HubHarness, sign_challenge
from mykey_web.app import create_app
from mykey_web.pages.areas import mounted

COOKIE = f"__Host-mykey-{MUNICIPALITY}"
HTML = {"Accept": "text/html", "Accept-Language": "en"}


def cookie_of(browser: PageClient) -> str | None:
    found = browser._http.get_cookie(COOKIE, domain="hub.example.jp")
    return None if found is None else found.value


def test_nobody_comes_in_without_signing_in(library_hub: HubHarness) -> None:
    """Every page of the portal leads to the sign-in page, which knows where to go on."""
    browser = PageClient(library_hub)
    for rule in library_hub.app.url_map.iter_rules():
        if rule.endpoint.startswith("my.") and "GET" in (rule.methods or set()) and not rule.arguments:
            answer = browser.get(rule.rule)
            assert (answer.status_code, answer.location) == (303, f"/sign-in/?next={rule.rule}")


def test_the_cookie_has_every_flag(library_hub: HubHarness) -> None:
    """`__Host-`, Secure, HttpOnly, SameSite, whole path and no domain; the value has 256 bits."""
    line = PageClient(library_hub).get("/sign-in/").headers["Set-Cookie"]
    name, _, rest = line.partition("=")
    value, *flags = [part.strip() for part in rest.split(";")]
    assert name == COOKIE
    assert set(flags) == {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"}
    assert len(value) == 43


def test_signing_in_makes_a_new_session(library_hub: HubHarness) -> None:
    """A cookie that was planted before the sign-in opens nothing after it (fixation)."""
    register(library_hub, "adult")
    browser = PageClient(library_hub)
    browser.get("/sign-in/")
    planted = cookie_of(browser)
    assert browser.sign_in("adult").status_code == 200
    assert cookie_of(browser) != planted
    assert library_hub.app.extensions["mykey_portal"].sessions.find(planted or "") is None
    other = PageClient(library_hub)
    other._http.set_cookie(COOKIE, planted or "", domain="hub.example.jp")
    assert other.get("/my/").status_code == 303
    assert browser.get("/my/").status_code == 200


def test_an_invented_cookie_is_not_taken_over(library_hub: HubHarness) -> None:
    """The hub gives out its own value in place of one that it never made."""
    browser = PageClient(library_hub)
    browser._http.set_cookie(COOKIE, "A" * 43, domain="hub.example.jp")
    browser.get("/sign-in/")
    assert cookie_of(browser) not in {None, "A" * 43}


def test_the_database_does_not_know_the_cookie(library_hub: HubHarness) -> None:
    """Who reads the table cannot sign in: it has hashes only."""
    browser = citizen_client(library_hub, "adult")
    own = web_session.c.municipality == MUNICIPALITY
    with library_hub.hub.database.reading() as session:
        stored = [bytes(row[0]) for row in session.execute(select(web_session.c.token_hash).where(own))]
    assert all((cookie_of(browser) or "?").encode() not in value for value in stored)
    assert {len(value) for value in stored} == {32}


def test_every_form_needs_the_token(library_hub: HubHarness) -> None:
    """No unsafe route of any mounted page takes a request without the session's token."""
    browser = citizen_client(library_hub, "adult")
    areas = mounted(library_hub.app)
    tried = 0
    for rule in library_hub.app.url_map.iter_rules():
        place = areas.get(rule.endpoint.rpartition(".")[0])
        if place is None or place.area.value == "point-api" or "POST" not in (rule.methods or set()):
            continue
        path = re.sub(r"<[^>]+>", "x", re.sub(r"<uuid:[^>]+>", str(UUID(int=1)), rule.rule))
        answer = browser._http.post(path, base_url=ORIGIN, headers={"Accept": "application/json"})
        assert (answer.status_code, answer.get_json()["code"]) == (403, "csrf_failed"), path
        tried += 1
    assert tried > 10


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://hub.example.jp.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_forms_of_other_sites_are_refused(library_hub: HubHarness, headers: dict[str, str]) -> None:
    """Even with the right token, a request that another site made is refused."""
    browser = citizen_client(library_hub, "adult")
    token = {"csrf_token": browser.csrf_token()}
    answer = browser._http.post("/sign-in/sign-out", base_url=ORIGIN, data=token, headers=headers)
    assert answer.status_code == 403
    assert browser.get("/my/").status_code == 200


def test_a_token_of_another_session_is_refused(library_hub: HubHarness) -> None:
    """The token is the session's own: neither another citizen's nor that from before the sign-in is good."""
    other = citizen_client(library_hub, "renewed")
    register(library_hub, "adult")
    browser = PageClient(library_hub)
    before = browser.csrf_token()
    browser.sign_in("adult")
    for token in (other.csrf_token(), before, ""):
        answer = browser._http.post("/my/export", base_url=ORIGIN, data={"csrf_token": token})
        assert answer.status_code == 403


def test_sessions_end_by_themselves(library_hub: HubHarness) -> None:
    """After 15 minutes without a request, and after eight hours in any case."""
    browser = citizen_client(library_hub, "adult")
    library_hub.clock.move(timedelta(minutes=14))
    assert browser.get("/my/").status_code == 200
    library_hub.clock.move(timedelta(minutes=15))
    assert browser.get("/my/").status_code == 303
    library_hub.publish_crls()
    assert browser.sign_in("adult").status_code == 200
    for _ in range(48):
        library_hub.clock.move(timedelta(minutes=10))
        answer = browser.get("/my/devices")
    assert answer.status_code == 303


def test_signing_out_here_and_everywhere(library_hub: HubHarness) -> None:
    """One browser, one other, all others: and the act is in the audit, for the citizen to see."""
    desk, phone, sofa = (citizen_client(library_hub, "adult") for _ in range(3))
    stranger = citizen_client(library_hub, "renewed")
    desk.post("/my/devices/end-others")
    assert [one.get("/my/").status_code for one in (desk, phone, sofa, stranger)] == [200, 303, 303, 200]
    answer = desk.post("/sign-in/sign-out")
    assert answer.status_code == 303
    assert desk.get("/my/").status_code == 303
    scopes = [record.facts["scope"] for record in library_hub.audit("portal.signed_out")]
    assert scopes == ["everywhere", "this"]


def test_nobody_ends_the_session_of_another(library_hub: HubHarness) -> None:
    """The public id of a session opens and ends nothing for somebody else."""
    browser, stranger = citizen_client(library_hub, "adult"), citizen_client(library_hub, "renewed")
    page = stranger.get("/my/devices", headers=HTML).text
    own = web_session.c.municipality == MUNICIPALITY
    mine = web_session.c.token_hash == token_hash(cookie_of(browser) or "")
    with library_hub.hub.database.reading() as session:
        ids = [str(row[0]) for row in session.execute(select(web_session.c.id).where(own, ~mine))]
    assert ids
    for wanted in ids:
        assert browser.post("/my/devices/end", {"session": wanted}).location == "/my/devices"
    assert "This device" in page
    assert stranger.get("/my/").status_code == 200


def test_who_is_held_is_out_at_once(library_hub: HubHarness) -> None:
    """A person whom the town stops loses the session with the next request."""
    browser = citizen_client(library_hub, "adult")
    with library_hub.hub.database.writing() as session:
        held = update(person).where(person.c.municipality == MUNICIPALITY).values(state=PersonState.HELD.value)
        session.execute(held)
    assert browser.get("/my/").status_code == 303
    assert browser.sign_in("adult").get_json()["code"] == "person_held"


def test_citizens_and_staff_are_two_things(library_hub: HubHarness) -> None:
    """A citizen's session opens no staff page, and a clerk's no citizen's, though it is the same card."""
    citizen, clerk = citizen_client(library_hub, "adult"), staff_client(library_hub, "adult", ["clerk"])
    assert clerk.get("/my/").location.startswith("/sign-in/?")
    assert citizen.get("/my/").status_code == 200


def test_rates_are_shared_by_all_processes(library_hub: HubHarness) -> None:
    """Twenty-one tries in a minute are one too many, also when another process counts; a minute later it is free."""
    register(library_hub, "adult")
    browser = PageClient(library_hub)
    browser.get("/sign-in/")
    codes = []
    for number in range(21):
        if number == 10:
            library_hub.app = create_app(library_hub.hub)
            browser._http.application = library_hub.app
        codes.append(browser.post_json("/sign-in/challenge", {}).status_code)
    assert codes == [200] * 20 + [429]
    late = browser.post_json("/sign-in/challenge", {})
    assert 0 < int(late.headers["Retry-After"]) <= 60
    library_hub.clock.move(timedelta(seconds=61))
    assert browser.post_json("/sign-in/challenge", {}).status_code == 200


def test_headers_of_every_page(library_hub: HubHarness) -> None:
    """No inline script or style is allowed or there, nobody may frame a page, and no page is kept by a cache."""
    browser = citizen_client(library_hub, "adult")
    for rule in library_hub.app.url_map.iter_rules():
        known = rule.endpoint.startswith(("my.", "sign_in."))
        if not known or "GET" not in (rule.methods or set()) or rule.arguments:
            continue
        answer = browser.get(rule.rule, headers=HTML)
        policy = answer.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
        assert answer.headers["Cache-Control"] == "no-store"
        assert re.findall(r"<script(?![^>]*src=)|\sstyle=|\son\w+=|javascript:|https?://", answer.text) == [], rule.rule


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x"])
def test_after_signing_in_nobody_is_led_away(library_hub: HubHarness, wanted: str) -> None:
    """`next` is a path of this hub or nothing."""
    register(library_hub, "adult")
    browser = PageClient(library_hub)
    challenge = browser.post_json("/sign-in/challenge", {}).get_json()
    body = {"id": challenge["id"], "token": sign_challenge("adult", challenge), "next": wanted}
    assert browser.post_json("/sign-in/card", body).get_json() == {"next": "/my/"}
