"""Waiting for something in a page that is open in a browser."""

from __future__ import annotations

import time

from playwright.sync_api import Page

_STEP_MS = 50


def until(page: Page, expression: str, seconds: float = 20) -> None:
    """Wait until `expression` (JavaScript) is true in the page; `TimeoutError` otherwise.

    Not with Playwright's `wait_for_function`: from the second look on it calls `eval` within the page, which our
    content security policy refuses, so that it works only where there was nothing to wait for.
    """
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        if time.monotonic() > end:
            raise TimeoutError(expression)
        page.wait_for_timeout(_STEP_MS)
