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

from mykey_testkit.axe import overhang
from mykey_testkit.axe import violations_at_every_width as violations
from mykey_web.demo import processes
from mykey_web.demo.clerks import ADMINISTRATOR, PIN

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PAGES = (
    "", "plugins", "plugins/library", "points", "points/new", "points/library-counter",
    "points/library-counter/close", "terminals", "members", "members/new",
    "members/kawabata", "members/kawabata/end", "trust", "campaigns", "campaigns/seniors-2026",
    "campaigns/seniors-2026/hold", "audit", "audit?event=terminal.", "jobs", "jobs/retry-all",
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
    page.goto(f"{visitor.demo.origin}/admin/points")
    page.get_by_role("button", name="Make an enrolment code").first.click()
    page.get_by_role("img", name="QR code with the enrolment code").wait_for()
    code = page.inner_text(".once code")
    assert violations(page) == []
    picture(page, "code-en")
    processes.enrol_terminal(visitor.demo.origin, code, visitor.demo.folder / "lost", visitor.demo.log)
    page.goto(f"{visitor.demo.origin}/admin/terminals")
    page.get_by_role("rowheader").get_by_role("link", name="lost").click()  # not the one in use
    page.get_by_role("heading", name="What it told last").wait_for()
    assert violations(page) == []
    picture(page, "terminal-en")
    page.get_by_role("link", name="Revoke").click()
    page.get_by_role("heading", name=re.compile("^Revoke the terminal")).wait_for()
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


def test_a_place_is_closed_and_opened_again(visit: Callable[..., Any], town_hall: Any) -> None:
    """It leaves the list, stands apart among the closed ones, and comes back when it is saved."""
    visitor = visit("ja", at=town_hall)
    page = come_in(visitor, "ja")
    page.goto(f"{visitor.demo.origin}/admin/points/new")
    page.fill("#field-name", "summer-stall")
    page.fill("#field-title-ja", "夏まつりの出張窓口")
    page.check("[value=library-desk]")
    page.get_by_role("button", name="保存").click()
    page.get_by_role("link", name="変更 – 夏まつりの出張窓口").click()
    page.get_by_role("link", name="この場所を閉じる").click()
    page.get_by_role("button", name="閉じる").click()
    expect(page.get_by_role("status")).to_contain_text("閉じました")
    expect(page.get_by_role("heading", name="夏まつりの出張窓口")).to_have_count(0)
    assert violations(page) == []
    picture(page, "points-after-ja")
    page.get_by_role("link", name="閉じた場所").click()
    assert violations(page) == []
    picture(page, "points-closed-ja")
    page.get_by_role("link", name="また開く – 夏まつりの出張窓口").click()
    expect(page.locator(".notice")).to_contain_text("に閉じました")
    assert violations(page) == []
    picture(page, "point-reopen-ja")
    page.get_by_role("button", name="また開く").click()
    expect(page.get_by_role("heading", name="夏まつりの出張窓口")).to_be_visible()


def test_a_change_is_undone_and_a_plugin_is_turned_off_knowingly(visit: Callable[..., Any], town_hall: Any) -> None:
    """The difference of undoing is shown before it is written; turning a plugin off says what that does."""
    visitor = visit("en", at=town_hall)
    page = come_in(visitor, "en")
    page.goto(f"{visitor.demo.origin}/admin/settings/counter.approval_hours")
    page.fill("#field-value", "9")
    page.get_by_role("button", name="Show what would change").click()
    page.get_by_role("button", name="Write this").click()
    page.wait_for_url("**/admin/settings")
    page.get_by_role("link", name=re.compile("^Undo – counter.approval_hours")).first.click()
    expect(page.locator(".difference__went")).to_contain_text("approval_hours = 9")
    assert violations(page) == []
    picture(page, "undo-en")
    page.get_by_role("button", name="Write this").click()
    page.wait_for_url("**/admin/settings")
    page.goto(f"{visitor.demo.origin}/admin/plugins/library")
    page.uncheck("[name=enabled]")
    page.get_by_role("button", name="Show what would change").click()
    expect(page.locator(".notice--warning")).to_contain_text("This turns the plugin off")
    assert violations(page) == []
    picture(page, "plugin-off-en")
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_role("checkbox", name="Use this plugin")).to_be_checked()


def test_the_session_ends_with_the_card(visit: Callable[..., Any], town_hall: Any) -> None:
    """Taking the administrator's card out of the reader signs out, and the page is behind the door again."""
    visitor = visit("en", at=town_hall)
    page = come_in(visitor, "en")
    page.evaluate(
        """async () => {
          const { Agent } = await import("/static/point/agent.js");
          const { rememberedAgent, pairingToken } = await import("/static/point/session.js");
          await new Agent(rememberedAgent(), pairingToken(), () => "en").insert(null);
        }"""
    )
    page.wait_for_url(lambda address: urlsplit(address).path.startswith("/sign-in"), timeout=15_000)
    page.goto(f"{visitor.demo.origin}/admin/")
    assert urlsplit(page.url).path.startswith("/sign-in")


def test_the_report_of_a_search_on_paper(visit: Callable[..., Any], town_hall: Any) -> None:
    """Printed are what was looked for, by whom and when, and every fact; no form, no navigation, nothing cut off."""
    visitor = visit("en", at=town_hall)
    page = come_in(visitor, "en")
    page.goto(f"{visitor.demo.origin}/admin/audit?event=terminal.")
    page.emulate_media(media="print")
    expect(page.locator(".print-only")).to_contain_text("by staff:hasumi")
    expect(page.locator("#field-event")).to_be_hidden()
    expect(page.locator("nav.navigation")).to_be_hidden()
    expect(page.get_by_text("Central library desk").first).to_be_visible()
    assert overhang(page) <= 0
    assert page.pdf(format="A4", prefer_css_page_size=True).startswith(b"%PDF")
