"""The visits that the demo is made for, in Chromium, with the real hub, agent and emulated cards."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect

from mykey_testkit.canaries import gives_away

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def _lend(page: Page, barcode: str) -> None:
    page.check("#desk-lend")
    page.fill("#field-barcode", barcode)
    page.keyboard.press("Enter")


def test_link_lend_return(visit: Callable[..., Any]) -> None:
    """A card is linked with a patron number, an item is lent and returned within the same visit."""
    visitor = visit("en")
    page = visitor.page
    visitor.link("former-name", "1234", "10000017")
    assert visitor.screen == "result"
    _lend(page, "A1000001")
    expect(page.locator("#stage table")).to_contain_text("銀河鉄道の夜")
    expect(page.locator("#stage td[lang=ja]", has_text="銀河鉄道の夜")).to_be_visible()
    expect(page.locator("#field-barcode")).to_be_focused()
    page.check("#desk-return")
    page.fill("#field-barcode", "A1000001")
    page.keyboard.press("Enter")
    expect(page.locator("#stage-title")).not_to_contain_text("library card")
    page.click("#finish")
    visitor.wait("ended")
    expect(page.locator("#stage")).not_to_contain_text("10000017")


def test_the_end_of_a_visit_reaches_the_hub(visit: Callable[..., Any]) -> None:
    """When the visitor has finished, the page has the visit ended, so that the next person finds nothing open."""
    visitor = visit("en")
    visitor.link("former-name", "1234", "10000017")
    with visitor.page.expect_response(re.compile(r"/agent/v1/visits/")) as answer:
        visitor.page.click("#finish")
    assert (answer.value.request.method, answer.value.json()) == ("DELETE", {"ended": True})


def test_refused_item_keeps_the_visit(visit: Callable[..., Any]) -> None:
    """A barcode that nobody knows is refused with a reason, and the next item can be lent at once."""
    visitor = visit("en")
    page = visitor.page
    visitor.link("rare-name", "1234", "10000025")
    _lend(page, "A9999999")
    expect(page.locator("#stage")).to_have_attribute("data-tone", "refused")
    expect(page.locator(".message__todo")).to_be_visible()
    _lend(page, "A1000002")
    expect(page.locator("#stage table")).to_contain_text("坊っちゃん")


def test_under_the_hood(visit: Callable[..., Any]) -> None:
    """The pane shows the APDUs with masked PIN, each check with its verdict, and the audit record; it folds."""
    visitor = visit("en")
    page = visitor.page
    visitor.insert("generation-2")
    visitor.choose("open")
    visitor.type_pin("1234")
    assert visitor.code() == "not_registered"
    expect(page.locator(".checks__item--passed")).to_have_count(9)
    expect(page.locator(".checks__item--failed")).to_have_count(0)
    verify = page.locator(".trace__item", has_text="Present the PIN").locator("code").first
    assert verify.inner_text() == "00 20 00 80 04 ** ** ** **"
    expect(page.locator(".trace__item", has_text="Sign with the key")).to_contain_text("256 bytes")
    expect(page.locator(".audit")).to_contain_text("not_registered")
    page.click("#hood-toggle")
    expect(page.locator("#hood-content")).to_be_hidden()
    expect(page.locator("#hood-toggle")).to_have_attribute("aria-expanded", "false")
    expect(page.locator("#hood-toggle")).to_be_focused()


def test_a_hub_that_shows_no_evidence_says_so(own_demo: Any, visit: Callable[..., Any]) -> None:
    """After a refusal and after a success: not that nothing was checked or recorded, which would be false."""
    own_demo.hub.stop()
    settings = own_demo.town.config.read_text()
    own_demo.town.config.write_text(settings.replace("show_evidence = true", "show_evidence = false"))
    own_demo.hub = own_demo.start_hub()
    visitor = visit("en", at=own_demo)
    visitor.insert("adult")
    visitor.choose("open")
    visitor.type_pin("1234")
    assert visitor.code() == "not_registered"
    _kept_to_itself(visitor.page)
    visitor.leave()
    visitor.link("adult", "1234", "10000033")
    visitor.wait("result")
    _kept_to_itself(visitor.page)


def _kept_to_itself(page: Page) -> None:
    expect(page.locator(".hood__kept")).to_have_text(
        "This hub does not show its checks and its records on this screen."
    )
    expect(page.locator(".hood__section")).to_have_count(1)
    expect(page.locator(".trace__item").first).to_be_visible()


def test_pairing_by_hand(demo: Any, visit: Callable[..., Any]) -> None:
    """The port is there already and the cursor is on the code; a wrong code leaves the cursor there."""
    page = visit("en", come=False).page
    page.goto(f"{demo.origin}/point?lang=en#agent={demo.agent_port}")
    expect(page.locator("#pairing-code")).to_be_focused()
    expect(page.locator("#agent-port")).to_have_value(demo.agent_port)
    page.keyboard.type("WRONGONE")
    page.keyboard.press("Enter")
    expect(page.locator(".notice--refused")).to_be_visible()
    expect(page.locator("#pairing-code")).to_be_focused()
    page.keyboard.type(demo.announced()["pairing_code"])
    page.keyboard.press("Enter")
    page.locator("#stage[data-screen=idle], #stage[data-screen=choose]").wait_for()


def test_checks_after_a_failed_one_are_not_reached(visit: Callable[..., Any]) -> None:
    """The forged card fails at the path; the signature and the revocation are then not looked at."""
    visitor = visit("en")
    page = visitor.page
    visitor.insert("forged-ca")
    visitor.choose("open")
    visitor.type_pin("1234")
    assert visitor.code().startswith("issuer_")
    expect(page.locator(".checks__item--failed")).to_have_text(re.compile("Chain to a trusted authority"))
    assert page.locator(".checks__item--not_reached .checks__name").all_inner_texts() == [
        "Signature of the card",
        "Not revoked",
    ]


def test_pin_goes_to_the_agent_only(visit: Callable[..., Any]) -> None:
    """The PIN is in the body of one request to the agent, and nowhere else: no hub, no address, no storage, no page."""
    visitor = visit("ja")
    page = visitor.page
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request))  # noqa: PLW0108 - playwright marks its handlers
    visitor.insert("child")
    visitor.choose("open")
    visitor.type_pin("2345")
    visitor.wait("problem")
    holding = [request for request in sent if gives_away(request.url + (request.post_data or ""), "2345")]
    assert [request.url.rpartition("/agent/v1")[2] for request in holding] == ["/taps"]
    assert holding[0].url.startswith(visitor.demo.announced()["api"])
    stored = page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}, document.cookie])")
    assert not gives_away(stored, "2345")
    values = page.evaluate("[...document.querySelectorAll('input')].map((input) => input.value)")
    assert "2345" not in values


def test_invitation_leaves_no_trace(visit: Callable[..., Any]) -> None:
    """The pairing code is taken out of the address bar and the history at once."""
    visitor = visit("ja")
    assert visitor.page.url == f"{visitor.demo.origin}/point?lang=ja"
    assert "pair" not in json.dumps(visitor.page.evaluate("history.state"))


def test_reload_stays_paired(visit: Callable[..., Any]) -> None:
    """Within the tab a reload needs no new code; another tab has to be paired itself."""
    visitor = visit("ja")
    visitor.page.reload()
    visitor.wait("idle")
    other = visitor.page.context.new_page()
    other.goto(visitor.demo.origin + "/point")
    other.locator("#stage[data-screen=setup]").wait_for()


def test_dragging_a_card(visit: Callable[..., Any]) -> None:
    """A card can be dragged to the reader; dropped elsewhere it stays in the tray."""
    visitor = visit("ja")
    page = visitor.page
    card = page.locator("[data-card=adult]")
    card.drag_to(page.locator("#hood"))
    assert visitor.screen == "idle"
    card.drag_to(page.locator("#reader"))
    visitor.wait("choose")
    expect(card).to_have_attribute("aria-pressed", "true")


def test_shuffled_pad(visit: Callable[..., Any]) -> None:
    """The pad types what its keys say; shuffled, it has the same ten digits in another order."""
    visitor = visit("ja")
    page = visitor.page
    visitor.insert("adult")
    visitor.choose("open")
    visitor.wait("pin")
    keys = page.locator(".pad__key[data-digit]")
    orders = set()
    for _ in range(4):
        page.click("#pin-shuffle")
        order = keys.all_inner_texts()
        assert sorted(order) == list("0123456789")
        orders.add("".join(order))
    assert len(orders) > 1
    for digit in "90":
        page.click(f".pad__key[data-digit='{digit}']")
    page.keyboard.press("7")
    expect(page.locator("#pin")).to_have_value("907")
    page.click(".pad__key--word")
    expect(page.locator("#pin")).to_have_value("")


def test_return_without_a_card(visit: Callable[..., Any]) -> None:
    """An action that concerns nobody needs no card."""
    visitor = visit("en")
    page = visitor.page
    page.get_by_role("button", name="Return").click()
    visitor.wait("form")
    page.fill("#field-barcode", "A1000006")
    page.keyboard.press("Enter")
    visitor.wait("result")
    expect(page.locator(".message")).to_be_visible()
