"""Every state in which the page cannot simply go on: it says why, says what to do, and recovers by itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Route, expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.mark.parametrize(
    ("card", "code"),
    [
        ("revoked", "certificate_revoked"),
        ("held", "certificate_held"),
        ("expired", "certificate_expired"),
        ("other-town", "other_municipality"),
        ("moved", "not_registered"),
        ("wrong-key", "signature_invalid"),
        ("self-signed", "issuer_unknown"),
    ],
)
def test_refused_cards(visit: Callable[..., Any], card: str, code: str) -> None:
    """Each refusal has its title, its reason and what to do, in every language that the page is switched to."""
    visitor = visit("en")
    page = visitor.page
    visitor.insert(card)
    visitor.choose("open")
    visitor.type_pin("1234")
    assert visitor.code() == code
    for language in ("en", "ja", "ja-Hira"):
        page.click(f"[data-language={language}]")
        texts = page.evaluate(f"fetch('/point/texts/{language}.json').then((answer) => answer.json())")
        expect(page.locator("#stage-title")).to_have_text(texts[f"refusal.{code}.title"])
        expect(page.locator(".message .lead")).to_have_text(texts[f"refusal.{code}.text"])
        expect(page.locator(".message__todo")).to_contain_text(texts[f"refusal.{code}.what_to_do"])
        assert page.evaluate("document.documentElement.lang") == language


def test_blocked_pin_is_seen_before_typing(visit: Callable[..., Any]) -> None:
    """The counter is asked first: a blocked card leads to the reason, not to a PIN pad."""
    visitor = visit("en")
    visitor.insert("blocked-pin")
    visitor.choose("open")
    assert visitor.code() == "pin_blocked"


def test_wrong_pin_tells_the_tries_left(visit: Callable[..., Any]) -> None:
    visitor = visit("en")
    page = visitor.page
    visitor.insert("foreign-name")
    visitor.choose("open")
    visitor.wait("pin")
    expect(page.locator("#pin-tries")).to_have_text("Tries left: 3.")
    visitor.type_pin("0000")
    expect(page.locator("#pin-notice")).to_contain_text("The PIN is wrong.")
    expect(page.locator("#pin-tries")).to_have_text("Tries left: 2.")
    expect(page.locator("#pin")).to_have_value("")
    expect(page.locator("#announcer")).to_contain_text("Tries left: 2.")


def test_last_try_needs_agreement_and_then_blocks(visit: Callable[..., Any], own_demo: Any) -> None:
    """At one try left nothing is sent before the box is ticked; a wrong PIN then blocks, and the page says so."""
    visitor = visit("en", at=own_demo)  # other tests need the card as it was
    page = visitor.page
    visitor.insert("last-try")
    visitor.choose("open")
    visitor.wait("pin")
    expect(page.locator("#last-try")).to_be_focused()
    taps: list[str] = []
    page.on("request", lambda request: taps.append(request.method) if request.url.endswith("/taps") else None)
    visitor.type_pin("0000")
    expect(page.locator("#pin-error")).to_contain_text("tick the box")
    assert taps == []
    page.check("#last-try")
    page.click("#pin-ok")
    assert visitor.code() == "pin_blocked"


def test_three_digits_are_not_sent(visit: Callable[..., Any]) -> None:
    visitor = visit("en")
    visitor.insert("adult")
    visitor.choose("open")
    visitor.type_pin("123")
    expect(visitor.page.locator("#pin-error")).to_have_text("Enter four digits.")


def test_form_says_what_is_wrong(visit: Callable[..., Any]) -> None:
    """A missing or misshapen field is named below the field, marked invalid, and focused."""
    visitor = visit("en")
    page = visitor.page
    visitor.insert("adult")
    visitor.choose("link")
    page.keyboard.press("Enter")
    field = page.locator("#field-patron_number")
    expect(page.locator("#field-patron_number-error")).to_have_text("Please fill this in.")
    expect(field).to_be_focused()
    field.fill("12")
    page.keyboard.press("Enter")
    expect(page.locator("#field-patron_number-error")).to_contain_text("right form")
    expect(field).to_have_attribute("aria-invalid", "true")


def test_card_removed_ends_the_visit(visit: Callable[..., Any]) -> None:
    """Taking the card out wipes the screen."""
    visitor = visit("en")
    visitor.insert("adult")
    visitor.choose("open")
    visitor.wait("pin")
    visitor.page.fill("#pin", "12")
    visitor.page.click("#take-out")
    visitor.wait("ended")
    expect(visitor.page.locator("#pin")).to_have_count(0)
    visitor.page.get_by_role("button", name="Back to the start").click()
    visitor.wait("idle")


def test_late_answer_is_not_shown(visit: Callable[..., Any]) -> None:
    """An answer that arrives after the person has finished must not appear for the next one."""
    visitor = visit("en")
    page = visitor.page
    held: list[Route] = []
    page.route("**/agent/v1/actions", lambda route: held.append(route))  # noqa: PLW0108 - playwright marks it
    visitor.link("long-name", "1234", "10000041")
    page.fill("#field-barcode", "A1000005")
    page.keyboard.press("Enter")
    expect(page.locator("#field-barcode")).to_have_value("")
    page.click("#finish")
    visitor.wait("ended")
    with page.expect_response("**/agent/v1/actions"):
        held[0].continue_()
    page.wait_for_timeout(300)
    assert visitor.screen == "ended"


def test_one_lost_look_does_not_end_the_visit(visit: Callable[..., Any]) -> None:
    """A single request to the agent that fails, or whose answer is cut off, is tried again; two in a row are told."""
    visitor = visit("en")
    page = visitor.page
    visitor.insert("adult")
    page.route("**/agent/v1/status", lambda route: route.abort(), times=1)
    with page.expect_event("requestfailed"):
        pass
    page.wait_for_timeout(1500)
    assert visitor.screen == "choose"
    cut = {"status": 200, "headers": {"Access-Control-Allow-Origin": visitor.demo.origin}, "body": '{"cards": ['}
    with page.expect_response("**/agent/v1/tray"):
        page.route("**/agent/v1/tray", lambda route: route.fulfill(**cut), times=1)
    page.wait_for_timeout(1500)
    assert visitor.screen == "choose"
    page.route("**/agent/v1/status", lambda route: route.abort(), times=2)
    visitor.wait("setup")


@pytest.mark.parametrize(
    ("language", "go_on", "over", "take"),
    [
        ("en", "Go on", "Time is up", "Please take your card."),
        ("ja", "続ける", "お時間になりました", "カードをお取りください。"),
    ],
)
def test_idle_visit_ends_after_a_warning(
    visit: Callable[..., Any], draw: Any, language: str, go_on: str, over: str, take: str
) -> None:
    """After 20 s a warning beside the content that can be answered, after 30 s the end: time is up, take the card."""
    visitor = visit(language, come=False)
    page = visitor.page
    page.clock.install()
    visitor.come(language)
    visitor.insert("adult")
    page.clock.fast_forward(21_000)
    page.get_by_role("button", name=go_on).click()
    page.clock.fast_forward(15_000)
    assert visitor.screen == "choose"
    page.clock.fast_forward(6_000)
    expect(page.locator(".idle-warning")).to_be_visible()
    below = page.locator(".idle-warning").evaluate("bar => bar.getBoundingClientRect().bottom")
    assert below <= page.locator("#stage").evaluate("stage => stage.getBoundingClientRect().top")
    draw(page, "idle-warning", part="body", languages=(language,))
    page.clock.fast_forward(11_000)
    assert visitor.screen == "ended"
    expect(page.locator("#stage-title")).to_have_text(over)
    expect(page.locator("#stage")).to_contain_text(take)


def test_the_language_that_was_asked_for_last(visit: Callable[..., Any]) -> None:
    """A choice on the page outlives a reload; `?lang=` and a choice on another page of the hub are newer than it."""
    visitor = visit("ja", come=False)
    page = visitor.page
    page.route("**/point/texts/ja-Hira.json", lambda _: None)  # a slow hub: the reload comes before the words
    visitor.come()
    page.click("[data-language=ja-Hira]")
    page.unroute("**/point/texts/ja-Hira.json")
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "ja-Hira")
    expect(page.locator("[data-language=ja-Hira]")).to_have_attribute("aria-pressed", "true")
    page.goto(f"{visitor.demo.origin}/point?lang=en")
    expect(page.locator("[data-language=en]")).to_have_attribute("aria-pressed", "true")
    page.click("[data-language=ja-Hira]")
    page.goto(f"{visitor.demo.origin}/my/?lang=ja")
    page.goto(f"{visitor.demo.origin}/point")
    expect(page.locator("#stage[data-screen=idle] #stage-title")).to_have_text("カードを置いてください")


def test_without_scripts_nothing_is_offered_that_needs_them(visit: Callable[..., Any]) -> None:
    """The service point says at once what is missing, and the sign-in of staff has no button that does nothing."""
    visitor = visit("en", come=False, java_script_enabled=False)
    page = visitor.page
    page.goto(f"{visitor.demo.origin}/point?lang=en")
    expect(page.get_by_role("heading", name="This page needs JavaScript")).to_be_visible()
    expect(page.locator("#stage-title")).to_be_hidden()
    page.goto(f"{visitor.demo.origin}/sign-in/staff?lang=en")
    expect(page.locator("noscript p")).to_be_visible()
    expect(page.locator("main button:visible")).to_have_count(0)


def test_a_narrow_screen_begins_with_the_instruction(visit: Callable[..., Any]) -> None:
    """At 320 pixels the first instruction stands above the tray, inside the first screenful."""
    visitor = visit("ja", size=(320, 640))
    at = "node => node.getBoundingClientRect()"
    title = visitor.page.locator("#stage-title").evaluate(at)
    assert title["bottom"] < 640
    assert title["bottom"] < visitor.page.locator("#tray").evaluate(at)["top"]


def test_switching_the_language_keeps_the_place(visit: Callable[..., Any]) -> None:
    """The screen stays, its words change, the focus stays on the switch, and the services are asked for again."""
    visitor = visit("ja")
    page = visitor.page
    visitor.insert("adult")
    page.click("[data-language=en]")
    expect(page.locator("#stage-title")).to_have_text("What would you like to do?")
    expect(page.locator("#stage [data-action=open]")).to_have_text("Show my account")
    expect(page.locator("[data-language=en]")).to_be_focused()
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.title() == "Service point – mykey"
    expect(page.locator("#point-title")).to_have_text("Central library desk")
    expect(page.locator("#municipality")).to_have_text("Mihon City")


def test_switching_the_language_rewords_an_answer(visit: Callable[..., Any]) -> None:
    """A refusal's buttons, a tap's answer and one within the visit follow the language; nothing is done twice."""
    visitor = visit("ja")
    page = visitor.page
    visitor.insert("former-name")
    visitor.choose("open")
    visitor.type_pin("1234")
    assert visitor.code() == "not_registered"
    page.click("[data-language=en]")
    expect(page.locator("#stage [data-action=link]")).to_have_text("Use this card as library card")
    visitor.leave()
    visitor.wait("ended")
    page.click("[data-language=ja]")
    page.get_by_role("button", name="はじめの画面へ").click()
    visitor.link("former-name", "1234", "10000017")
    page.click("[data-language=en]")
    expect(page.locator("#stage")).to_have_attribute("data-screen", "result")
    expect(page.locator("#stage-title")).to_have_text(re.compile("[a-z]"))
    expect(page.locator("#stage-title")).to_have_attribute("lang", "en")
    rows = page.locator("#stage table tbody tr").count() + 1
    page.fill("#field-barcode", "A1000003")
    page.keyboard.press("Enter")
    expect(page.locator("#stage table tbody tr")).to_have_count(rows)
    page.route("**/agent/v1/actions", lambda route: (page.fill("#field-barcode", "A10"), route.continue_())[1])
    page.click("[data-language=ja]")
    expect(page.locator("#stage-title")).to_have_attribute("lang", "ja")
    expect(page.locator("#field-barcode")).to_have_value("A10")  # typed before the answer came
    expect(page.locator("#field-barcode")).to_be_focused()
    expect(page.locator("#stage-title")).to_have_text(re.compile("[ぁ-ん]"))
    assert page.locator("#stage table tbody tr").count() == rows


def test_not_paired(visit: Callable[..., Any], draw: Any) -> None:
    """Without a code the page asks for one; a wrong one is refused, the right one opens the page."""
    visitor = visit(come=False)
    page = visitor.page
    page.goto(visitor.demo.origin + "/point?lang=en")
    visitor.wait("setup")
    draw(page, "not_paired")
    page.get_by_label("port").fill(visitor.demo.agent_port)
    page.get_by_role("button", name="Pair").click()
    expect(page.get_by_role("alert")).to_contain_text("Enter both")
    page.get_by_label("Pairing code").fill("WRONG-1")
    page.get_by_role("button", name="Pair").click()
    expect(page.locator(".notice--refused")).to_contain_text("The pairing code is wrong")
    expect(page.get_by_label("port")).to_have_value(visitor.demo.agent_port)
    page.get_by_label("Pairing code").fill(visitor.demo.announced()["pairing_code"])
    page.get_by_role("button", name="Pair").click()
    visitor.wait("idle")


def test_agent_missing_and_back(visit: Callable[..., Any], own_demo: Any, draw: Any) -> None:
    """When the agent stops, the page says so; when one runs again, it asks for the new pairing."""
    visitor = visit("en", at=own_demo)
    port = int(own_demo.agent_port)
    own_demo.agent.stop()
    visitor.wait("setup")
    expect(visitor.page.locator("#stage-title")).to_have_text("The terminal program is not running")
    draw(visitor.page, "agent_missing", languages=("ja", "en"))
    own_demo.agent = own_demo.start_agent(port)
    expect(visitor.page.locator("#stage-title")).to_have_text("This page must be paired with the terminal")
    visitor.page.get_by_label("Pairing code").fill(own_demo.announced()["pairing_code"])
    visitor.page.get_by_role("button", name="Pair").click()
    visitor.wait("idle")


def test_hub_unreachable_and_back(visit: Callable[..., Any], own_demo: Any, draw: Any) -> None:
    """When the hub is gone a tap says so without using up a PIN try; when it is back the next tap works."""
    visitor = visit("en", at=own_demo)
    visitor.insert("adult")
    visitor.choose("open")
    visitor.wait("pin")
    own_demo.hub.stop()
    visitor.type_pin("1234")
    assert visitor.code() == "hub_unreachable"
    draw(visitor.page, "hub_unreachable")
    own_demo.hub = own_demo.start_hub()
    visitor.page.get_by_role("button", name="Start again").click()
    visitor.choose("open")
    visitor.type_pin("1234")
    assert visitor.code() == "not_registered"
