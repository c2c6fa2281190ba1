"""Administration: every single route is for administrators, and every form needs this browser's token."""

from __future__ import annotations

import re

import pytest
from werkzeug.routing import Rule

from mykey_core.administration.audit_search import event_names
from mykey_testkit.browsers import PageClient, citizen_client, staff_client
from mykey_testkit.hub import HubHarness
from mykey_web.admin.frame import catalogue

SAMPLES = {"uuid": "00000000-0000-7000-8000-000000000000", "name": "library", "kind": "pdf"}


@pytest.fixture
def hub_database() -> None:
    """SQLite is enough: nothing here depends on the database."""


def rules(hub: HubHarness, method: str) -> list[Rule]:
    """All routes of the administration that take `method`."""
    every = hub.app.url_map.iter_rules()
    return [one for one in every if one.endpoint.startswith("admin.") and method in (one.methods or ())]


def path_of(rule: Rule) -> str:
    """An address that the route takes."""
    return re.sub(r"<(?:(uuid):)?(\w+)>", lambda part: SAMPLES[part[1] or part[2]], rule.rule)


def test_no_page_is_for_anybody_else(library_hub: HubHarness) -> None:
    """Nobody and a citizen are led to the staff's door; clerk, supervisor and auditor are told which role is needed."""
    pages = [path_of(one) for one in rules(library_hub, "GET")]
    assert len(pages) > 25
    citizen = citizen_client(library_hub, "adult")
    staff = staff_client(library_hub, "long-name", ["clerk", "supervisor", "auditor"])
    for path in pages:
        assert citizen.get(path).status_code == 303, path
        assert PageClient(library_hub).get(path).status_code == 303, path
        assert staff.get(path).status_code == 403, path
    page = staff.get("/admin/", headers={"Accept": "text/html", "Accept-Language": "en"}).text
    assert "administrator" in page
    assert "Traceback" not in page


def test_no_act_is_for_anybody_else(library_hub: HubHarness) -> None:
    """The role is looked at before a form is; every act of every page is tried."""
    acts = [path_of(one) for one in rules(library_hub, "POST")]
    assert len(acts) > 14
    staff = staff_client(library_hub, "long-name", ["clerk", "supervisor", "auditor"])
    before = len(library_hub.audit())
    for path in acts:
        assert staff.post(path, {"name": "me", "role": "administrator"}).status_code == 403, path
    assert len(library_hub.audit()) == before


def test_no_act_without_the_token_of_the_form(library_hub: HubHarness) -> None:
    """A form that another site sends in an administrator's name is refused, whatever it asks for."""
    admin = staff_client(library_hub, "adult", ["administrator"])
    before = len(library_hub.audit())
    for rule in rules(library_hub, "POST"):
        answer = admin.post(path_of(rule), {"csrf_token": "0" * 64, "name": "me", "role": "administrator"})
        assert answer.status_code == 403, rule.rule
        assert answer.get_json()["code"].startswith("csrf"), rule.rule
    assert len(library_hub.audit()) == before


@pytest.mark.parametrize(
    ("roles", "place"), [(["administrator"], "/admin/"), (["administrator", "clerk"], "/counter/")]
)
def test_an_administrator_is_led_to_the_administration(library_hub: HubHarness, roles: list[str], place: str) -> None:
    """After signing in: to where the work is; whoever works at the counter too finds the way at the foot of a page."""
    staff_client(library_hub, "adult", roles)
    again = PageClient(library_hub)
    assert again.sign_in("adult", "staff").get_json()["next"] == place
    assert 'href="/admin/"' in again.get(place).text


def test_looking_writes_nothing(library_hub: HubHarness) -> None:
    """No page that is only opened changes anything; a search of the audit is the one that is recorded."""
    admin = staff_client(library_hub, "adult", ["administrator"])
    before = len(library_hub.audit())
    for rule in rules(library_hub, "GET"):
        admin.get(path_of(rule))
    assert len(library_hub.audit()) == before


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_event_is_worded(language: str) -> None:
    """An event that is registered without words for administrators is noticed here."""
    words = catalogue()
    bare = [name for name in event_names() if not name.startswith("test.") and not words.has(f"admin.event.{name}")]
    assert bare == []
    assert set(words.texts["en"]) == set(words.texts["ja"])
    assert all(words.get(f"admin.event.{name}", language) for name in event_names())
