"""What axe finds wrong with a page that is open in a browser, and whether the page fits a small screen.

Needs playwright and axe-playwright-python, which the project's tests install; `mykey_testkit.accessibility` does not.
"""

from __future__ import annotations

from typing import Literal

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Error, Page, ViewportSize

_OPTIONS = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    },
    "resultTypes": ["violations"],
}
_RUN = """async (options) => (await axe.run(options)).violations.flatMap(
    ({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`))"""
"""Only what is told leaves the browser: the nodes that are in order would be most of the answer, and of the time."""
_OVERHANG = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_SMALL = ViewportSize(width=320, height=640)
"""WCAG 2.2, 1.4.10: 1,280 pixels at 400 %."""
_PATIENCE = 3
_SCHEMES: tuple[Literal["dark", "light"], ...] = ("dark", "light")
_SETTLED = """() => document.getAnimations().forEach((one) => one instanceof CSSTransition && one.finish())"""
"""A colour that is on its way from one scheme to the other is neither's."""
_MOVED = ("context was destroyed", "axe is not defined")


def violations(page: Page) -> list[str]:
    """What axe finds wrong with the page as it is, as `rule: element` lines; an empty list when nothing is found."""
    for attempt in range(_PATIENCE):
        page.wait_for_load_state()
        try:
            return _found(page)
        except Error as moved:  # the page went elsewhere meanwhile, as after a form
            if attempt + 1 == _PATIENCE or not any(said in str(moved) for said in _MOVED):
                raise
    message = "the page never stood still"
    raise AssertionError(message)


def violations_in_both_schemes(page: Page) -> list[str]:
    """The same for dark and for light, as `dark: rule: element` lines; the page that is open changes its colours."""
    lines: list[str] = []
    for scheme in _SCHEMES:
        page.emulate_media(color_scheme=scheme)
        page.evaluate(_SETTLED)
        lines += [f"{scheme}: {line}" for line in violations(page)]
    return lines


def overhang(page: Page) -> int:
    """By how many CSS pixels the page is wider than its window, so that it has to be scrolled sideways."""
    pixels: int = page.evaluate(_OVERHANG)
    return pixels


def violations_at_every_width(page: Page) -> list[str]:
    """The same, and a line more when the page has to be scrolled sideways on a screen of 320 pixels."""
    lines, size = violations(page), page.viewport_size
    page.set_viewport_size(_SMALL)
    lines += [] if overhang(page) == 0 else ["wider than 320 pixels"]
    if size is not None:
        page.set_viewport_size(size)
    return lines


def _found(page: Page) -> list[str]:
    """Axe's answer; a document gets axe once, however often it is looked at."""
    if page.evaluate("typeof axe === 'undefined'"):
        page.evaluate(AXE_SCRIPT)
    lines: list[str] = page.evaluate(_RUN, _OPTIONS)
    return lines
