"""The self-check machine of the library in Chromium: tap, items, reasons for a refusal, receipt, end."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from mykey_testkit.axe import violations
from mykey_web.demo import processes

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
LANGUAGES = ("ja", "en", "ja-Hira")
NO_PRINTER = "window.print = () => { top.printed = true; };"
"""Headless Chromium has no printer, and its dialogue would stand in the way of the tests."""
REASONS = {
    "ja": ("禁帯出", "登録にありません", "もう借りています"),
    "en": ("use in the library only", "not in the register", "already have"),
    "ja-Hira": ("としょかんの なかで", "みつかりません", "もう かりて"),
}


def come_in(visitor: Any, card: str, patron: str) -> Page:
    """Tap, and register the card where this is its first visit; the account is shown."""
    visitor.insert(card)
    visitor.choose("open")
    visitor.type_pin("1234")
    visitor.page.locator("#stage[data-screen=result], #stage[data-screen=problem]").wait_for()
    if visitor.screen == "problem":
        visitor.choose("link")
        visitor.page.fill("#field-patron_number", patron)
        visitor.page.keyboard.press("Enter")
        visitor.type_pin("1234")
        visitor.wait("result")
    page: Page = visitor.page
    return page


def scan(page: Page, action: str, barcode: str) -> None:
    """The scanner types a barcode and Enter; the answer is there when the machine is ready for the next item."""
    page.check(f"#desk-{action}")
    page.fill("#field-barcode", barcode)
    with page.expect_response("**/agent/v1/actions"):
        page.keyboard.press("Enter")
    page.locator("#stage[data-screen=result]").wait_for()


@pytest.mark.parametrize("language", LANGUAGES)
def test_two_loans_a_receipt_and_the_end(
    visit: Callable[..., Any], self_check: Any, language: str, tmp_path: Path
) -> None:
    """A whole visit: two items by scanner, the receipt as PDF, both returned, nothing left of it on the screen."""
    visitor = visit(language, at=self_check)
    visitor.page.add_init_script(NO_PRINTER)
    visitor.page.reload()
    visitor.wait("idle")
    page = come_in(visitor, "adult", "10000017")
    scan(page, "lend", "A1000003")
    expect(page.locator("#field-barcode")).to_be_focused()
    scan(page, "lend", "A1000004")
    expect(page.locator("#stage table")).to_contain_text("走れメロス")
    expect(page.locator("#stage table")).to_contain_text("羅生門")
    assert violations(page) == []
    with page.expect_response("**/agent/v1/receipts") as answered:
        page.click("#receipt-print")
    (tmp_path / "receipt.pdf").write_bytes(base64.b64decode(answered.value.json()["pdf"]))
    done = subprocess.run(["pdftotext", "-layout", str(tmp_path / "receipt.pdf"), "-"], capture_output=True, check=True)
    paper = re.sub(r"\s", "", done.stdout.decode())
    assert "走れメロス" in paper
    assert "A1000004" in paper
    for barcode in ("A1000003", "A1000004"):
        scan(page, "return", barcode)
    page.click("#finish")
    visitor.wait("ended")
    expect(page.locator("body")).not_to_contain_text("走れメロス")
    expect(page.locator("body")).not_to_contain_text("10000017")


def test_every_refusal_says_why_in_every_language(visit: Callable[..., Any], self_check: Any) -> None:
    """Reference book, unknown barcode, an item that one has: title, reason and advice follow the language switch."""
    visitor = visit("ja", at=self_check)
    page = come_in(visitor, "long-name", "10000025")
    scan(page, "lend", "A1000005")
    seen = {}
    for place, barcode in enumerate(("A1000037", "A9999999", "A1000005")):
        scan(page, "lend", barcode)
        expect(page.locator("#stage")).to_have_attribute("data-tone", "refused")
        for language in LANGUAGES:
            page.click(f"[data-language={language}]")
            message = page.locator("#stage")
            expect(message).to_contain_text(REASONS[language][place])
            expect(page.locator(".message__todo")).to_be_visible()
            expect(page.locator("#stage table")).to_contain_text("たけくらべ")
            seen[place, language] = page.locator("#stage-title").inner_text()
            assert violations(page) == []
        page.click("[data-language=ja]")
    assert len(set(seen.values())) == 9
    scan(page, "return", "A1000005")
    expect(page.locator("#stage")).to_have_attribute("data-tone", "success")
    page.click("#finish")


def test_by_keyboard_and_scanner_alone(visit: Callable[..., Any], self_check: Any) -> None:
    """From the card to the end without a mouse; after each item the focus waits for the next scan."""
    visitor = visit("ja", at=self_check)
    page = come_in(visitor, "adult", "10000017")
    scan(page, "lend", "A1000008")
    for barcode in ("A1000010", "A1000012"):
        expect(page.locator("#field-barcode")).to_be_focused()
        page.keyboard.type(barcode)
        with page.expect_response("**/agent/v1/actions"):
            page.keyboard.press("Enter")
        expect(page.locator("#stage table")).to_contain_text(barcode)
    scan(page, "return", "A1000008")
    for barcode in ("A1000010", "A1000012"):
        expect(page.locator("#field-barcode")).to_be_focused()
        page.keyboard.type(barcode)
        with page.expect_response("**/agent/v1/actions"):
            page.keyboard.press("Enter")
    finish = page.locator("#finish")
    for _ in range(40):
        if finish.evaluate("node => node === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    visitor.wait("ended")


def test_a_return_while_the_hub_is_away(visit: Callable[..., Any], own_demo: Any) -> None:
    """The terminal notes it, says so in every language, and the loan is over as soon as the hub is back."""
    own_demo.agent.stop()
    arguments = ["terminal", "run", "--point", "library-counter", "--state", str(own_demo.state), "--virtual"]
    own_demo.agent = processes.Child([*arguments, "--port", "0"], own_demo.log)
    own_demo.ready.write_text(json.dumps(own_demo.agent.announcement), encoding="utf-8")
    visitor = visit("ja", at=own_demo)
    page = come_in(visitor, "adult", "10000017")
    scan(page, "lend", "A1000003")
    page.click("#finish")
    visitor.leave()
    visitor.wait("ended")
    page.get_by_role("button", name="はじめの画面へ").click()
    visitor.wait("idle")
    own_demo.hub.stop()
    page.locator("#stage button", has_text="返却").click()
    page.fill("#field-barcode", "A1000003")
    page.keyboard.press("Enter")
    visitor.wait("result")
    titles = {"ja": "記録しました", "en": "Noted, not sent yet", "ja-Hira": "きろくしました"}
    for language in LANGUAGES:
        page.click(f"[data-language={language}]")
        expect(page.locator("#stage-title")).to_contain_text(titles[language])
        expect(page.locator("#stage")).to_contain_text("A1000003")
        assert violations(page) == []
    own_demo.hub = own_demo.start_hub()
    until = time.monotonic() + 90
    while (found := _loans(own_demo)) and time.monotonic() < until:
        time.sleep(0.5)
    assert found == []


def _loans(demo: Any) -> list[str]:
    database = sqlite3.connect(f"file:{demo.town.config.parent / 'hub.sqlite3'}?mode=ro", uri=True)
    try:
        return [row[0] for row in database.execute("SELECT barcode FROM library_loan")]
    finally:
        database.close()


def test_taking_the_card_out_ends_the_session(visit: Callable[..., Any], self_check: Any) -> None:
    """The screen is wiped at once, and the hub lends nothing more within that visit."""
    visitor = visit("ja", at=self_check)
    page = come_in(visitor, "adult", "10000017")
    expect(page.locator("#stage")).to_contain_text("10000017")
    with page.expect_response(re.compile(r"/agent/v1/visits/")):
        visitor.leave()
    visitor.wait("ended")
    expect(page.locator("body")).not_to_contain_text("10000017")
