"""A real hub and a real agent with its tray of emulated cards, and Chromium to look at them."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, ViewportSize, sync_playwright

from mykey_web.demo import processes
from mykey_web.demo.clerks import add_clerks
from mykey_web.demo.cli import new_code
from mykey_web.demo.town import SELF_CHECK, SERVICE_POINT, make_town

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_SECONDS = 60.0


class Demo:
    """The hub of the demo town and the agent of one of its places, as two processes on this computer."""

    def __init__(self, folder: Path, point: str = SERVICE_POINT) -> None:
        self.folder = folder
        self.log = folder / "processes.log"
        self.ready = folder / "agent.json"
        self.state = folder / "terminal"
        self.port = processes.free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.town = make_town(folder / "town", self.origin, datetime.now(UTC))
        self.hub = self.start_hub()
        processes.enrol_terminal(self.origin, new_code(self.town, point), self.state, self.log)
        self.agent = self.start_agent()

    def start_hub(self) -> processes.Child:
        """Serve the town's hub at its fixed port."""
        return processes.start_hub(self.town.config, self.port, self.log)

    def start_agent(self, port: int = 0) -> processes.Child:
        """Run the agent with the tray; it announces itself in a file, with each new pairing code."""
        self.ready.unlink(missing_ok=True)
        arguments = ["terminal", "agent", "--state", str(self.state), "--virtual", "--port", str(port)]
        child = processes.Child([*arguments, "--ready-file", str(self.ready)], self.log, announces=False)
        deadline = time.monotonic() + START_SECONDS
        while not self.ready.exists():
            assert child.running, "the agent has stopped"
            assert time.monotonic() < deadline, "the agent did not start in time"
            time.sleep(0.05)
        return child

    def announced(self) -> dict[str, str]:
        """Where the agent is, and the pairing code that is good now."""
        found: dict[str, str] = json.loads(self.ready.read_text())
        return found

    @property
    def agent_port(self) -> str:
        """The agent's port as the invitation names it."""
        return self.announced()["address"].rsplit(":", 1)[1]

    def invitation(self, language: str = "ja") -> str:
        """The address that `mykey demo` prints."""
        return f"{self.origin}/point?lang={language}#agent={self.agent_port}&pair={self.announced()['pairing_code']}"

    def close(self) -> None:
        """Stop both processes."""
        self.agent.stop()
        self.hub.stop()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One hub and one agent for the tests of a worker; a test that stops them makes its own."""
    running = Demo(tmp_path_factory.mktemp("demo"))
    yield running
    running.close()


@pytest.fixture(scope="session")
def self_check(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The self-check machine of the library, with a hub of its own."""
    running = Demo(tmp_path_factory.mktemp("self-check"), SELF_CHECK)
    yield running
    running.close()


@pytest.fixture(scope="module")
def town_hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A hub and an agent whose tray holds the cards of the demo's own staff, as `mykey demo` gives them."""
    running = Demo(tmp_path_factory.mktemp("town-hall"))
    add_clerks(running.town)
    yield running
    running.close()


@pytest.fixture
def own_demo(tmp_path: Path) -> Iterator[Demo]:
    """A hub and an agent that the test may stop."""
    running = Demo(tmp_path)
    yield running
    running.close()


@pytest.fixture(scope="session")
def playwright_session() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where Chromium is."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("Chromium is missing: install the Debian package chromium")
    return program


@pytest.fixture(scope="session")
def chromium_flags() -> list[str]:
    return CHROMIUM_FLAGS


@pytest.fixture(scope="session")
def browser(playwright_session: Playwright, chromium: str) -> Iterator[Browser]:
    started = playwright_session.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
    yield started
    started.close()


@dataclass
class Visitor:
    """Somebody in front of the page: what they do, in their words. The page must not write errors meanwhile."""

    page: Page
    demo: Demo
    faults: list[str]

    def come(self, language: str = "ja") -> Visitor:
        """Open the address that the demo printed, with an empty reader."""
        self.page.goto(self.demo.invitation(language))
        self.page.locator("#stage[data-screen=idle], #stage[data-screen=choose]").wait_for()
        if self.screen == "choose":
            self.page.click("#take-out")
            self.wait("idle")
        return self

    @property
    def screen(self) -> str:
        """The name of the screen that is shown."""
        return self.page.locator("#stage").get_attribute("data-screen") or ""

    def wait(self, screen: str) -> None:
        """Wait until a screen is shown."""
        self.page.locator(f"#stage[data-screen={screen}]").wait_for()

    def insert(self, card: str) -> None:
        """Press a card in the tray; the rarer ones are behind the fold."""
        if not self.page.locator(f"[data-card={card}]").is_visible():
            self.page.click("#tray-more-title")
        self.page.click(f"[data-card={card}]")
        self.wait("choose")

    def choose(self, action: str) -> None:
        """Press the button of an action."""
        self.page.click(f"#stage [data-action={action}]")

    def type_pin(self, pin: str) -> None:
        """Type the PIN by keyboard and confirm it."""
        self.wait("pin")
        self.page.fill("#pin", pin)
        self.page.click("#pin-ok")

    def link(self, card: str, pin: str, patron: str) -> None:
        """First visit: register the card with a patron number."""
        self.insert(card)
        self.choose("link")
        self.page.fill("#field-patron_number", patron)
        self.page.keyboard.press("Enter")
        self.type_pin(pin)
        self.page.locator("#stage[data-screen=result], #stage[data-screen=problem]").wait_for()

    def code(self) -> str:
        """The machine code of the refusal on the screen."""
        self.wait("problem")
        return self.page.locator(".message__code code").inner_text()

    def leave(self) -> None:
        """Take the card along."""
        if self.page.locator("#take-out").is_visible():
            self.page.click("#take-out")


@pytest.fixture
def visit(browser: Browser, demo: Demo) -> Iterator[Callable[..., Visitor]]:
    """`visit(language=..., demo=..., size=..., **context)` → a `Visitor` in a fresh browser context."""
    visitors: list[Visitor] = []

    def make(
        language: str = "ja", *, at: Demo = demo, size: tuple[int, int] = (1280, 800), come: bool = True, **context: Any
    ) -> Visitor:
        viewport: ViewportSize = {"width": size[0], "height": size[1]}
        page = browser.new_context(viewport=viewport, **context).new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
        visitor = Visitor(page, at, faults)
        visitors.append(visitor)
        return visitor.come(language) if come else visitor

    yield make
    for visitor in visitors:
        if visitor.demo.agent.running:
            visitor.leave()
        visitor.page.context.close()
        assert visitor.faults == []
