"""Who writes cards at a counter: the clerk who is signed in beside the terminal is named, and cannot agree alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from mykey_core.card_writing.counter import RIGHT
from mykey_core.card_writing.keys.generations import Generations
from mykey_core.card_writing.keys.software import load_card_keys
from mykey_core.card_writing.profiles import DEMO
from mykey_core.card_writing.tables import card_writing
from mykey_core.counter.acts import CLERKS
from mykey_terminal.hub_http import API
from mykey_terminal.relay import CardRelay
from mykey_testkit.browsers import PageClient, citizen_client, staff_client
from mykey_testkit.card_writing import MASTERS, EmulatedCard
from mykey_testkit.hub import MUNICIPALITY, HubHarness, TerminalClient

EN = {"Accept": "text/html", "Accept-Language": "en"}
CHECK: dict[str, Any] = {"operation": "check"}
SUSPEND: dict[str, Any] = {"operation": "suspend", "plugin": "library"}
NOBODY: dict[str, Any] = {"clerk": None}


@pytest.fixture
def town(library_hub: HubHarness) -> HubHarness:
    """A hub with the keys of cards, a plugin with the demo profile, and a counter that writes cards."""
    hub = library_hub.hub
    keys = load_card_keys(hub.settings.card_writing.keys_file)
    keys.add_master(1, MASTERS[1])
    with hub.database.writing() as session:
        Generations(MUNICIPALITY).add(session, 1, keys, hub.clock())
    hub.terminals.define_service_point("cards", {"ja": "窓口", "en": "Counter"}, [RIGHT, "library-desk"])
    context = hub.plugins.plugins["library"].context
    object.__setattr__(context, "manifest", context.manifest.model_copy(update={"card_profile": DEMO}))
    return library_hub


def settings(town: HubHarness, **changes: Any) -> None:
    changed = town.hub.settings.card_writing.model_copy(update=changes)
    object.__setattr__(town.hub.settings, "card_writing", changed)


def voucher(browser: PageClient, terminal: TerminalClient) -> str:
    """What the page of the counter asks for before an order."""
    answer = browser.get(f"/point/cards/clerk/{terminal.enrolment['terminal_id']}")
    assert answer.headers["Cache-Control"] == "no-store"
    return str(answer.get_json()["clerk"]["voucher"])


def begin(terminal: TerminalClient, order: dict[str, Any], clerk: str | None) -> Any:
    return terminal.post("/card-writings", {**order, "clerk": clerk})


def journal(town: HubHarness) -> list[Any]:
    """Who did the writings, as the operation journal has it."""
    wanted = select(card_writing.c.staff).where(card_writing.c.municipality == MUNICIPALITY)
    with town.hub.database.reading() as session:
        return list(session.execute(wanted).scalars())


class Http:
    """The terminal's connection, as the relay wants it."""

    def __init__(self, terminal: TerminalClient) -> None:
        self.terminal = terminal

    def post(self, path: str, body: dict[str, Any], *, language: str | None = None) -> dict[str, Any]:
        del language
        answer: dict[str, Any] = self.terminal.post(path.removeprefix(API), body).get_json()
        return answer

    def get(self, path: str, *, language: str | None = None) -> dict[str, Any]:
        del language
        answer: dict[str, Any] = self.terminal.get(path.removeprefix(API)).get_json()
        return answer


def finish(terminal: TerminalClient, writing: str) -> None:
    """Relay between hub and card to the end: what the card says of it is another test's business."""
    CardRelay(Http(terminal), pause=lambda _: None).resume(EmulatedCard().insert(), writing)


def test_the_clerk_is_named_and_the_citizen_reads_it(town: HubHarness) -> None:
    """Journal and audit have clerk and terminal; the person whose visit it was sees who did what, and where."""
    terminal, clerk = town.terminal("cards"), staff_client(town, "long-name", ["clerk"])
    visit = terminal.tap("adult", "library-desk", "link", patron_number="10000017")["result"]["visit"]["id"]
    begun = begin(terminal, {**SUSPEND, "visit_id": visit}, voucher(clerk, terminal)).get_json()
    finish(terminal, begun["writing_id"])
    assert journal(town) == ["staff:test-clerk"]
    facts = town.audit("card_writing.ended")[-1].facts
    assert (facts["actor"], facts["terminal"]) == ("staff:test-clerk", terminal.enrolment["terminal_id"])
    page = citizen_client(town, "adult").get("/my/accesses", headers=EN).get_data(as_text=True)
    assert "At Counter, for “Library” on your card: suspended (by staff: テスト職員)" in page
    begun = begin(terminal, CHECK, None).get_json()
    finish(terminal, begun["writing_id"])
    assert town.audit("card_writing.ended")[-1].facts["actor"] == "terminal"


def test_a_voucher_is_for_one_terminal_one_minute_and_one_session(town: HubHarness) -> None:
    """At another terminal, changed, a minute later, after signing out: refused, and nothing is written down."""
    terminal, other = town.terminal("cards"), town.terminal("cards")
    clerk = staff_client(town, "long-name", ["clerk"])
    good = voucher(clerk, terminal)
    assert begin(other, CHECK, good).get_json()["code"] == "sign_in_needed"
    changed = good[:-1] + ("0" if good[-1] != "0" else "1")
    for wrong in (changed, "x", "..", good.replace(".", "")):
        assert begin(terminal, CHECK, wrong).get_json()["code"] == "sign_in_needed"
    town.clock.move(timedelta(seconds=62))
    assert begin(terminal, CHECK, good).get_json()["code"] == "sign_in_needed"
    fresh = voucher(clerk, terminal)
    clerk.post("/sign-in/sign-out")
    assert begin(terminal, CHECK, fresh).get_json()["code"] == "sign_in_needed"
    assert journal(town) == []


def test_only_clerks_get_one(town: HubHarness) -> None:
    """A visitor, a citizen and an auditor are nobody here."""
    terminal = town.terminal("cards")
    where = f"/point/cards/clerk/{terminal.enrolment['terminal_id']}"
    for browser in (PageClient(town), citizen_client(town, "adult"), staff_client(town, "renewed", ["auditor"])):
        assert browser.get(where).get_json() == NOBODY
    assert "clerk" in CLERKS


def test_the_town_may_want_a_clerk(town: HubHarness) -> None:
    """With `clerk_required` the terminal alone begins, approves and releases nothing."""
    settings(town, clerk_required=True)
    terminal, clerk = town.terminal("cards"), staff_client(town, "long-name", ["clerk"])
    assert begin(terminal, CHECK, None).get_json()["code"] == "sign_in_needed"
    begun = begin(terminal, CHECK, voucher(clerk, terminal))
    assert begun.status_code == 201
    where = f"/card-writings/{begun.get_json()['writing_id']}"
    assert terminal.post(f"{where}/approval", {}).get_json()["code"] == "sign_in_needed"
    release = {"evidence": "card-examined"}
    assert terminal.post(f"{where}/release", release).get_json()["code"] == "sign_in_needed"


def test_four_eyes_are_two_people_at_two_terminals(town: HubHarness) -> None:
    """The same clerk at the next desk, and nobody by name, are refused; a colleague approves, and both are named."""
    settings(town, four_eyes=frozenset({"suspend"}))
    first, second = town.terminal("cards"), town.terminal("cards")
    clerk, colleague = staff_client(town, "long-name", ["clerk"]), staff_client(town, "renewed", ["supervisor"])
    begun = begin(first, SUSPEND, voucher(clerk, first)).get_json()
    where = f"/card-writings/{begun['writing_id']}/approval"
    assert second.post(where, {"clerk": voucher(clerk, second)}).get_json()["code"] == "approval_by_another"
    assert second.post(where, {}).get_json()["code"] == "approval_by_another"
    assert first.post(where, {"clerk": voucher(colleague, first)}).get_json()["code"] == "approval_by_another"
    assert second.post(where, {"clerk": voucher(colleague, second)}).status_code == 200
    finish(first, begun["writing_id"])
    facts = town.audit("card_writing.ended")[-1].facts
    both = (facts["actor"], facts["approved_by"])
    assert both == ("staff:test-clerk", f"staff:test-supervisor/terminal:{second.enrolment['terminal_id']}")
