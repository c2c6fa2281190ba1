"""Searching at the counter by what the town grants and the citizen wants: all four attributes, one record or none."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import text

from mykey_testkit.browsers import PageClient, citizen_client, register, staff_client
from mykey_testkit.hub import HubHarness, sign_challenge

EN = {"Accept-Language": "en", "Accept": "text/html"}
FOUR = {"name": "見本　花子", "address": "みほん市本町１丁目２番３号", "birth_date": "1990-04-01", "sex": "female"}
ASKED = {"purpose": "asked"}
NOBODY = "/counter/not-found?by=four-attributes"


@pytest.fixture
def _grants(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings, before the hub is opened."""
    monkeypatch.setenv("MYKEY_COUNTER__SEARCH_BY_ATTRIBUTES", "true")
    monkeypatch.setenv("MYKEY_COUNTER__SEARCH_BY_MYKEY_ID", "false")


@pytest.fixture
def granted_hub(_grants: None, library_hub: HubHarness) -> HubHarness:
    """A town that grants its counter the search by attributes, and not that by MyKey ID."""
    register(library_hub, "adult")
    register(library_hub, "renewed")
    return library_hub


@pytest.fixture
def clerk(granted_hub: HubHarness) -> PageClient:
    return staff_client(granted_hub, "long-name", ["clerk"])


def open_by_card(browser: PageClient, persona: str = "adult") -> str:
    """The address of the record that the card opens."""
    challenge = browser.post_json("/counter/card/challenge", {}).get_json()
    body = {"id": challenge["id"], "token": sign_challenge(persona, challenge), **ASKED}
    return str(browser.post_json("/counter/look-up/card", body).get_json()["next"])


def find(browser: PageClient, **changes: str) -> Any:
    """Search by the four attributes."""
    return browser.post("/counter/look-up/attributes", {**FOUR, **ASKED, **changes}, headers=EN)


def code(answer: Any) -> str:
    found = re.search(r"<code>([a-z_]+)</code>", answer.get_data(as_text=True))
    assert found is not None, answer.get_data(as_text=True)[:300]
    return found[1]


def page(browser: PageClient, path: str) -> str:
    return browser.get(path, headers=EN).get_data(as_text=True)


def test_found_by_all_four_and_seen_by_the_citizen(granted_hub: HubHarness, clerk: PageClient) -> None:
    """Allowed with the card there; found without it; the citizen reads of both, and sees it among the links."""
    assert find(clerk).location == NOBODY
    where = open_by_card(clerk)
    assert clerk.post(f"{where}/search", FOUR).status_code == 303
    found = find(clerk).location
    assert found.startswith("/counter/cases/")
    assert "Four attributes" in page(clerk, found)
    citizen = citizen_client(granted_hub, "adult")
    seen = page(citizen, "/my/accesses")
    assert "let your record be found by name, address, date of birth and sex" in seen
    assert seen.count("looked") >= 2
    assert "search without a card" in page(citizen, "/my/services")


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "見本 花子"},  # another blank
        {"name": "見本"},
        {"address": "みほん市本町1丁目2番3号"},  # narrow digits
        {"birth_date": "1990-04-02"},
        {"sex": "male"},
        {"name": "%"},
    ],
)
@pytest.mark.parametrize("hub_engine", ["sqlite"], indirect=True)
def test_nothing_less_finds_anybody(clerk: PageClient, changes: dict[str, str]) -> None:
    """No part, no other writing, no pattern; each try counts and is recorded without what was typed."""
    clerk.post(f"{open_by_card(clerk)}/search", FOUR)
    assert find(clerk, **changes).location == NOBODY
    assert clerk.hub.audit("counter.not_found")[-1].facts["method"] == "four-attributes"


def test_the_database_knows_no_attribute(granted_hub: HubHarness, clerk: PageClient) -> None:
    """One keyed hash of 32 bytes is all that is kept, and it goes when the citizen ends the search."""
    where = open_by_card(clerk)
    clerk.post(f"{where}/search", FOUR)
    rows = text("SELECT length(reference) FROM credential WHERE kind = 'four-attributes'")
    with granted_hub.hub.database.reading() as session:
        assert [row[0] for row in session.execute(rows)] == [32]
    facts = " ".join(str(record.facts) for record in granted_hub.audit())
    assert not any(value in facts for value in FOUR.values() if value != "female")
    clerk.post(f"{where}/search/end")
    with granted_hub.hub.database.reading() as session:
        assert session.execute(rows).all() == []
    assert find(clerk).location == NOBODY
    assert len(granted_hub.audit("counter.search_ended")) == 1


@pytest.mark.parametrize("hub_engine", ["sqlite"], indirect=True)
def test_who_may_allow_it(clerk: PageClient) -> None:
    """Only with the card there; not for two records; all four, each in its form."""
    where = open_by_card(clerk)
    assert code(clerk.post(f"{where}/search", {**FOUR, "address": " "}, headers=EN)) == "attributes_form"
    assert code(clerk.post(f"{where}/search", {**FOUR, "sex": "x"}, headers=EN)) == "attributes_form"
    assert code(clerk.post(f"{where}/search", {**FOUR, "birth_date": "1.4.1990"}, headers=EN)) == "counter_date_form"
    clerk.post(f"{where}/search", FOUR)
    without_card = find(clerk).location
    assert '/search"' not in page(clerk, without_card), "only the end of it is offered"
    moved = {**FOUR, "address": "みほん市西町４番"}
    assert code(clerk.post(f"{without_card}/search", moved, headers=EN)) == "counter_card_needed"
    other = open_by_card(clerk, "renewed")
    assert code(clerk.post(f"{other}/search", FOUR, headers=EN)) == "attributes_taken"
    clerk.post(f"{where}/search", moved)
    assert find(clerk).location == NOBODY
    assert find(clerk, address=moved["address"]).location.startswith("/counter/cases/")


@pytest.mark.parametrize("hub_engine", ["sqlite"], indirect=True)
def test_what_the_town_does_not_grant(granted_hub: HubHarness, clerk: PageClient) -> None:
    """The page offers what is granted, and a form that was made by hand is refused; so is one without a purpose."""
    shown = page(clerk, "/counter/look-up")
    assert "field-mykey_id" not in shown
    assert "four-name" in shown
    by_id = clerk.post("/counter/look-up", {"mykey_id": "ABCD2345", **ASKED}, headers=EN)
    assert code(by_id) == "counter_search_not_granted"
    assert code(find(clerk, purpose="")) == "counter_purpose_unknown"
    auditor = staff_client(granted_hub, "next-generation", ["auditor"])
    assert code(find(auditor)) == "role_needed"


@pytest.mark.parametrize("hub_engine", ["sqlite"], indirect=True)
def test_tries_are_limited(clerk: PageClient) -> None:
    """Sixty an hour, found or not: attributes cannot be tried out."""
    for day in range(60):
        find(clerk, birth_date=f"19{day // 28 + 50}-01-{day % 28 + 1:02}")
    assert find(clerk).status_code == 429


@pytest.mark.parametrize("hub_engine", ["sqlite"], indirect=True)
def test_a_town_that_grants_nothing_more(library_hub: HubHarness) -> None:
    """As a hub is set up: cards and MyKey IDs only."""
    clerk = staff_client(library_hub, "long-name", ["clerk"])
    assert "four-name" not in page(clerk, "/counter/look-up")
    assert code(find(clerk)) == "counter_search_not_granted"
