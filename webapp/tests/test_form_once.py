"""Forms that are sent twice: done once, answered twice, on both databases; refusals and other content are new."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import text

from mykey_core.counter.cases import Cases
from mykey_core.counter.desk import Desk
from mykey_core.errors import StorageUnavailable
from mykey_core.portal.messages import Messages
from mykey_testkit.browsers import PageClient, citizen_client, register, staff_client
from mykey_testkit.hub import HubHarness, sign_challenge
from mykey_web.pages import once

EN = {"Accept-Language": "en", "Accept": "text/html"}
embedded = pytest.mark.parametrize("hub_engine", ["sqlite"], indirect=True)
"""What the database has no part in is tried on one."""
KEY = {"form_key": "one-form-0001"}
MESSAGE = {"title": "お知らせ", "text": "本が届きました", "language": "ja", **KEY}


@pytest.fixture
def clerk(library_hub: HubHarness) -> PageClient:
    """A clerk; the citizen with the card `adult` is known to the town."""
    register(library_hub, "adult")
    return staff_client(library_hub, "long-name", ["clerk", "administrator"])


def record(browser: PageClient) -> str:
    """The address of the record that the card opens."""
    challenge = browser.post_json("/counter/card/challenge", {}).get_json()
    body = {"id": challenge["id"], "token": sign_challenge("adult", challenge), "purpose": "asked"}
    return str(browser.post_json("/counter/look-up/card", body).get_json()["next"])


def messages(hub: HubHarness) -> int:
    """How many messages the town has left for people."""
    with hub.hub.database.reading() as session:
        return int(session.execute(text("SELECT count(*) FROM citizen_message")).scalar_one())


def keys(hub: HubHarness) -> list[str]:
    """What the database keeps of answers."""
    with hub.hub.database.reading() as session:
        return [str(row[0]) for row in session.execute(text("SELECT answer FROM idempotency_key"))]


def code(answer: Any) -> str:
    found = re.search(r"<code>([a-z_]+)</code>", answer.get_data(as_text=True))
    assert found is not None
    return found[1]


@embedded
def test_every_form_has_a_key_of_its_own(clerk: PageClient) -> None:
    """The field comes with the token of the session, in the hub's forms and in plugins', and never twice the same."""
    shown = clerk.get(record(clerk), headers=EN).get_data(as_text=True)
    found = re.findall(r'name="form_key" value="([\w-]{16})"', shown)
    assert len(found) == len(set(found)) == shown.count('method="post"') > 5


def test_a_form_sent_twice_is_done_once(library_hub: HubHarness, clerk: PageClient) -> None:
    """The second answer is the first one, with what the next page says; also after the page was closed in between."""
    where = record(clerk)
    first = clerk.post(f"{where}/message", MESSAGE)
    clerk.post(f"{where}/close")
    second = clerk.post(f"{where}/message", MESSAGE)
    assert (first.status_code, first.location) == (second.status_code, second.location) == (303, where)
    assert "mykey-notice=counter.message.done" in second.headers["Set-Cookie"]
    assert messages(library_hub) == 1


@embedded
def test_other_content_is_another_act(library_hub: HubHarness, clerk: PageClient) -> None:
    """Somebody goes back, writes something else and sends it: that is not what was sent before."""
    where = record(clerk)
    clerk.post(f"{where}/message", MESSAGE)
    clerk.post(f"{where}/message", {**MESSAGE, "text": "二冊目です"})
    assert messages(library_hub) == 2


@embedded
def test_another_browser_has_keys_of_its_own(library_hub: HubHarness, clerk: PageClient) -> None:
    """A key that somebody else has used says nothing, and does not stand in the way."""
    body = {"mykey_id": "ZZZZ9999", "purpose": "asked", **KEY}
    other = staff_client(library_hub, "next-generation", ["clerk"])
    for browser in (clerk, other, clerk):
        assert browser.post("/counter/look-up", body).location == "/counter/not-found?by=mykey-id"
    assert len(library_hub.audit("counter.not_found")) == 2


def test_two_at_once(library_hub: HubHarness, clerk: PageClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two that arrive in one moment the second waits for the first and gets its answer: a double click."""
    where, both = record(clerk), Barrier(2)
    token, cookie = clerk.csrf_token(), clerk.get("/counter/").request.headers["Cookie"]
    send = Desk.send

    def slow(*arguments: Any, **named: Any) -> None:
        both.wait(timeout=20)
        send(*arguments, **named)

    def click(_: int) -> Any:
        browser = library_hub.app.test_client(use_cookies=False)
        body = {"csrf_token": token, **MESSAGE}
        return browser.post(f"{where}/message", base_url=library_hub.origin, data=body, headers={"Cookie": cookie})

    monkeypatch.setattr(Desk, "send", slow)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(click, range(2)))
    assert [(one.status_code, one.location) for one in answers] == [(303, where)] * 2
    assert messages(library_hub) == 1


@embedded
def test_a_refusal_is_decided_anew(library_hub: HubHarness, clerk: PageClient) -> None:
    """A record that was closed, then opened again: the same form is not answered by the old refusal."""
    where = record(clerk)
    empty = {**MESSAGE, "title": " "}
    assert code(clerk.post(f"{where}/message", empty, headers=EN)) == "counter_message_empty"
    assert code(clerk.post(f"{where}/message", empty, headers=EN)) == "counter_message_empty"
    assert clerk.post(f"{where}/message", MESSAGE).status_code == 303
    assert messages(library_hub) == 1


def test_an_act_that_was_undone_leaves_its_key_free(
    library_hub: HubHarness, clerk: PageClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim is part of the act's commit: what was rolled back may be sent again, and is then done."""
    where = record(clerk)

    def full(*_: Any, **__: Any) -> None:
        raise StorageUnavailable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Messages, "send", full)
        assert clerk.post(f"{where}/message", MESSAGE, headers=EN).status_code == 503
    assert keys(library_hub) == []
    assert clerk.post(f"{where}/message", MESSAGE).status_code == 303
    assert messages(library_hub) == 1


@embedded
def test_what_is_written_beside_the_act_claims_nothing(
    library_hub: HubHarness, clerk: PageClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look-up is counted and the nonce used up before the act: where that fails, its form may be sent again."""
    form = {"mykey_id": "ZZZZ9999", "purpose": "asked", **KEY}
    challenge = clerk.post_json("/counter/card/challenge", {}).get_json()
    body = {"id": challenge["id"], "token": sign_challenge("adult", challenge), "purpose": "asked"}
    headers = {"Idempotency-Key": "a-tap", "X-CSRF-Token": clerk.csrf_token()}

    def full(*_: Any) -> None:
        raise StorageUnavailable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Cases, "open", full)
        assert clerk.post("/counter/look-up", form).status_code == 503
        tapped = clerk._http.post("/counter/look-up/card", base_url=library_hub.origin, json=body, headers=headers)
        assert tapped.status_code == 503
    assert keys(library_hub) == []
    assert clerk.post("/counter/look-up", form).status_code == 303


def test_an_answer_that_was_not_kept(
    library_hub: HubHarness, clerk: PageClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies between the act and the answer: nothing is done twice, and the page says to look."""
    where = record(clerk)

    def dead(*_: Any) -> None:
        raise StorageUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(once, "keep_answer", dead)
        assert clerk.post(f"{where}/message", MESSAGE).status_code == 303
    monkeypatch.setattr(once, "_PATIENCE_SECONDS", 0.1)
    again = clerk.post(f"{where}/message", MESSAGE, headers=EN)
    assert (again.status_code, code(again)) == (409, "form_sent_already")
    assert messages(library_hub) == 1


@embedded
def test_a_code_that_is_shown_once_is_shown_to_who_lost_it(library_hub: HubHarness, clerk: PageClient) -> None:
    """A page is answered as it was; the database holds it sealed, so that nobody reads an invitation there."""
    first = clerk.post("/admin/members/test-administrator-clerk/invite", KEY)
    second = clerk.post("/admin/members/test-administrator-clerk/invite", KEY)
    assert first.status_code == 200
    assert first.get_data() == second.get_data()
    assert first.headers["Content-Security-Policy"] == second.headers["Content-Security-Policy"]
    assert len(library_hub.audit("admin.staff_invited")) == 1
    (kept,) = keys(library_hub)
    assert "sealed" in kept
    assert len(kept) > 1_000
    shown = re.findall(r"\b[0-9A-Za-z-]{8,}\b", first.get_data(as_text=True))
    assert not any(word in kept for word in shown if not word.islower())


@embedded
def test_a_file_is_fetched_as_often_as_wanted(library_hub: HubHarness) -> None:
    """A download leaves its page as it is, and so its key: each one is a new one, with its record in the audit."""
    citizen = citizen_client(library_hub, "adult")
    for _ in range(2):
        answer = citizen.post("/my/export", KEY)
        assert answer.headers["Content-Disposition"].startswith("attachment")
    assert keys(library_hub) == []


def test_an_act_by_card_whose_answer_was_lost(library_hub: HubHarness, clerk: PageClient) -> None:
    """The page's script sends the same request again with its key, and learns where the new record is."""
    challenge = clerk.post_json("/counter/card/challenge", {}).get_json()
    body = {"id": challenge["id"], "token": sign_challenge("renewed", challenge), "document": "passport"}
    headers = {"Idempotency-Key": "a-tap", "X-CSRF-Token": clerk.csrf_token()}
    http = clerk._http
    answers = [
        http.post("/counter/enrol/card", base_url=library_hub.origin, json=body, headers=headers).get_json()
        for _ in range(2)
    ]
    assert answers[0]["next"].startswith("/counter/cases/")
    assert answers[0] == answers[1]
    assert len(library_hub.audit("counter.identity_checked")) == 1


@embedded
def test_a_second_click_on_sign_out(library_hub: HubHarness, clerk: PageClient) -> None:
    """There is nothing left to end: no word of forgery, but the sign-in page again, of staff for staff."""
    token, where = clerk.csrf_token(), {"base_url": library_hub.origin}
    http = clerk._http
    headers = {"Referer": f"{library_hub.origin}/counter/"}
    answers = [
        http.post("/sign-in/sign-out", data={"csrf_token": token}, headers=headers, **where).location for _ in range(2)
    ]
    assert answers == ["/sign-in/staff"] * 2
    assert http.post("/sign-in/sign-out", data={"csrf_token": token}, **where).location == "/sign-in/"
