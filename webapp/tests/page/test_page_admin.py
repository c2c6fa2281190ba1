"""Administration in Chromium: the administrator's card opens it; every page with axe, at 320 px, and by keyboard."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from mykey_testkit.axe import violations_at_every_width as violations
from mykey_web.demo import processes
from mykey_web.demo.clerks import ADMINISTRATOR, PIN

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PAGES = (
    "", "plugins", "plugins/library", "terminals", "points/new", "points/library-counter", "members", "members/new",
    "members/kawabata", "trust", "campaigns", "campaigns/seniors-2026", "audit", "audit?event=terminal.", "jobs",
    "settings", "settings/sessions.staff_hours", "settings/jobs.in_server", "no-such-page",
)  # fmt: skip


def come_in(visitor: Any, language: str) -> Page:
    """The administrator's card, from the door of the administration to its first page."""
    folder = visitor.demo.town.config.parent / "campaigns" / "seniors-2026"
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        run = ["campaign", "run", "--simulate", "30", "--workers", "1", "--out", str(folder)]
        assert processes.run([*run, "--language", "ja"], visitor.demo.log) == 0
    page: Page = visitor.page
    page.goto(f"{visitor.demo.origin}/admin/?lang={language}")
    page.locator(f"[data-card={ADMINISTRATOR}], #take-out").first.wait_for()
    if page.locator("#take-out").count():
        page.click("#take-out")
    page.click(f"[data-card={ADMINISTRATOR}]")
    page.fill("#pin", PIN)
    page.click("#pin-ok")
    page.wait_for_url(lambda address: urlsplit(address).path == "/admin/")
    return page


def picture(page: Page, name: str) -> None:
    """Keep a picture where MYKEY_PICTURES names a folder."""
    folder = os.environ.get("MYKEY_PICTURES")
    if folder:
        page.screenshot(path=Path(folder) / f"admin-{name}.png", full_page=True)


@pytest.mark.parametrize(("language", "scheme"), [("ja", "light"), ("en", "dark")])
def test_axe_on_every_admin_page(visit: Callable[..., Any], town_hall: Any, language: str, scheme: str) -> None:
    """No violation on any page, none wider than a telephone, and no key without wording."""
    visitor = visit(language, at=town_hall, color_scheme=scheme)
    page = come_in(visitor, language)
    found: dict[str, list[str]] = {}
    for name in PAGES:
        page.goto(f"{visitor.demo.origin}/admin/{name}")
        assert page.locator("nav.navigation").count() == (name != "no-such-page"), f"{name}: not the page"
        found[name] = violations(page)
        picture(page, f"{re.sub(r'[^a-z0-9]+', '-', name or 'home')}-{language}")
        bare = re.search(r"(^|\n)\s*(admin|check|setting)\.[a-z_.]+\s*($|\n)", page.inner_text("body"))
        found[name] += [bare[0]] if bare else []
    assert found == {name: [] for name in PAGES}


def test_a_setting_by_keyboard(visit: Callable[..., Any], town_hall: Any) -> None:
    """Type a value, see the difference, write it: with the keyboard alone; the history tells it."""
    visitor = visit("en", at=town_hall)
    page = come_in(visitor, "en")
    page.goto(f"{visitor.demo.origin}/admin/settings/counter.case_minutes")
    page.focus("#field-value")
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("20")
    page.keyboard.press("Enter")
    expect(page.locator(".difference")).to_contain_text("+case_minutes = 20")
    assert violations(page) == []
    picture(page, "setting-difference-en")
    for _ in range(60):
        if page.evaluate("document.activeElement.textContent").strip() == "Write this":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/settings")
    expect(page.get_by_role("status")).to_contain_text("Written")
    expect(page.locator(".timeline code").first).to_have_text("counter.case_minutes")
    assert violations(page) == []


def test_a_lost_terminal_by_its_page(visit: Callable[..., Any], town_hall: Any) -> None:
    """Enrol a second terminal by the code on the page, lose it, revoke it; its state says so."""
    visitor = visit("en", at=town_hall)
    page = come_in(visitor, "en")
    page.goto(f"{visitor.demo.origin}/admin/terminals")
    page.get_by_role("button", name="Make an enrolment code").first.click()
    code = page.inner_text(".once code")
    assert violations(page) == []
    processes.enrol_terminal(visitor.demo.origin, code, visitor.demo.folder / "lost", visitor.demo.log)
    page.goto(f"{visitor.demo.origin}/admin/terminals")
    page.get_by_role("link", name=re.compile("^Revoke –")).last.click()
    assert violations(page) == []
    picture(page, "revoke-en")
    page.get_by_role("button", name="Revoke it now").click()
    page.wait_for_url("**/admin/terminals")
    expect(page.locator(".tag--wrong")).to_have_text("Revoked")
    expect(page.get_by_role("status")).to_contain_text("revoked")


def test_the_log_is_verified_from_a_kept_checkpoint(visit: Callable[..., Any], town_hall: Any) -> None:
    """Keep the checkpoint, come back with it, and the page says that the log is intact."""
    visitor = visit("en", at=town_hall)
    page = come_in(visitor, "en")
    page.goto(f"{visitor.demo.origin}/admin/audit")
    for _ in range(20):
        if page.get_by_role("link", name="Keep the checkpoint").count():
            break
        page.wait_for_timeout(500)
        page.reload()
    with page.expect_download() as kept:
        page.get_by_role("link", name="Keep the checkpoint").click()
    page.fill("#field-checkpoint", Path(kept.value.path()).read_text())
    page.get_by_role("button", name="Verify the whole log").click()
    expect(page.locator(".notice--success")).to_contain_text("Intact")
    expect(page.get_by_text("A checkpoint kept elsewhere finds more")).to_have_count(0)
    assert violations(page) == []
