"""The counter in Chromium: clerks with cards through the real agent, and passkeys by Chromium's own authenticator."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from mykey_core.hub import open_hub
from mykey_core.portal.staff import StaffRegister
from mykey_core.settings import load_settings
from mykey_testkit.axe import violations_at_every_width as violations
from mykey_web.demo import processes
from mykey_web.demo.town import Town, make_town

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PAGES = ("", "look-up", "enrol", "approvals", "uploads", "look-ups", "passkeys", "devices", "not-found?by=card")
ONE_SECOND = 1_000
OPEN_ALL = "() => document.querySelectorAll('main details').forEach((one) => { one.open = true; })"
READY = "body[data-ready=true]"


def invite(town: Town, name: str, title: str, role: str) -> str:
    """Make a member of staff; the code of the invitation."""
    hub = open_hub(load_settings(town.config))
    staff = StaffRegister(hub.settings.municipality)
    with hub.database.writing() as session:
        staff.put(session, name, title, [role], at=hub.clock(), actor="staff:test")
        code = staff.invite(session, name, at=hub.clock())
    hub.close()
    return code


def choose_card(page: Page, card: str, pin: str = "1234") -> None:
    """Take a card from the tray and type its PIN."""
    page.click(f"[data-card={card}]")
    page.fill("#pin", pin)
    page.click("#pin-ok")


def sign_in_by_card(visitor: Any, card: str, code: str, language: str) -> Page:
    """A clerk's first sign-in with the staff card."""
    page: Page = visitor.page
    page.goto(f"{visitor.demo.origin}/sign-in/staff?lang={language}")
    page.locator(f"[data-card={card}]").wait_for()
    page.fill("#field-invitation", code)
    choose_card(page, card)
    page.wait_for_url("**/counter/")
    return page


def open_record(page: Page, origin: str, card: str = "adult", purpose: str = "asked") -> None:
    """Look the holder of a card up, with the clerk's own card in the reader before."""
    page.goto(f"{origin}/counter/look-up")
    page.locator(READY).wait_for()
    page.select_option("#field-purpose", purpose)
    page.click("#start-reading")
    page.locator("#take-out, [data-card]").first.wait_for()
    if page.locator("#take-out").count():
        page.click("#take-out")
    choose_card(page, card)
    page.wait_for_url("**/counter/cases/**")


@pytest.mark.parametrize("language", ["ja", "en", "ja-Hira"])
def test_axe_on_every_page(visit: Callable[..., Any], language: str) -> None:
    """A clerk's round: sign-in with the card, look-up, record, request; no violation on the way, and none at 320 px."""
    visitor = visit(language)
    visitor.registered()
    code = invite(visitor.demo.town, f"clerk-{language.lower()}", "窓口 山田", "clerk")
    page = sign_in_by_card(visitor, "long-name", code, language)
    found = {}
    for name in PAGES:
        page.goto(f"{visitor.demo.origin}/counter/{name}")
        page.evaluate(OPEN_ALL)
        found[name] = violations(page)
    open_record(page, visitor.demo.origin)
    page.evaluate(OPEN_ALL)
    found["record"] = violations(page)
    page.goto(f"{page.url}/renewal")
    found["renewal"] = violations(page)
    page.go_back()
    page.locator("li:has(input[value=hold]) summary").click()
    page.select_option("#ground-hold", "citizen-asked")
    page.locator("form:has(input[value=hold]) button").click()
    page.locator(".notice--success").wait_for()
    page.goto(f"{visitor.demo.origin}/counter/approvals")
    found["request"] = violations(page)
    page.locator("form:has(input[value=decline]) button").click()
    page.locator(".notice--success").wait_for()
    found["declined"] = violations(page)
    assert found == {name: [] for name in found}
    _end(visitor.demo.town, f"clerk-{language.lower()}")


def _end(town: Town, name: str) -> None:
    """The clerk leaves, so that the next test may give the card to another."""
    hub = open_hub(load_settings(town.config))
    with hub.database.writing() as session:
        StaffRegister(hub.settings.municipality).end(session, name, at=hub.clock(), actor="staff:test")
    hub.close()


def test_the_staff_card_is_exchanged_and_guarded(visit: Callable[..., Any]) -> None:
    """While a citizen's card is read the clerk stays; a staff card taken out at any other time signs out."""
    visitor = visit("en")
    visitor.registered()
    code = invite(visitor.demo.town, "guarded", "Desk 3", "clerk")
    page = sign_in_by_card(visitor, "long-name", code, "en")
    open_record(page, visitor.demo.origin)
    expect(page.locator("h1")).to_have_text("Record")
    expect(page.locator("#put-back")).to_contain_text("put yours into the reader")
    _insert(page, None)
    page.wait_for_timeout(4_000)
    assert "/counter/cases/" in page.url
    _insert(page, "long-name")
    expect(page.locator("#put-back")).to_be_hidden(timeout=15_000)
    _insert(page, None)
    page.wait_for_url("**/sign-in/staff**", timeout=15_000)
    _end(visitor.demo.town, "guarded")


def test_another_card_does_not_keep_the_session(visit: Callable[..., Any]) -> None:
    """A citizen's card that stays in the reader, or takes the staff card's place between two looks, signs out."""
    visitor = visit("en")
    visitor.registered()
    code = invite(visitor.demo.town, "replaced", "Desk 4", "clerk")
    page = sign_in_by_card(visitor, "long-name", code, "en")
    open_record(page, visitor.demo.origin)
    expect(page.locator("#put-back")).to_be_visible()
    page.evaluate("sessionStorage.setItem('mykey-card-exchange', '0')")  # its minute is over
    page.wait_for_url("**/sign-in/staff**", timeout=15_000)
    expect(page.locator("[role=status].notice")).to_have_text("The card was taken out, so you were signed out.")
    _insert(page, "long-name")
    page.fill("#pin", "1234")
    page.click("#pin-ok")
    page.wait_for_url("**/counter/**")
    page.wait_for_timeout(4_000)  # its own card: nothing happens
    assert "/sign-in/" not in page.url
    _insert(page, "adult")
    page.wait_for_url("**/sign-in/staff**", timeout=15_000)
    _end(visitor.demo.town, "replaced")


def _insert(page: Page, card: str | None) -> None:
    """Put a card into the virtual reader, or take it out, as a hand would."""
    page.evaluate(
        """async (card) => {
          const { Agent } = await import("/static/point/agent.js");
          const { rememberedAgent, pairingToken } = await import("/static/point/session.js");
          await new Agent(rememberedAgent(), pairingToken(), () => "en").insert(card);
        }""",
        card,
    )


class PasskeyHub:
    """The demo town below `localhost`: a name, which passkeys need. No agent and no card."""

    def __init__(self, folder: Path) -> None:
        self.port = processes.free_port()
        self.origin = f"http://localhost:{self.port}"
        self.town = make_town(folder / "town", self.origin, datetime.now(UTC))
        self.hub = processes.start_hub(self.town.config, self.port, folder / "hub.log")


@pytest.fixture
def passkey_hub(tmp_path: Path) -> Iterator[PasskeyHub]:
    """A hub for passkeys."""
    running = PasskeyHub(tmp_path)
    yield running
    running.hub.stop()


def authenticator(page: Page, *, verifies: bool = True) -> Any:
    """Chromium's virtual authenticator for this page; its session, for changes."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options |= {"isUserVerified": verifies, "automaticPresenceSimulation": True}
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session


def test_a_passkey_from_invitation_to_removal(passkey_hub: PasskeyHub, browser: Browser) -> None:
    """By invitation, out, in again by the passkey, a second one refused on the same device, removed, not let in."""
    code = invite(passkey_hub.town, "tanaka", "窓口 田中", "clerk")
    page = browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 800}).new_page()
    authenticator(page)
    page.goto(f"{passkey_hub.origin}/sign-in/staff?lang=en")
    assert violations(page) == []
    page.fill("#field-invitation", code)
    page.click("#passkey-make")
    page.wait_for_url("**/counter/")
    page.click("#sign-out button")
    page.locator("#passkey-sign-in").wait_for()
    page.goto(f"{passkey_hub.origin}/counter/passkeys")
    page.wait_for_url("**/sign-in/staff?next=**")
    page.click("#passkey-sign-in")
    page.wait_for_url(f"{passkey_hub.origin}/counter/passkeys")  # and not the sign-in page that leads to it
    page.locator("#passkey-make:enabled").wait_for()
    assert violations(page) == []
    page.fill("#field-passkey_title", "desk 2")
    page.click("#passkey-make")
    expect(page.locator("#passkey-says")).to_contain_text("has a passkey of yours already")
    page.click("text=Remove")
    page.locator(".notice--success").wait_for()
    page.click("#sign-out button")
    page.wait_for_url("**/sign-in/staff**")
    page.click("#passkey-sign-in")
    expect(page.locator("#passkey-says")).to_contain_text("not registered")
    page.context.close()


def test_an_authenticator_that_does_not_know_its_user(passkey_hub: PasskeyHub, browser: Browser) -> None:
    """Without finger, face or PIN there is no passkey: the browser itself stops, because the hub requires it."""
    code = invite(passkey_hub.town, "suzuki", "窓口 鈴木", "clerk")
    page = browser.new_context(locale="en-GB").new_page()
    authenticator(page, verifies=False)
    page.goto(f"{passkey_hub.origin}/sign-in/staff?lang=en")
    page.fill("#field-invitation", code)
    page.click("#passkey-make")
    expect(page.locator("#passkey-says")).to_contain_text("could not be used")
    assert "/sign-in/staff" in page.url
    page.context.close()


def _tab_to(page: Page, selector: str) -> None:
    for _ in range(80):
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab does not reach {selector}")


def test_keyboard_alone(visit: Callable[..., Any]) -> None:
    """A look-up and a lost card without a mouse: purpose, exchange of cards, PIN, the button of the record."""
    visitor = visit("en")
    visitor.registered()
    code = invite(visitor.demo.town, "keyboard", "Desk 4", "clerk")
    page = sign_in_by_card(visitor, "long-name", code, "en")
    expect(page.locator("main a.button--primary")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/counter/look-up")
    page.locator(READY).wait_for()
    expect(page.locator("#field-purpose")).to_be_focused()
    page.keyboard.type("A lost")
    page.keyboard.press("Enter")
    page.locator("#take-out").wait_for()
    _tab_to(page, "#take-out")
    page.keyboard.press("Enter")
    page.locator("[data-card=adult]").wait_for()
    _tab_to(page, "[data-card=adult]")
    page.keyboard.press("Enter")
    expect(page.locator("#pin")).to_be_focused()
    page.keyboard.type("1234")
    page.keyboard.press("Enter")
    page.wait_for_url("**/counter/cases/**")
    _tab_to(page, "form[action$='/close'] button")
    page.keyboard.press("Enter")
    page.wait_for_url("**/counter/look-up")
    expect(page.locator(".notice--success")).to_have_text("The record is closed.")
    expect(page.locator("#field-purpose")).to_be_focused()
    _end(visitor.demo.town, "keyboard")


def test_from_the_pin_to_the_record(visit: Callable[..., Any]) -> None:
    """A clerk with a queue: from the last key of the PIN to the record on the screen it takes less than a second.

    The median of five, because this computer does other things too.
    """
    visitor = visit("en")
    visitor.registered()
    code = invite(visitor.demo.town, "quick", "Desk 5", "clerk")
    page = sign_in_by_card(visitor, "long-name", code, "en")
    took = []
    for _ in range(5):
        page.goto(f"{visitor.demo.origin}/counter/look-up")
        page.locator(READY).wait_for()
        page.select_option("#field-purpose", "asked")
        page.click("#start-reading")
        page.locator("#take-out, [data-card]").first.wait_for()
        if page.locator("#take-out").count():
            page.click("#take-out")
        page.click("[data-card=adult]")
        page.fill("#pin", "1234")
        begun = time.perf_counter()
        page.click("#pin-ok")
        page.locator("h1", has_text="Record").wait_for()
        took.append((time.perf_counter() - begun) * 1000)
        page.wait_for_url("**/counter/cases/**")  # to its end, before the next one
    assert sorted(took)[2] < ONE_SECOND, took
    _end(visitor.demo.town, "quick")


def test_a_file_from_a_terminal(visit: Callable[..., Any], tmp_path: Path) -> None:
    """What is no queue is refused in words, on a page that axe has nothing against; the way back is the form."""
    visitor = visit("en")
    visitor.registered()
    code = invite(visitor.demo.town, "carrier", "Desk 6", "clerk")
    page = sign_in_by_card(visitor, "long-name", code, "en")
    file = tmp_path / "queue.json"
    file.write_text("{}", encoding="utf-8")
    page.goto(f"{visitor.demo.origin}/counter/uploads")
    expect(page.locator("#field-file")).to_be_focused()
    page.set_input_files("#field-file", file)
    page.click("main form button")
    expect(page.locator("h1")).to_have_text("This is no file of a terminal's records")
    assert violations(page) == []
    _end(visitor.demo.town, "carrier")
