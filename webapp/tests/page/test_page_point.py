"""The states of reader and terminal on the page of the service point, and the receipt: each from the real agent."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from playwright.sync_api import Page, Playwright, expect

from mykey_terminal.enrolment import StateDirectory
from mykey_testkit.axe import violations
from mykey_testkit.canaries import gives_away
from mykey_testkit.waiting import until
from mykey_web.cli import hub as hub_command
from mykey_web.demo import processes

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
LANGUAGES = ("ja", "en", "ja-Hira")
NO_PRINTER = "window.print = () => { top.printed = true; };"
"""Headless Chromium has no printer: its dialogue holds the page up, and has made it crash."""


def words(page: Page, language: str) -> dict[str, str]:
    """The catalogue as the browser gets it."""
    found: dict[str, str] = page.evaluate(f"fetch('/point/texts/{language}.json').then((answer) => answer.json())")
    return found


def says(page: Page, code: str) -> None:
    """The page shows this refusal in every language, whole, and axe finds nothing."""
    for language in LANGUAGES:
        page.click(f"[data-language={language}]")
        texts = words(page, language)
        expect(page.locator("#stage-title")).to_have_text(texts[f"refusal.{code}.title"])
        expect(page.locator("#stage")).to_contain_text(texts[f"refusal.{code}.what_to_do"])
        assert violations(page) == []


def test_a_service_that_is_closed(visit: Callable[..., Any], own_demo: Any, draw: Any) -> None:
    """The town switches the plugin off while somebody types the PIN: the page says that the service is closed."""
    visitor = visit("en", at=own_demo)
    page = visitor.page
    visitor.insert("adult")
    visitor.choose("open")
    visitor.wait("pin")
    plugins = own_demo.town.config.parent / "plugins.toml"
    plugins.write_text(
        plugins.read_text(encoding="utf-8").replace("enabled = true", "enabled = false"), encoding="utf-8"
    )
    own_demo.hub.stop()
    own_demo.hub = own_demo.start_hub()
    visitor.type_pin("1234")
    assert visitor.code() == "service_unavailable"
    says(page, "service_unavailable")
    draw(page, "service_unavailable")


def test_a_revoked_terminal(visit: Callable[..., Any], own_demo: Any, draw: Any) -> None:
    """A terminal that the administrator shut out says so instead of asking for a PIN in vain."""
    visitor = visit("en", at=own_demo)
    identity = StateDirectory(own_demo.state).load()[0].terminal_id
    result = CliRunner().invoke(hub_command, ["revoke-terminal", "--config", str(own_demo.town.config), identity])
    assert result.exit_code == 0, result.output
    visitor.page.wait_for_timeout(2_500)
    visitor.insert("adult")
    visitor.choose("open")
    visitor.type_pin("1234")
    says(visitor.page, visitor.code())
    draw(visitor.page, "terminal_not_accepted")


def test_the_receipt(visit: Callable[..., Any], tmp_path: Path) -> None:
    """The PDF holds what the screen shows, in Japanese, and nothing of it stays when the visit ends."""
    visitor = visit("ja", come=False)
    page = visitor.page
    page.add_init_script(NO_PRINTER)
    visitor.come("ja")
    visitor.registered()
    visitor.insert("adult")
    visitor.choose("open")
    visitor.type_pin("1234")
    visitor.wait("result")
    title = page.locator("#stage-title").inner_text()
    with page.expect_response("**/agent/v1/receipts") as answered:
        page.click("#receipt-print")
    pdf = base64.b64decode(answered.value.json()["pdf"])
    (tmp_path / "receipt.pdf").write_bytes(pdf)
    done = subprocess.run(["pdftotext", "-layout", str(tmp_path / "receipt.pdf"), "-"], capture_output=True, check=True)
    text = re.sub(r"\s", "", done.stdout.decode())
    assert re.sub(r"\s", "", title) in text
    assert "みほん市" in text
    assert page.locator("#receipt").count() == 1
    until(page, "window.printed")
    page.click("#finish")
    visitor.wait("ended")
    assert page.locator("#receipt").count() == 0


def test_the_pin_never_leaves_this_computer(visit: Callable[..., Any]) -> None:
    """Of all requests of a visit only the one to the loopback agent holds the PIN, and no log does."""
    visitor = visit("ja")
    page = visitor.page
    seen: list[tuple[str, str]] = []
    page.on("request", lambda request: seen.append((request.url, request.post_data or "")))
    visitor.insert("adult")
    visitor.choose("open")
    visitor.wait("pin")
    page.click("#pin-shuffle")
    for digit in "1234":
        page.get_by_role("button", name=digit, exact=True).click()
    page.click("#pin-ok")
    page.locator("#stage[data-screen=result], #stage[data-screen=problem]").wait_for()
    with_pin = [url for url, body in seen if gives_away(body + url, "1234")]
    assert len(with_pin) == 1
    assert with_pin[0].startswith("http://127.0.0.1:")
    assert with_pin[0].endswith("/agent/v1/taps")
    assert not gives_away(visitor.demo.log.read_text(encoding="utf-8"), "1234")
    assert json.loads(next(body for url, body in seen if url == with_pin[0]))["pin"] == "1234"


def test_a_visit_by_keyboard_alone(visit: Callable[..., Any]) -> None:
    """From the card to the end with Tab and Enter: every step can be reached and is where the focus goes."""
    visitor = visit("ja")
    page = visitor.page
    visitor.insert("adult")
    expect(page.locator("#stage-title")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    visitor.wait("pin")
    expect(page.locator("#pin")).to_be_focused()
    page.keyboard.type("1234")
    page.keyboard.press("Enter")
    page.locator("#stage[data-screen=result], #stage[data-screen=problem]").wait_for()
    finish = page.get_by_role("button", name=words(page, "ja")["page.finish"], exact=True)
    for _ in range(30):
        if finish.evaluate("node => node === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    visitor.wait("ended")


# -- a managed browser: the shipped policy template, in a mount namespace of its own ----------------------------

POLICY = Path(__file__).resolve().parents[3] / "packaging" / "browser" / "mykey-policy.json"


def _managed_chromium(folder: Path, chromium: str, policy: dict[str, Any]) -> Path:
    """A program that starts Chromium with this policy, seen by nobody else on the computer."""
    managed = folder / "etc-chromium" / "policies" / "managed"
    managed.mkdir(parents=True)
    (managed / "mykey.json").write_text(json.dumps(policy), encoding="utf-8")
    program = folder / "managed-chromium"
    mount = f"mount --make-rprivate / && mount --bind {folder / 'etc-chromium'} /etc/chromium"
    program.write_text(f'#!/bin/sh\nexec unshare -m sh -c \'{mount} && exec {chromium} "$@"\' sh "$@"\n')
    program.chmod(0o755)
    return program


@pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace of its own needs root")
@pytest.mark.parametrize("granted", ["granted", ""])
def test_the_policy_template_lets_a_public_hub_reach_the_agent(
    playwright_session: Playwright, chromium: str, chromium_flags: list[str], demo: Any, tmp_path: Path, granted: str
) -> None:
    """With the shipped template the page of a public hub works without a question; for another hub it is refused."""
    origin = f"http://localhost:{demo.port}"
    named = origin if granted else "https://another.example.jp"
    policy = json.loads(POLICY.read_text(encoding="utf-8").replace("https://hub.example.jp", named))
    policy["URLAllowlist"] += ["about:blank", origin]  # the test's own way in
    for forbidding_tests in ("IncognitoModeAvailability", "DeveloperToolsAvailability"):
        del policy[forbidding_tests]
    point = str(StateDirectory(demo.state).load()[0].service_point["name"])
    arguments = ["terminal", "run", "--point", point, "--state", str(demo.state), "--port", "0", "--virtual"]
    agent = processes.Child([*arguments, "--allow-origin", origin], demo.log)
    browser = playwright_session.chromium.launch(
        executable_path=_managed_chromium(tmp_path, chromium, policy),
        args=[
            *chromium_flags,
            "--host-resolver-rules=MAP localhost 127.0.0.1",
            f"--ip-address-space-overrides=127.0.0.1:{demo.port}=public",
        ],
    )
    try:
        page = browser.new_page()
        port = agent.announcement["address"].rsplit(":", 1)[1]
        page.goto(f"{origin}/point?lang=en#agent={port}&pair={agent.announcement['pairing_code']}", wait_until="commit")
        if granted:
            page.locator("#stage[data-screen=idle], #stage[data-screen=choose]").wait_for()
        else:
            said = page.wait_for_event("console", lambda line: "address space" in line.text)
            assert "Permission was denied" in said.text
            expect(page.locator("#stage")).to_have_attribute("data-screen", "setup")
    finally:
        browser.close()
        agent.stop()


TEXTS = """() => {
  const found = [];
  const walk = (node) => {
    if (node.shadowRoot) walk(node.shadowRoot);
    for (const child of node.childNodes) {
      if (child.nodeType === Node.TEXT_NODE) child.textContent.trim() && found.push(child.textContent.trim());
      else if (!["STYLE", "SCRIPT"].includes(child.nodeName)) walk(child);
    }
  };
  walk(document.body);
  return found;
}"""


@pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace of its own needs root")
def test_chromium_understands_every_line_of_the_policy(
    playwright_session: Playwright, chromium: str, chromium_flags: list[str], tmp_path: Path
) -> None:
    """Chromium's own list of policies finds no error in the template, and one in a value that is wrong on purpose."""
    policy = json.loads(POLICY.read_text(encoding="utf-8"))
    for forbids_the_list in ("URLBlocklist", "IncognitoModeAvailability", "DeveloperToolsAvailability"):
        del policy[forbids_the_list]
    policy["HomepageLocation"] = 7
    program = _managed_chromium(tmp_path, chromium, policy)
    browser = playwright_session.chromium.launch(executable_path=program, args=chromium_flags)
    try:
        page = browser.new_page()
        page.goto("chrome://policy")
        until(page, f"() => ({TEXTS})().includes('TranslateEnabled')")
        told: list[str] = page.evaluate(TEXTS)
    finally:
        browser.close()
    rows = [at for at, word in enumerate(told) if word in policy and told[at + 4 : at + 5] == ["Mandatory"]]
    states = {told[at]: told[at + 5] for at in rows}
    assert states.pop("HomepageLocation") == "Error"
    assert states.keys() == policy.keys() - {"HomepageLocation"}
    assert set(states.values()) <= {"OK", "Deprecated"}
