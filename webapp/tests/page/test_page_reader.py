"""The service point with a real reader: pcscd, the virtual reader driver, `mykey terminal run`, Chromium.

What the reader itself can say, each in the three languages, judged by axe; and a whole visit without a tray.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from mykey_testkit.axe import violations
from mykey_testkit.pcsc import READERS, PrivatePcscd

pytestmark = [pytest.mark.browser, pytest.mark.pcsc, pytest.mark.xdist_group("browser")]
LANGUAGES = ("ja", "en", "ja-Hira")
HOLD = """
import sys
from mykey_cardap.pcsc import load_backend
from mykey_cardap.pcsc.winscard import Share
winscard = load_backend()
context = winscard.establish_context()
winscard.connect(context, sys.argv[1], Share.EXCLUSIVE)
print("held", flush=True)
sys.stdin.read()
"""
Visit = Callable[..., Any]


@pytest.fixture(scope="module")
def terminal(demo: Any, private_pcscd: PrivatePcscd, reader_terminal: Any) -> Iterator[Any]:
    """The terminal of the demo's service point, at a reader of PC/SC."""
    running = reader_terminal(demo, private_pcscd.socket)
    yield running
    running.child.stop()


@pytest.fixture
def readers(private_pcscd: PrivatePcscd) -> Iterator[PrivatePcscd]:
    """Both readers, empty before and after."""
    yield private_pcscd
    for slot in (0, 1):
        private_pcscd.remove(slot)


@pytest.fixture
def page(visit: Visit, terminal: Any, readers: PrivatePcscd) -> Page:
    """The page in front of an empty reader."""
    assert readers.socket.exists()
    shown: Page = visit(come=False).page
    shown.goto(terminal.address)
    _wait(shown, "idle")
    return shown


def _wait(page: Page, *screens: str) -> None:
    page.locator(", ".join(f"#stage[data-screen={screen}]" for screen in screens)).wait_for()


def _says(page: Page, code: str) -> None:
    """The refusal is shown in every language, with what to do, and axe finds nothing."""
    for language in LANGUAGES:
        page.click(f"[data-language={language}]")
        texts = page.evaluate(f"fetch('/point/texts/{language}.json').then((answer) => answer.json())")
        expect(page.locator("#stage-title")).to_have_text(texts[f"refusal.{code}.title"])
        expect(page.locator("#stage")).to_contain_text(texts[f"refusal.{code}.what_to_do"])
    assert violations(page) == []


def _choose(page: Page, action: str) -> None:
    _wait(page, "choose")
    page.click(f"#stage [data-action={action}]")


def _type(page: Page, pin: str) -> None:
    _wait(page, "pin")
    page.fill("#pin", pin)
    page.click("#pin-ok")


def test_a_visit_at_a_reader(page: Page, readers: PrivatePcscd, draw: Any) -> None:
    """Idle, card, PIN by the shuffled pad, answer, and everything gone when the card is taken out."""
    assert page.locator("#tray, #hood").locator("visible=true").count() == 0
    draw(page, "idle")
    readers.insert("old-juki")  # which no test of another file registers in this town
    _wait(page, "choose")
    draw(page, "choose")
    page.click("#stage [data-action=open]")
    _wait(page, "pin")
    draw(page, "pin")
    page.click("#pin-shuffle")
    draw(page, "pin-shuffled", languages=(page.evaluate("document.documentElement.lang"),))
    for digit in "1234":
        page.get_by_role("button", name=digit, exact=True).click()
    page.click("#pin-ok")
    _wait(page, "problem")
    _says(page, "not_registered")
    draw(page, "not_registered")
    page.click("#stage [data-action=link]")
    page.fill("#field-patron_number", "10000058")
    draw(page, "form")
    page.locator("#field-patron_number").press("Enter")
    _type(page, "1234")
    _wait(page, "result")
    assert violations(page) == []
    draw(page, "result")
    readers.remove()
    _wait(page, "ended")
    expect(page.locator("#stage")).not_to_contain_text("10000058")
    draw(page, "ended-removed")
    _wait(page, "idle")


def test_take_your_card(page: Page, readers: PrivatePcscd, draw: Any) -> None:
    """Finished with the card still in: the person is told to take it."""
    readers.insert("revoked")
    _choose(page, "open")
    _type(page, "1234")
    _wait(page, "problem")
    draw(page, "certificate_revoked")
    page.get_by_role("button", name="終わる", exact=True).or_(page.get_by_role("button", name="Finish")).first.click()
    _wait(page, "ended")
    expect(page.locator(".notice--warning")).to_be_visible()
    assert violations(page) == []
    draw(page, "ended-take-card")


@pytest.mark.parametrize(
    ("card", "code"),
    [
        ("held", "certificate_held"),
        ("expired", "certificate_expired"),
        ("other-town", "other_municipality"),
        ("forged-ca", "issuer_unknown"),
    ],
)
def test_cards_that_are_refused(page: Page, readers: PrivatePcscd, draw: Any, card: str, code: str) -> None:
    """What the hub says of a card at a real reader."""
    readers.insert(card)
    _choose(page, "open")
    _type(page, "1234")
    _wait(page, "problem")
    _says(page, code)
    draw(page, code)


def test_pins(page: Page, readers: PrivatePcscd, draw: Any) -> None:
    """A wrong PIN, the last try with its agreement, and a PIN that is blocked before anybody types."""
    readers.insert("long-name")
    _choose(page, "open")
    _type(page, "0000")
    expect(page.locator("#pin-notice")).to_be_visible()
    draw(page, "pin_wrong")
    readers.insert("last-try")
    _wait(page, "ended", "choose")
    _wait(page, "idle", "choose")
    _choose(page, "open")
    _wait(page, "pin")
    expect(page.locator("#last-try")).to_be_focused()
    assert violations(page) == []
    draw(page, "last-try")
    readers.insert("blocked-pin")
    _wait(page, "idle", "choose")
    _choose(page, "open")
    _wait(page, "problem")
    _says(page, "pin_blocked")
    draw(page, "pin_blocked")


def test_wrong_side(page: Page, readers: PrivatePcscd, draw: Any) -> None:
    """PC/SC feels a card that does not answer; turned over, it works."""
    readers.insert_silent()
    _wait(page, "setup")
    _says(page, "card_wrong_side")
    draw(page, "card_wrong_side")
    readers.insert("adult")
    _wait(page, "choose")


def test_two_cards(page: Page, readers: PrivatePcscd, draw: Any) -> None:
    """A card in each of two readers: nobody guesses which one is meant; one taken out, the visit begins."""
    readers.insert("adult", slot=0)
    readers.insert("child", slot=1)
    _wait(page, "setup")
    _says(page, "reader_choice")
    draw(page, "reader_choice")
    readers.remove(1)
    _wait(page, "choose")


def test_another_program_holds_the_card(page: Page, readers: PrivatePcscd, draw: Any) -> None:
    """A program with exclusive access: told as such, and over when it lets go."""
    readers.insert("adult")
    _wait(page, "choose")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, READERS[0]],
        env=readers.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    assert holder.stdout.readline() == b"held\n"
    page.click("#stage [data-action=open]")
    _wait(page, "problem")
    _says(page, "reader_busy")
    draw(page, "reader_busy")
    holder.stdin.close()
    assert holder.wait(10) == 0
    holder.stdout.close()
    page.locator(".buttons .button--primary").click()
    _choose(page, "open")
    _wait(page, "pin")


def test_no_reader(page: Page, readers: PrivatePcscd, draw: Any) -> None:
    """Pcscd stops under the running page: no reader; it starts again: the page goes on by itself."""
    readers.stop_service()
    try:
        _wait(page, "setup")
        _says(page, "no_reader")
        draw(page, "no_reader")
    finally:
        readers.start_service()
    _wait(page, "idle")


def test_exchanged_cards_are_two_visits(page: Page, readers: PrivatePcscd) -> None:
    """Two quick hands between two looks: the second card does not inherit the first one's screen."""
    readers.insert("adult")
    _choose(page, "open")
    _wait(page, "pin")
    page.route("**/agent/v1/status", lambda route: (time.sleep(2), route.continue_())[1], times=1)
    readers.insert("child")
    _wait(page, "ended", "choose", "idle")
