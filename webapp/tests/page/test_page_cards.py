"""The card counter and the gate in a browser: written, used, suspended; by keyboard, judged by axe, three languages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from sqlalchemy import select, update

from mykey_core.card_writing.tables import card_writing, known_card
from mykey_core.hub import open_hub
from mykey_core.portal.staff import StaffRegister
from mykey_core.settings import load_settings
from mykey_testkit.axe import violations
from mykey_testkit.waiting import until
from mykey_web.demo import processes
from mykey_web.demo.bus_plugin import COUNTER, GATE_POINT, add_cards, install_bus_plugin
from mykey_web.demo.cli import new_code
from mykey_web.demo.town import make_town

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

TAKE_OUT = """async () => {
  const { Agent } = await import("/static/point/agent.js");
  const { rememberedAgent, pairingToken } = await import("/static/point/session.js");
  await new Agent(rememberedAgent(), pairingToken(), () => "ja").insert(null);
}"""


class CardTown:
    """A hub with the bus plugin, and the agents of a card counter and of a gate, which share one tray of cards."""

    def __init__(self, folder: Path, stack: ExitStack, browser: Browser, settings: str = "") -> None:
        self._folder, self._stack, self._browser = folder, stack, browser
        port = processes.free_port()
        self.origin = f"http://127.0.0.1:{port}"
        self.town = make_town(folder / "town", self.origin, datetime.now(UTC))
        add_cards(self.town.config)
        with self.town.config.open("a", encoding="utf-8") as config:
            config.write(settings)
        environment = install_bus_plugin(folder / "plugins")
        stack.enter_context(processes.start_hub(self.town.config, port, folder / "log", environment))
        self.faults: list[str] = []

    def open(self, point: str, page: str, language: str, *, desk: str = "") -> Page:
        """The page of a place in the town, with an empty reader; `desk` names a further terminal there."""
        state, log = self._folder / (point + desk), self._folder / "log"
        processes.enrol_terminal(self.origin, new_code(self.town, point), state, log)
        agent = self._stack.enter_context(processes.start_agent(state, log, cards=self._folder / "cards"))
        port, code = agent.announcement["address"].rpartition(":")[2], agent.announcement["pairing_code"]
        context = self._browser.new_context()
        self._stack.callback(context.close)
        tab = context.new_page()
        tab.on("pageerror", lambda error: self.faults.append(str(error)))
        tab.on("console", lambda line: self.faults.append(line.text) if line.type == "error" else None)
        tab.goto(f"{self.origin}/point/{page}?lang={language}#agent={port}&pair={code}")
        tab.locator("#stage[data-screen=idle]").wait_for()
        return tab


@pytest.fixture
def cards(tmp_path: Path, browser: Browser) -> Iterator[CardTown]:
    with ExitStack() as stack:
        yield CardTown(tmp_path, stack, browser)
    shutil.rmtree(tmp_path, ignore_errors=True)


def fill(page: Page) -> None:
    page.fill("#card-number", "B-0001")
    page.fill("#card-valid_until", "2030-03-31")
    for name, value in (("value", "3000"), ("rides", "10"), ("period", "1")):
        page.fill(f"#card-begin-{name}", value)


def done(page: Page, words: str) -> None:
    page.locator("#cards-done", has_text=words).wait_for()


def test_a_clerk_writes_a_service_and_a_gate_uses_it(cards: CardTown, draw: Any) -> None:
    """Dry run, writing with the Enter key, focus on the title, suspension, and a ride at the other terminal."""
    counter = cards.open(COUNTER, "cards", "en")
    draw(counter, "card-counter-idle")
    counter.click("[data-card=adult]")
    done(counter, "has been read")
    draw(counter, "card-counter")
    fill(counter)
    counter.click("#dry-run")
    done(counter, "Nothing has been written")
    assert counter.locator(".cards__steps li").count() == 7
    assert counter.locator("tr[data-service]").count() == 0
    counter.focus("#card-number")
    counter.keyboard.press("Enter")
    done(counter, "has been written")
    counter.locator("tr[data-service='0601'][data-state=activated]").wait_for()
    assert counter.evaluate("document.activeElement.id") == "stage-title"
    assert violations(counter) == []
    draw(counter, "card-counter-written")
    counter.click("[data-operation=suspend]")
    counter.locator("tr[data-state=deactivated]").wait_for()
    counter.click("[data-operation=resume]")
    counter.locator("tr[data-state=activated]").wait_for()
    counter.click("#take-out")
    gate = cards.open(GATE_POINT, "gate", "ja-Hira")
    assert gate.locator("#stage .notice").count() == 0  # it has one purpose, and waits for a card
    draw(gate, "gate-idle")
    gate.click("[data-card=adult]")
    gate.locator(".gate__facts dd", has_text="2,900").wait_for()
    draw(gate, "gate-passed")
    gate.click("[data-language=ja]")
    gate.locator("#stage .lead", has_text="まちなか循環バス").wait_for()
    gate.click("[data-language=ja-Hira]")
    assert gate.locator(".gate__facts dd").first.inner_text() == "9"
    assert violations(gate) == []
    gate.click("#undo")
    gate.locator(".gate__facts dd", has_text="3,000").wait_for()
    assert cards.faults == []


def test_refusals_are_worded_and_money_is_not_deleted(cards: CardTown) -> None:
    """A card of another town, and a deletion without the refund, in Japanese; then the titles follow the language."""
    counter = cards.open(COUNTER, "cards", "ja")
    counter.click("[data-card=other-town]")
    counter.locator("#cards-problem", has_text="card_not_ours").wait_for()
    assert violations(counter) == []
    counter.click("[data-card=adult]")
    done(counter, "確かめました")
    fill(counter)
    counter.click("#write")
    done(counter, "書き込みました")
    counter.click("[data-operation=delete]")
    counter.click("#confirm-delete")
    counter.locator("#cards-problem", has_text="service_has_value").wait_for()
    counter.click("[data-language=en]")
    counter.locator("th", has_text="Circle bus").wait_for()
    counter.click("[data-operation=delete]")
    counter.check("#refunded-delete")
    counter.click("#confirm-delete")
    counter.locator("#cards-empty").wait_for()
    assert cards.faults == []


def test_the_plugins_own_data_are_written_for_the_person_who_shows_the_card(cards: CardTown) -> None:
    """The PIN is asked once, the counter types nothing, and the card gets what the plugin knows about the person."""
    counter = cards.open(COUNTER, "cards", "en")
    counter.click("[data-card=adult]")
    done(counter, "has been read")
    counter.click("#ask-person")
    counter.locator("#stage[data-screen=pin]").wait_for()
    counter.keyboard.type("1234")
    counter.keyboard.press("Enter")
    counter.locator("#for-person").wait_for()
    assert counter.locator("#card-number").count() == 0
    assert violations(counter) == []
    counter.click("#write")
    done(counter, "has been written")
    counter.click("#take-out")
    gate = cards.open(GATE_POINT, "gate", "en")
    gate.click("[data-card=adult]")
    gate.locator(".gate__facts dd", has_text="2,900").wait_for()
    assert gate.locator(".gate__facts dd").first.inner_text() == "9"
    assert cards.faults == []


def test_the_clerk_who_is_signed_in_is_named(cards: CardTown) -> None:
    """Staff card out, citizen's card in: the page says whose name is recorded; back at the counter the card counts."""
    hub = open_hub(load_settings(cards.town.config))
    register = StaffRegister(hub.settings.municipality)
    with hub.database.writing() as session:
        register.put(session, "kawabata", "川端", ["clerk"], at=hub.clock(), actor="staff:test")
        code = register.invite(session, "kawabata", at=hub.clock())
    page = cards.open(COUNTER, "cards", "ja")
    page.goto(f"{cards.origin}/sign-in/staff?next=/counter/")
    page.fill("#field-invitation", code)
    page.click("[data-card=long-name]")
    page.fill("#pin", "1234")
    page.click("#pin-ok")
    page.wait_for_url(f"{cards.origin}/counter/")
    page.goto(f"{cards.origin}/point/cards")
    page.click("#take-out")
    page.click("[data-card=adult]")
    done(page, "確かめました")
    assert page.locator("#cards-clerk").inner_text() == "担当：川端さん（記録に残ります）"
    assert violations(page) == []
    with hub.database.reading() as session:
        own = card_writing.c.municipality == hub.settings.municipality
        assert set(session.execute(select(card_writing.c.staff).where(own)).scalars()) == {"staff:kawabata"}
    hub.close()
    page.click("#take-out")
    page.click("[data-card=long-name]")
    page.goto(f"{cards.origin}/counter/")
    until(page, "sessionStorage.getItem('mykey-card-exchange') === null")  # the staff card is back
    assert page.url.endswith("/counter/")
    page.evaluate(TAKE_OUT)
    page.wait_for_url("**/sign-in/staff**", timeout=15_000)


FOUR_EYES = """
[card_writing]
four_eyes = ["write", "release"]
"""


@pytest.fixture
def careful(tmp_path: Path, browser: Browser) -> Iterator[CardTown]:
    """The same town, where a second person approves writings and releases."""
    with ExitStack() as stack:
        yield CardTown(tmp_path, stack, browser, FOUR_EYES)
    shutil.rmtree(tmp_path, ignore_errors=True)


def quarantine(config: Path) -> None:
    """Every known card is put aside, as after a refused proof (the real one is shown in `test_api_writing`)."""
    hub = open_hub(load_settings(config))
    with hub.database.writing() as session:
        own = known_card.c.municipality == hub.settings.municipality
        session.execute(update(known_card).where(own).values(state="quarantined", reason="card_quarantined"))
    hub.close()


def test_a_second_person_approves_and_releases(careful: CardTown) -> None:
    """Nothing is sent to the card before another terminal agrees, which needs no card for it; the same for release."""
    counter = careful.open(COUNTER, "cards", "en")
    second = careful.open(COUNTER, "cards", "ja", desk="-2")
    counter.click("[data-card=adult]")
    done(counter, "has been read")
    fill(counter)
    counter.click("#write")
    number = counter.locator("#writing-id").inner_text()
    assert violations(counter) == []
    counter.click("#cards-approval .button--primary")
    counter.locator("#cards-approval").wait_for()  # nobody has agreed yet
    assert violations(second) == []
    second.fill("#approve-id", "no number")
    second.click("#approve")
    second.locator("#approve-said", has_text="見つかりません").wait_for()
    second.fill("#approve-id", number)
    second.click("#approve")
    second.locator("#approve-said", has_text="承認しました").wait_for()
    counter.click("#cards-approval .button--primary")
    done(counter, "has been written")
    counter.click("#take-out")
    quarantine(careful.town.config)
    for page, words in ((counter, "two people"), (second, None)):
        page.click("[data-card=adult]")
        page.locator("#cards-problem", has_text="card_quarantined").wait_for()
        assert violations(page) == []
        page.select_option("#evidence", "card-examined")
        page.click("#release")
        if words:
            page.locator("#cards-problem [role=status]", has_text=words).wait_for()
            page.click("#take-out")
    done(second, "確かめました")
    second.locator("tr[data-service='0601'][data-state=activated]").wait_for()
    assert careful.faults == [line for line in careful.faults if "status of 4" in line]
