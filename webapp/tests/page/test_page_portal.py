"""The citizen portal in Chromium, with the real agent and virtual cards: signing in, another device, everybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from mykey_core.hub import open_hub
from mykey_core.portal.staff import StaffRegister
from mykey_core.settings import load_settings
from mykey_testkit.axe import overhang, violations, violations_in_both_schemes
from mykey_testkit.canaries import gives_away

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PAGES = (
    "", "services", "messages", "consents", "delegations", "accesses", "devices", "export",
    "library/", "library/search",
)  # fmt: skip


def sign_in(visitor: Any, language: str = "en") -> Page:
    """From the sign-in page to the portal, with the card that is in the reader or the tray."""
    page: Page = visitor.page
    page.goto(f"{visitor.demo.origin}/sign-in/?lang={language}")
    page.locator("#pin, [data-card=adult]").first.wait_for()
    if page.locator("[data-card=adult]").count():
        page.click("[data-card=adult]")
    page.fill("#pin", "1234")
    page.keyboard.press("Enter")
    page.wait_for_url("**/my/")
    return page


@pytest.mark.parametrize("language", ["ja", "en", "ja-Hira"])
def test_axe_on_every_page(visit: Callable[..., Any], language: str) -> None:
    """No violation on any page, in each language, light and dark, and no sideways scrolling at 320 pixels."""
    visitor = visit(language)
    visitor.registered()
    page = sign_in(visitor, language)
    found: dict[str, list[str]] = {}
    for name in (*PAGES, "services/library/leave", "no-such-page", "../"):
        page.set_viewport_size({"width": 1280, "height": 800})
        page.goto(f"{visitor.demo.origin}/my/{name}")
        found[name] = violations_in_both_schemes(page)
        page.set_viewport_size({"width": 320, "height": 640})
        found[name] += [] if overhang(page) == 0 else ["wider than 320 pixels"]
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        found[name] += [] if overhang(page) == 0 else ["wider than 320 pixels at 200 %"]
    assert found == {name: [] for name in found}


def test_axe_while_signing_in(visit: Callable[..., Any]) -> None:
    """The panel without agent, with a card to place, with the PIN, and with a refusal."""
    visitor = visit("ja")
    page: Page = visitor.page
    page.goto(f"{visitor.demo.origin}/sign-in/")
    page.locator("[data-card=adult]").wait_for()
    found = {"card": violations(page)}
    expect(page.locator("[data-card=adult]")).to_contain_text("暗証番号 1234")
    expect(page.locator("[data-card=child]")).to_contain_text("暗証番号 2345")  # each card its own
    page.click("[data-card=revoked]")
    page.locator("#pin").wait_for()
    found["pin"] = violations(page)
    page.fill("#pin", "1234")
    page.click("#pin-ok")
    expect(page.locator("#panel code")).to_have_text("certificate_revoked")
    found["refusal"] = violations(page)
    page.evaluate("sessionStorage.clear()")
    page.reload()
    expect(page.locator("#pairing-code")).to_be_focused()
    expect(page.locator("#agent-port")).not_to_have_value("")
    found["pairing"] = violations(page)
    assert found == {name: [] for name in found}


def test_a_wrong_pin_leaves_outside(visit: Callable[..., Any]) -> None:
    """The tries left are shown, the right PIN afterwards signs in, and the PIN never goes to the hub."""
    visitor = visit("en")
    visitor.registered()
    page: Page = visitor.page
    sent: list[str] = []
    page.on("request", lambda one: sent.append(one.post_data or "") if visitor.demo.origin in one.url else None)
    page.goto(f"{visitor.demo.origin}/sign-in/")
    page.click("[data-card=adult]")
    page.fill("#pin", "9876")
    page.keyboard.press("Enter")
    expect(page.locator("#pin-tries")).to_contain_text("2")
    page.fill("#pin", "1234")
    page.click("#pin-ok")
    page.wait_for_url("**/my/")
    assert not any(gives_away(body, "9876") or '"pin"' in body for body in sent)


def test_by_another_device(visit: Callable[..., Any], browser: Browser) -> None:
    """A phone without reader shows a QR code; the desk compares, reads the card, and the phone is in."""
    desk = visit("en")
    desk.registered()
    phone = browser.new_context(viewport={"width": 390, "height": 844}, locale="en-GB").new_page()
    phone.goto(f"{desk.demo.origin}/sign-in/")
    phone.click("text=Show a QR code")
    code, digits = phone.inner_text("#code"), phone.inner_text("#comparison")
    assert violations(phone) == []
    page: Page = desk.page
    page.goto(f"{desk.demo.origin}/sign-in/approve#code={code}")
    expect(page.locator("#comparison")).to_have_text(digits)
    assert code not in page.url
    assert violations(page) == []
    page.click("#same")
    page.locator("#pin, [data-card=adult]").first.wait_for()
    if page.locator("[data-card=adult]").count():
        page.click("[data-card=adult]")
    page.fill("#pin", "1234")
    page.click("#pin-ok")
    page.wait_for_url("**/approved")
    phone.get_by_role("button", name="Open my page").click(timeout=10_000)
    phone.wait_for_url("**/my/")
    expect(phone.get_by_role("heading", level=1)).to_have_text("My page")
    phone.context.close()


def _tab_to(page: Page, selector: str) -> None:
    for _ in range(60):
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab does not reach {selector}")


def test_keyboard_alone(visit: Callable[..., Any]) -> None:
    """Signing in, going to the consents and signing out without a mouse; the skip link leads past the menu."""
    visitor = visit("en")
    visitor.registered()
    page: Page = visitor.page
    page.goto(f"{visitor.demo.origin}/sign-in/")
    page.locator("[data-card=adult]").wait_for()
    _tab_to(page, "[data-card=adult]")
    page.keyboard.press("Enter")
    expect(page.locator("#pin")).to_be_focused()
    page.keyboard.type("1234")
    page.keyboard.press("Enter")
    page.wait_for_url("**/my/")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    _tab_to(page, "a[href='/my/consents']")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "3px"
    page.keyboard.press("Enter")
    page.wait_for_url("**/my/consents")
    _tab_to(page, "#sign-out button")
    page.keyboard.press("Enter")
    page.wait_for_url("**/sign-in/**")
    page.goto(f"{visitor.demo.origin}/my/")
    assert "/sign-in/" in page.url


def without_script(visitor: Any, browser: Browser) -> Page:
    """A page in which no script runs, with the session of somebody who has signed in with a card."""
    context = browser.new_context(java_script_enabled=False, locale="en-GB", viewport={"width": 390, "height": 844})
    context.add_cookies(visitor.page.context.cookies())
    return context.new_page()


def test_without_script(visit: Callable[..., Any], browser: Browser) -> None:
    """Where no card is read, nothing needs a script: every page, its menu, its language, its forms."""
    visitor = visit("en")
    visitor.registered()
    sign_in(visitor)
    page = without_script(visitor, browser)
    origin = visitor.demo.origin
    for name in (*PAGES, "services/library/leave", "no-such-page"):
        page.goto(f"{origin}/my/{name}")
        expect(page.locator("main h1")).to_be_visible()
        if name != "no-such-page":
            expect(page.get_by_role("link", name="Export my data", exact=True)).to_be_visible()
    page.goto(f"{origin}/my/devices")
    expect(page.locator("main")).to_contain_text("This device")
    page.click("nav >> text=日本語")
    expect(page.locator("h1")).to_have_text("サインイン中の端末")
    page.click("nav >> text=English")
    page.goto(f"{origin}/my/export")
    page.click("text=Open the page")
    expect(page.locator("main")).to_contain_text("10000033")
    page.goto(f"{origin}/sign-in/")
    assert "<noscript>" in page.content()  # Playwright reads no text within it
    page.click("text=Show a QR code")
    expect(page.locator("#code")).to_be_visible()
    page.click("text=I have approved")
    expect(page.get_by_role("button", name="Show a new QR code")).to_be_visible()
    page.context.close()


def test_the_language_keeps_what_was_typed(visit: Callable[..., Any]) -> None:
    """The switch leads to the same page with the same words in its fields, but never with a password."""
    visitor = visit("en")
    visitor.registered()
    page = sign_in(visitor)
    page.goto(f"{visitor.demo.origin}/my/library/search?q=first")
    page.fill("#field-q", "夏目漱石")
    page.click(".languages >> text=やさしい日本語")
    page.wait_for_url("**/my/library/search?q=first&lang=ja-Hira")
    expect(page.locator("#field-q")).to_have_value("夏目漱石")
    assert page.evaluate("sessionStorage.getItem('mykey.typed')") is None
    page.goto(f"{visitor.demo.origin}/sign-in/staff?lang=en")
    page.locator("#field-invitation").fill("ABCD")
    page.evaluate("document.querySelector('#field-invitation').type = 'password'")
    page.click(".languages >> text=日本語 >> nth=0")
    page.wait_for_url("**lang=ja")
    expect(page.locator("#field-invitation")).to_have_value("")


def test_nothing_is_left_behind_after_signing_out(visit: Callable[..., Any]) -> None:
    """The next person at this computer presses Back: the page has gone with the session."""
    visitor = visit("en")
    visitor.registered()
    page = sign_in(visitor)
    page.goto(f"{visitor.demo.origin}/my/library/")
    expect(page.locator("main")).to_contain_text("10000033")
    page.click("#sign-out button")
    page.wait_for_url("**/sign-in/**")
    page.go_back()
    expect(page.locator("h1")).to_have_text("Sign in")
    expect(page.locator("body")).not_to_contain_text("10000033")


def test_the_menu_is_folded_where_it_is_narrow(visit: Callable[..., Any]) -> None:
    """On a telephone the menu opens by keyboard and by finger; on a desk it stands beside the page."""
    visitor = visit("en", size=(320, 640))
    visitor.registered()
    page = sign_in(visitor)
    consents = page.get_by_role("link", name="Consents")
    expect(consents).to_be_hidden()
    _tab_to(page, "#menu > summary")
    page.keyboard.press("Enter")
    expect(consents).to_be_visible()
    assert violations(page) == []
    page.set_viewport_size({"width": 1280, "height": 800})
    expect(page.locator("#menu > summary")).to_be_hidden()
    expect(consents).to_be_visible()


def test_paper_shows_the_content_only(visit: Callable[..., Any]) -> None:
    visitor = visit("en")
    visitor.registered()
    page = sign_in(visitor)
    page.goto(f"{visitor.demo.origin}/my/accesses")
    page.emulate_media(media="print")
    expect(page.locator(".timeline")).to_be_visible()
    for hidden in (".navigation", ".languages", "#sign-out", ".foot"):
        expect(page.locator(hidden)).to_be_hidden()


def staff_signs_in(visitor: Any) -> Page:
    """A new clerk signs in with an invitation and the card of `renewed`."""
    hub = open_hub(load_settings(visitor.demo.town.config))
    register = StaffRegister(hub.settings.municipality)
    with hub.database.writing() as session:
        register.put(session, "tanaka", "田中", ["clerk"], at=hub.clock(), actor="staff:test")
        code = register.invite(session, "tanaka", at=hub.clock())
    hub.close()
    page: Page = visitor.page
    page.goto(f"{visitor.demo.origin}/sign-in/staff?next=/sign-in/other-device")
    page.fill("#field-invitation", code)
    page.click("[data-card=renewed]")
    page.locator("#pin").wait_for()
    assert violations(page) == []
    page.fill("#pin", "1234")
    page.click("#pin-ok")
    page.wait_for_url("**/sign-in/other-device")
    expect(page.locator(".masthead__who")).to_contain_text("田中")
    return page


def test_a_staff_card_taken_out_signs_out(visit: Callable[..., Any]) -> None:
    """The first sign-in with the invitation, then the card leaves the reader: the session ends by itself."""
    visitor = visit("en")
    page = staff_signs_in(visitor)
    page.wait_for_timeout(2_000)
    port, token = page.evaluate("[sessionStorage['mykey.agent'], sessionStorage['mykey.pairing']]")
    take_out = """([port, token]) => fetch(`http://127.0.0.1:${port}/agent/v1/tray/inserted`, {method: "PUT",
        headers: {"Content-Type": "application/json", "Mykey-Pairing": token}, body: '{"card": null}'})"""
    page.evaluate(take_out, [port, token])
    page.wait_for_url("**/sign-in/staff", timeout=10_000)
    expect(page.locator("[role=status].notice")).to_have_text("The card was taken out, so you were signed out.")


def test_a_staff_session_ends_with_the_agent(visit: Callable[..., Any], own_demo: Any) -> None:
    """Whoever stops the agent to take the card out unseen is signed out some seconds later."""
    visitor = visit("en", at=own_demo)
    page = staff_signs_in(visitor)
    own_demo.agent.stop()
    page.wait_for_url("**/sign-in/staff", timeout=30_000)
    page.locator("#panel .notice, #panel form").first.wait_for()  # it has found that the agent is silent
    answer = page.request.get(f"{own_demo.origin}/counter/", max_redirects=0)
    assert answer.status == 303


def test_a_second_window_hears_of_the_card(visit: Callable[..., Any], own_demo: Any) -> None:
    """A window that cannot reach the agent stays while another one sees the card, and ends when none does."""
    visitor = visit("en", at=own_demo)
    page = staff_signs_in(visitor)
    other = page.context.new_page()
    other.add_init_script("const slow = setInterval; window.setInterval = (act, ms) => slow(act, ms / 20)")
    other.goto(f"{own_demo.origin}/counter/")
    other.wait_for_timeout(7_000)  # its 90 seconds are four and a half
    assert other.url.endswith("/counter/")
    page.goto("about:blank")
    other.wait_for_url("**/sign-in/staff", timeout=20_000)
