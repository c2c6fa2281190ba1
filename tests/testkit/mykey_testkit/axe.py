"""What axe finds wrong with a page that is open in a browser, and whether the page fits a small screen.

Needs playwright and axe-playwright-python, which the project's tests install; `mykey_testkit.accessibility` does not.
"""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, Page, ViewportSize

_OPTIONS = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }
}
_OVERHANG = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_SMALL = ViewportSize(width=320, height=640)
"""WCAG 2.2, 1.4.10: 1,280 pixels at 400 %."""
_PATIENCE = 3


def violations(page: Page) -> list[str]:
    """What axe finds wrong with the page as it is, as `rule: element` lines; an empty list when nothing is found."""
    return [f"{one['id']}: {node['html'][:160]}" for one in _run(page) for node in one["nodes"]]


def violations_at_every_width(page: Page) -> list[str]:
    """The same, and a line more when the page has to be scrolled sideways on a screen of 320 pixels."""
    lines, size = violations(page), page.viewport_size
    page.set_viewport_size(_SMALL)
    lines += [] if page.evaluate(_OVERHANG) == 0 else ["wider than 320 pixels"]
    if size is not None:
        page.set_viewport_size(size)
    return lines


def _run(page: Page) -> list[dict[str, list[dict[str, str]]]]:
    """Axe's answer; asked again when the page went elsewhere meanwhile, as after a form."""
    for attempt in range(_PATIENCE):
        page.wait_for_load_state()
        try:
            found: list[dict[str, list[dict[str, str]]]] = Axe().run(page, options=_OPTIONS).response["violations"]
        except Error as moved:
            if attempt + 1 == _PATIENCE or "context was destroyed" not in str(moved):
                raise
        else:
            return found
    message = "the page never stood still"
    raise AssertionError(message)
