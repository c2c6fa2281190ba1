"""The consent page in Chromium: its form leads, through the hub, to the plugin's own origin, and nowhere else."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import sync_playwright

from mykey_testkit.accessibility import faults_of
from mykey_testkit.browsers import citizen_client

pytestmark = pytest.mark.browser


def test_agreeing_leads_to_the_plugin(town: Any) -> None:
    """Browsers apply `form-action` to the redirect after a form as well; the page allows exactly this client."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed")
    client = citizen_client(town.hub, "adult")
    session = client._http.get_cookie(
        f"mykey-session-{town.hub.municipality}", domain=urlsplit(town.hub.origin).hostname
    )
    assert session is not None
    with ThreadPoolExecutor(1) as pool:  # another Playwright of this run may hold the main thread's event loop
        pool.submit(_agree, chromium, session.key, session.value, town).result()


def _agree(chromium: str, cookie: str, value: str, town: Any) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(locale="en")
        context.add_cookies([{"name": cookie, "value": value, "url": town.hub.origin}])
        page = context.new_page()
        page.goto(f"{town.plugin}/login")
        assert faults_of(page.content()) == []
        assert "Connect with Summer festival?" in page.title()
        policy = page.request.get(page.url).headers["content-security-policy"]
        assert f"form-action 'self' {town.plugin};" in policy
        page.get_by_role("button", name="Agree and connect").click()
        page.wait_for_url(f"{town.plugin}/callback*")
        assert '"claims"' in page.content()
        browser.close()
