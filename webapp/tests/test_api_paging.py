"""Lists in pages, and answers that are asked for again: `limit`, `after` and `next`; ETag and If-None-Match; Allow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from mykey_core.remote.provider import Authorizations
from mykey_core.storage.tables import person
from mykey_core.terminals.configuration import deny_card
from mykey_testkit.browsers import register
from mykey_testkit.hub import LIBRARY, HubHarness
from mykey_web.api_v1.paging import PageQuery, cut


@pytest.fixture
def town(tmp_path: Any) -> Any:
    """A hub on SQLite with the library."""
    hub = HubHarness(tmp_path, LIBRARY, ["library-desk"])
    yield hub
    hub.close()


@given(st.sets(st.text("abc", min_size=1, max_size=3)), st.integers(1, 5))
def test_the_pages_together_are_the_list(names: set[str], limit: int) -> None:
    """Following `next` to its end gives every entry once, in order, and no page is larger than asked for."""
    entries, seen, after = sorted(names), [], ""
    while True:
        page, following = cut(entries, PageQuery(limit=limit, after=after), str)
        assert len(page) <= limit
        seen += page
        if following is None:
            break
        after = following
    assert seen == entries


def test_services_come_in_pages(town: HubHarness) -> None:
    """Two services, one a page; `next` leads from the first to the second, and then there is none."""
    town.hub.terminals.define_service_point("desk", {"ja": "窓口"}, ["a-service", "library-desk"])
    terminal = town.terminal()
    first = terminal.get("/services?limit=1").get_json()
    assert (first["services"], first["next"]) == ([], "a-service")  # a right of the terminal that no plugin declares
    second = terminal.get(f"/services?limit=1&after={first['next']}").get_json()
    assert ([line["service"] for line in second["services"]], second["next"]) == (["library-desk"], None)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "limit=5.0", "limit=1&limit=2", "page=2", "limit="]
)
def test_a_wrong_page_is_refused(town: HubHarness, query: str) -> None:
    """What is no page is no page: a number that is none, one that is too large, a member that there is not."""
    answer = town.terminal().get(f"/services?{query}")
    assert (answer.status_code, answer.get_json()["code"]) == (400, "request_malformed")


@pytest.mark.parametrize("path", ["/services", "/terminal/configuration"])
def test_nothing_new_is_said_without_a_body(town: HubHarness, path: str) -> None:
    """With the ETag of the last answer: 304 and no body, and it may be kept by this caller only."""
    terminal = town.terminal()
    first = terminal.get(path)
    assert first.headers["Cache-Control"] == "private, no-cache"
    again = terminal.get(path, **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    other = terminal.get(path, **{"If-None-Match": 'W/"other"'})
    assert other.status_code == 200


def test_another_language_is_another_answer(town: HubHarness) -> None:
    """The tag of the English answer does not stand for the Japanese one."""
    terminal = town.terminal()
    english = terminal.get("/services").headers["ETag"]
    answer = terminal.get("/services", **{"If-None-Match": english, "Accept-Language": "ja"})
    assert answer.status_code == 200
    assert "Accept-Language" in answer.headers["Vary"]


def test_news_have_another_tag(town: HubHarness) -> None:
    """A denied card, and a new day, are news of the configuration."""
    terminal = town.terminal()

    def tag() -> str:
        return str(terminal.sign_in().get("/terminal/configuration").headers["ETag"])

    before = tag()
    assert tag() == before
    now = town.clock.now
    town.hub.database.commit(lambda s: deny_card(s, town.municipality, "a", reason="lost", at=now, actor="staff:1"))
    denied = tag()
    town.clock.move(timedelta(days=1))
    assert len({before, denied, tag()}) == 3


def test_answers_about_people_are_not_kept(town: HubHarness) -> None:
    """What became of a tap has no ETag and no copy."""
    terminal = town.terminal()
    answer = terminal.get(f"/taps/{terminal.begin('library-desk')['tap_id']}")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "ETag" not in answer.headers


@pytest.mark.parametrize(("path", "allowed"), [("/api/v1/taps", "POST"), ("/oidc/token", "POST"), ("/counter/", "GET")])
def test_a_wrong_method_is_told_the_right_ones(town: HubHarness, path: str, allowed: str) -> None:
    """RFC 9110 §15.5.6: 405 names the methods that there are, for programs and for browsers."""
    for accepted in ("application/json", "text/html"):
        answer = town.app.test_client().put(path, headers={"Accept": accepted})
        assert answer.status_code == 405
        assert allowed in answer.headers["Allow"].split(", ")


def test_a_remote_plugin_lists_its_people(
    tmp_path: Path, festival_hub: Callable[[Path], HubHarness], festival_headers: Callable[[HubHarness], dict[str, str]]
) -> None:
    """Its own pairwise ids in pages, in order, and none of another plugin's."""
    hub = festival_hub(tmp_path)
    store, subjects = Authorizations(hub.hub), set()
    for persona in ("adult", "renewed", "long-name"):
        register(hub, persona)
    with hub.hub.database.writing() as session:
        people = session.execute(select(person.c.id).where(person.c.municipality == hub.municipality)).scalars().all()
        for one in people:
            subjects.add(store.link(session, "festival", one))
        store.link(session, "library", people[0])
    headers, seen, query = festival_headers(hub), [], "limit=2"
    while query:
        page = hub.app.test_client().get(f"/api/v1/remote/people?{query}", headers=headers).get_json()
        seen += [line["subject"] for line in page["people"]]
        query = f"limit=2&after={page['next']}" if page["next"] else ""
    assert (seen, len(seen)) == (sorted(subjects), 3)
    hub.close()
