"""The page for everybody: judged by axe, by the keyboard alone, at large type, on small screens and on paper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from mykey_testkit.axe import overhang, violations, violations_in_both_schemes

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_axe_finds_what_is_broken_on_purpose(visit: Callable[..., Any]) -> None:
    """The judge judges: a label taken away is found."""
    page = visit("ja").page
    page.evaluate("document.getElementById('tray-cards').innerHTML = '<button></button>'")
    assert any("button-name" in line for line in violations(page))


def test_axe_finds_what_is_wrong_in_the_dark(visit: Callable[..., Any]) -> None:
    """Words that only the dark scheme hides are found there, on the page that was loaded in the light."""
    page = visit("ja").page
    page.evaluate(
        """() => {
          const sheet = new CSSStyleSheet();
          sheet.replaceSync("@media (prefers-color-scheme: dark) { #stage-title { color: #222 !important } }");
          document.adoptedStyleSheets = [sheet];
        }"""
    )
    found = violations_in_both_schemes(page)
    assert [line.partition(": <")[0] for line in found] == ["dark: color-contrast"]


@pytest.mark.parametrize("language", ["ja", "en", "ja-Hira"])
def test_axe_on_every_screen(visit: Callable[..., Any], language: str) -> None:
    """No violation on the screens of a first visit, in each language, light and dark."""
    visitor = visit(language)
    page = visitor.page
    found = {"idle": violations(page)}
    visitor.insert("adult")
    found["choose"] = violations_in_both_schemes(page)
    visitor.choose("link")
    visitor.wait("form")
    page.keyboard.press("Enter")
    found["form"] = violations_in_both_schemes(page)
    page.fill("#field-patron_number", "10000033")
    page.keyboard.press("Enter")
    visitor.wait("pin")
    found["pin"] = violations_in_both_schemes(page)
    visitor.type_pin("1234")
    page.locator("#stage[data-screen=result], #stage[data-screen=problem]").wait_for()
    found["answer"] = violations_in_both_schemes(page)
    if visitor.screen == "result":
        page.click("#finish")
    found["end"] = violations_in_both_schemes(page)
    assert found == {screen: [] for screen in found}


def test_axe_on_refusals_and_setup(visit: Callable[..., Any]) -> None:
    visitor = visit("ja")
    page = visitor.page
    visitor.insert("revoked")
    visitor.choose("open")
    visitor.type_pin("1234")
    visitor.wait("problem")
    assert violations(page) == []
    visitor.leave()
    visitor.wait("ended")
    page.get_by_role("button", name="はじめの画面へ").click()
    visitor.wait("idle")
    visitor.insert("last-try")
    visitor.choose("open")
    visitor.wait("pin")
    assert violations(page) == []
    visitor.leave()
    visitor.wait("ended")
    page.evaluate("sessionStorage.clear()")
    page.goto(visitor.demo.origin + "/point")
    visitor.wait("setup")
    assert violations(page) == []


def _tab_to(page: Page, selector: str) -> None:
    """Press Tab until the focus is there, as somebody without a mouse does."""
    for _ in range(80):
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab does not reach {selector}")


def test_keyboard_alone(visit: Callable[..., Any]) -> None:
    """From the address to the refusal and out again without a mouse, with a visible focus all the way."""
    visitor = visit("en")
    page = visitor.page
    _tab_to(page, "[data-card=other-town]")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert outline == "3px"
    page.keyboard.press("Enter")
    visitor.wait("choose")
    expect(page.locator("[data-card=other-town]")).not_to_be_focused()
    _tab_to(page, "#stage [data-action=open]")
    page.keyboard.press("Enter")
    visitor.wait("pin")
    expect(page.locator("#pin")).to_be_focused()
    page.keyboard.type("1234")
    page.keyboard.press("Enter")
    assert visitor.code() == "other_municipality"
    expect(page.locator("#stage-title")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    visitor.wait("choose")
    _tab_to(page, "#take-out")
    page.keyboard.press("Enter")
    visitor.wait("idle")


def _too_wide(page: Page) -> list[int]:
    """The widths of screens at which this page has to be scrolled sideways."""
    found = []
    for width, height in ((320, 640), (640, 400), (768, 1024), (1280, 800)):
        page.set_viewport_size({"width": width, "height": height})
        if overhang(page):
            found.append(width)
    return found


@pytest.mark.parametrize("language", ["ja", "en", "ja-Hira"])
def test_nothing_is_cut_off(visit: Callable[..., Any], language: str) -> None:
    """No sideways scrolling down to 320 CSS pixels, which is also 1280 pixels at 400 % (WCAG 1.4.10)."""
    visitor = visit(language, size=(320, 640))
    page = visitor.page
    found = {"idle": _too_wide(page)}
    visitor.insert("adult")
    found["choose"] = _too_wide(page)
    visitor.choose("open")
    visitor.wait("pin")
    found["pin"] = _too_wide(page)
    visitor.type_pin("1234")
    page.locator("#stage[data-screen=result], #stage[data-screen=problem]").wait_for()
    found["answer"] = _too_wide(page)
    assert found == {screen: [] for screen in found}


def test_large_type(visit: Callable[..., Any]) -> None:
    """Text at 200 % (WCAG 1.4.4) grows with the reader's setting and stays on the page."""
    page = visit("ja").page
    before = page.evaluate("document.getElementById('stage-title').getBoundingClientRect().height")
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate("document.getElementById('stage-title').getBoundingClientRect().height") >= 1.9 * before
    assert overhang(page) == 0


def test_large_targets(visit: Callable[..., Any]) -> None:
    """What fingers press is at least 44 CSS pixels high (WCAG 2.5.5)."""
    visitor = visit("ja")
    visitor.insert("adult")
    visitor.choose("open")
    visitor.wait("pin")
    heights = visitor.page.evaluate(
        "[...document.querySelectorAll('button, summary')].filter((one) => one.checkVisibility())"
        ".map((one) => one.getBoundingClientRect().height)"
    )
    assert len(heights) > 20
    assert min(heights) >= 44


def test_no_motion_when_unwanted(visit: Callable[..., Any]) -> None:
    page = visit("ja", reduced_motion="reduce").page
    names = page.evaluate(
        """() => {
          const bar = document.createElement('span');
          bar.className = 'progress__bar';
          document.getElementById('stage').append(bar);
          const card = getComputedStyle(document.querySelector('.card'));
          return [getComputedStyle(bar).animationName, card.transitionDuration];
        }"""
    )
    assert names == ["none", "0s"]


def test_paper_shows_the_answer_only(visit: Callable[..., Any]) -> None:
    visitor = visit("en")
    page = visitor.page
    visitor.insert("revoked")
    visitor.choose("open")
    visitor.type_pin("1234")
    visitor.wait("problem")
    page.emulate_media(media="print")
    expect(page.locator(".message")).to_be_visible()
    for hidden in ("#tray", "#reader", "#hood", "#stage .buttons"):
        expect(page.locator(hidden)).to_be_hidden()
