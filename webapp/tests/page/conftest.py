"""A real hub and a real agent with its tray of emulated cards, and Chromium to look at them."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from mykey_web.demo.town import SERVICE_POINT, make_town
from playwright.sync_api import Browser, Page, Playwright, ViewportSize, sync_playwright

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
MYKEY = [sys.executable, "-m", "mykey_core.cli"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _start(arguments: list[str]) -> subprocess.Popen[str]:
    """A `mykey` process in a process group of its own, so that stopping it reaches nobody else."""
    program = shutil.which("mykey", path=str(Path(sys.executable).parent))
    assert program, "the package is not installed: run `make setup`"
    return subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, text=True, start_new_session=True)


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
    assert ready, "the program did not start in time"
    return process.stdout.readline()


def _stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _run(arguments: list[str], text: str | None = None) -> str:
    program = shutil.which("mykey", path=str(Path(sys.executable).parent))
    done = subprocess.run([str(program), *arguments], input=text, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


class Demo:
    """The hub of the demo town and the agent of its library desk, as two processes on this computer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.town = make_town(folder / "town", self.origin, datetime.now(UTC))
        self.hub = self.start_hub()
        code = _run(["hub", "enrolment-code", "--config", str(self.town.config), SERVICE_POINT])
        self.state = str(folder / "terminal")
        _run(["terminal", "enrol", "--hub", self.origin, "--state", self.state, "--name", "test", "--code-stdin"], code)
        self.ready = folder / "agent.json"
        self.agent = self.start_agent()

    def start_hub(self) -> subprocess.Popen[str]:
        process = _start(["hub", "serve", "--config", str(self.town.config), "--port", str(self.port)])
        _first_line(process)
        return process

    def start_agent(self) -> subprocess.Popen[str]:
        self.ready.unlink(missing_ok=True)
        process = _start(["terminal", "agent", "--state", self.state, "--virtual", "--ready-file", str(self.ready)])
        deadline = time.monotonic() + START_SECONDS
        while not self.ready.exists():
            assert process.poll() is None, "the agent has stopped"
            assert time.monotonic() < deadline, "the agent did not start in time"
            time.sleep(0.05)
        return process

    def announced(self) -> dict[str, str]:
        """Where the agent is, and the pairing code that is good now."""
        found: dict[str, str] = json.loads(self.ready.read_text())
        return found

    @property
    def agent_port(self) -> str:
        return self.announced()["address"].rsplit(":", 1)[1]

    def invitation(self, language: str = "ja") -> str:
        """The address that `mykey demo` prints."""
        return f"{self.origin}/point?lang={language}#agent={self.agent_port}&pair={self.announced()['pairing_code']}"

    def stop_agent(self) -> None:
        _stop(self.agent)

    def stop_hub(self) -> None:
        _stop(self.hub)

    def close(self) -> None:
        for process in (self.agent, self.hub):
            if process.poll() is None:
                _stop(process)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One hub and one agent for the tests of a worker; a test that stops them makes its own."""
    running = Demo(tmp_path_factory.mktemp("demo"))
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
def browser(playwright_session: Playwright) -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("Chromium is missing: install the Debian package chromium")
    started = playwright_session.chromium.launch(executable_path=program, args=CHROMIUM_FLAGS)
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
        return self.page.locator("#stage").get_attribute("data-screen") or ""

    @property
    def title(self) -> str:
        return self.page.locator("#stage-title").inner_text()

    def wait(self, screen: str) -> None:
        self.page.locator(f"#stage[data-screen={screen}]").wait_for()

    def insert(self, card: str) -> None:
        self.page.click(f"[data-card={card}]")
        self.wait("choose")

    def choose(self, action: str) -> None:
        self.page.click(f"#stage [data-action={action}]")

    def type_pin(self, pin: str) -> None:
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
        if visitor.demo.agent.poll() is None:
            visitor.leave()
        visitor.page.context.close()
        assert visitor.faults == []


def environment_without_proxy() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
