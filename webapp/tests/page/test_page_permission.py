"""Pages of a hub on a public address and the card on this computer: Chromium's Local Network Access permission.

Granted, denied and asked for, on the service point, on the pages where citizens and staff sign in, and at the
counter; and the agent of a computer at home, which has no terminal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from mykey_testkit.axe import violations
from mykey_web.demo import processes
from mykey_web.demo.clerks import CLERK, PIN

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PUBLIC = "hub.example.test"
Visit = Callable[..., Any]


@pytest.fixture(scope="module")
def public_browser(
    playwright_session: Playwright, town_hall: Any, chromium: str, chromium_flags: list[str]
) -> Iterator[Browser]:
    """Chromium that takes the hub for a public one, by its address and by a name."""
    started = playwright_session.chromium.launch(
        executable_path=chromium,
        args=[
            *chromium_flags,
            f"--host-resolver-rules=MAP {PUBLIC} 127.0.0.1",
            f"--unsafely-treat-insecure-origin-as-secure=http://{PUBLIC}:{town_hall.port}",
            f"--ip-address-space-overrides=127.0.0.1:{town_hall.port}=public",
        ],
    )
    yield started
    started.close()


@pytest.fixture
def page(public_browser: Browser) -> Iterator[Page]:
    """A fresh page of that browser."""
    made = public_browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    yield made
    made.context.close()


def _permit(page: Page, setting: str) -> None:
    if setting == "granted":
        page.context.grant_permissions(["local-network-access"])
        return
    devtools = page.context.new_cdp_session(page)
    for name in ("local-network-access", "loopback-network"):
        devtools.send("Browser.setPermission", {"permission": {"name": name}, "setting": setting})


def _invited(demo: Any) -> str:
    return f"#agent={demo.agent_port}&pair={demo.announced()['pairing_code']}"


def _by_name(demo: Any, path: str) -> str:
    """The address by the public name: there the words of a page are those of a public hub."""
    return f"http://{PUBLIC}:{demo.port}{path}?lang=en{_invited(demo)}"


def _sign_in(page: Page, demo: Any, path: str, card: str) -> None:
    page.goto(f"{demo.origin}{path}?lang=en{_invited(demo)}")
    page.locator("[data-card], #take-out").first.wait_for()
    page.click(f"[data-card={card}]")
    page.fill("#pin", PIN)
    page.click("#pin-ok")


def _take_out(page: Page) -> None:
    port, token = page.evaluate("[sessionStorage['mykey.agent'], sessionStorage['mykey.pairing']]")
    take_out = """([port, token]) => fetch(`http://127.0.0.1:${port}/agent/v1/tray/inserted`, {method: "PUT",
        headers: {"Content-Type": "application/json", "Mykey-Pairing": token}, body: '{"card": null}'})"""
    page.evaluate(take_out, [port, token])


@pytest.fixture
def empty_tray(visit: Visit, town_hall: Any) -> Any:
    """A visitor at the service point who has registered the card `adult`; the reader is empty before and after."""
    visitor = visit("en", at=town_hall)
    visitor.registered()
    return visitor


# -- the words ------------------------------------------------------------------------------------------------


def test_point_while_the_browser_asks(page: Page, town_hall: Any, draw: Any) -> None:
    """While the browser's question is open the request hangs, and the page says what to answer.

    Headless Chromium answers its own question with no; holding the request back stands for the open question.
    """
    page.route("**/agent/v1/**", lambda _: None)
    _permit(page, "prompt")
    page.goto(_by_name(town_hall, "/point"))
    expect(page.locator("#stage-title")).to_have_text("The browser asks for your permission")
    expect(page.locator(".message__todo")).to_contain_text("Allow")
    draw(page, "permission_asking")


def test_point_denied(page: Page, town_hall: Any, draw: Any) -> None:
    """A refusal looks like a missing agent to the request; the page tells them apart and says how to undo it."""
    _permit(page, "denied")
    page.goto(_by_name(town_hall, "/point"))
    expect(page.locator("#stage-title")).to_have_text("The browser does not let this page reach the card")
    expect(page.locator(".message__todo")).to_contain_text("site settings")
    draw(page, "permission_denied")


@pytest.mark.parametrize("path", ["/sign-in/", "/sign-in/staff"])
@pytest.mark.parametrize(("setting", "said"), [("prompt", "Allow"), ("denied", "site settings")])
def test_sign_in_pages(page: Page, town_hall: Any, path: str, setting: str, said: str) -> None:
    """The same where citizens and staff sign in."""
    if setting == "prompt":
        page.route("**/agent/v1/**", lambda _: None)
    _permit(page, setting)
    page.goto(_by_name(town_hall, path))
    expect(page.locator("#cause")).to_contain_text(said)
    assert violations(page) == []


# -- the way through ------------------------------------------------------------------------------------------


def test_a_citizen_signs_in_at_a_public_hub(page: Page, town_hall: Any, empty_tray: Any) -> None:
    """Denied, the agent is out of reach; granted afterwards, the same page goes on by itself, with its invitation."""
    assert empty_tray.demo is town_hall
    _permit(page, "denied")
    with page.expect_event("console", lambda line: "address space" in line.text) as said:
        page.goto(f"{town_hall.origin}/sign-in/?lang=en{_invited(town_hall)}")
    assert "Permission was denied" in said.value.text
    _permit(page, "granted")
    page.locator("[data-card=adult]").click(timeout=15_000)
    page.fill("#pin", PIN)
    page.click("#pin-ok")
    page.wait_for_url("**/my/")
    _take_out(page)
    page.wait_for_url("**/point", timeout=10_000)
    expect(page.locator("#stage")).to_contain_text("the card was taken out")
    page.goto(f"{town_hall.origin}/my/")
    assert "/sign-in/" in page.url


def test_a_clerk_looks_somebody_up_at_a_public_hub(
    page: Page, public_browser: Browser, town_hall: Any, empty_tray: Any
) -> None:
    """Granted, the counter reads the citizen's card; denied, its page says so in the words of the permission."""
    assert empty_tray.demo is town_hall
    _permit(page, "granted")
    _sign_in(page, town_hall, "/sign-in/staff", CLERK)
    page.wait_for_url("**/counter/")
    page.goto(f"{town_hall.origin}/counter/look-up")
    page.locator("body[data-ready=true]").wait_for()
    page.select_option("#field-purpose", "asked")
    page.click("#start-reading")
    page.click("#take-out")
    page.click("[data-card=adult]")
    page.fill("#pin", PIN)
    page.click("#pin-ok")
    page.wait_for_url("**/counter/cases/**")
    denied = _same_person_by_name(page, public_browser)
    _permit(denied, "denied")
    denied.goto(f"http://{PUBLIC}:{town_hall.port}/counter/look-up?lang=en")
    denied.locator("body[data-ready=true]").wait_for()
    denied.evaluate("port => { sessionStorage['mykey.agent'] = port; }", town_hall.agent_port)
    denied.evaluate("sessionStorage['mykey.pairing'] = 'x'")
    denied.select_option("#field-purpose", "asked")
    denied.click("#start-reading")
    expect(denied.locator("#cause")).to_contain_text("site settings")
    denied.context.close()


def _same_person_by_name(page: Page, browser: Browser) -> Page:
    """A page of the public name with the session of `page`."""
    context = browser.new_context()
    context.add_cookies([{**one, "domain": PUBLIC} for one in page.context.cookies()])  # type: ignore[typeddict-item]
    return context.new_page()


# -- a citizen's card at a service point, and at home ------------------------------------------------------------


def test_exchanging_the_cards_ends_the_session(page: Page, town_hall: Any, empty_tray: Any) -> None:
    """Another card put in between two looks does not inherit the first one's portal."""
    assert empty_tray.demo is town_hall
    _permit(page, "granted")
    _sign_in(page, town_hall, "/sign-in/", "adult")
    page.wait_for_url("**/my/")
    page.wait_for_timeout(2_000)
    port, token = page.evaluate("[sessionStorage['mykey.agent'], sessionStorage['mykey.pairing']]")
    exchange = """([port, token]) => fetch(`http://127.0.0.1:${port}/agent/v1/tray/inserted`, {method: "PUT",
        headers: {"Content-Type": "application/json", "Mykey-Pairing": token}, body: '{"card": "child"}'})"""
    page.evaluate(exchange, [port, token])
    page.wait_for_url("**/point", timeout=10_000)


def test_a_computer_at_home(page: Page, town_hall: Any, empty_tray: Any, tmp_path: Path) -> None:
    """`mykey agent run`: signs in to /my, may take the card out, and is no service point."""
    assert empty_tray.demo is town_hall
    _permit(page, "granted")
    arguments = ["agent", "run", "--hub", town_hall.origin, "--virtual", "--port", "0", "--no-browser"]
    folders = ["--folder", str(tmp_path / "home"), "--ready-file", str(tmp_path / "ready.json")]
    agent = processes.Child([*arguments, *folders], town_hall.log, announces=False)
    try:
        _wait_for(tmp_path / "home" / "open.html")
        page.goto((tmp_path / "home" / "open.html").as_uri(), wait_until="commit")
        page.locator("[data-card=adult]").click(timeout=15_000)
        page.fill("#pin", PIN)
        page.click("#pin-ok")
        page.wait_for_url("**/my/")
        _take_out(page)
        page.wait_for_timeout(4_000)
        assert page.url.endswith("/my/")
        page.goto(f"{town_hall.origin}/point?lang=en")
        expect(page.locator("#stage-title")).to_have_text("This computer is not enrolled as a service point")
    finally:
        agent.stop()


def _wait_for(path: Path) -> None:
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.05)
