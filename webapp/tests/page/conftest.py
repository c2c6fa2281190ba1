"""A real hub and a real agent with its tray of emulated cards, and Chromium to look at them."""

from __future__ import annotations

import io
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Playwright, ViewportSize, sync_playwright

from mykey_terminal.enrolment import StateDirectory
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
        self.registered: set[str] = set()
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


class ReaderTerminal:
    """`mykey terminal run` of a demo's terminal, with a real reader's back end: the pcscd whose socket is given."""

    def __init__(self, demo: Demo, socket: Path) -> None:
        self.demo = demo
        point = str(StateDirectory(demo.state).load()[0].service_point["name"])
        arguments = ["terminal", "run", "--point", point, "--state", str(demo.state), "--port", "0"]
        self._codes: list[str] = []
        self.child = processes.Child(
            arguments,
            demo.log,
            environment={"PCSCLITE_CSOCK_NAME": str(socket)},
            told=lambda said: self._codes.append(said["pairing_code"]),
        )
        self._codes.insert(0, self.child.announcement["pairing_code"])

    @property
    def address(self) -> str:
        """The page of the service point, with the pairing code that is good now."""
        port = self.child.announcement["address"].rsplit(":", 1)[1]
        return f"{self.demo.origin}/point#agent={port}&pair={self._codes[-1]}"


# -- pictures for docs/reference/service-point-states.md and for the eye ------------------------------------------

PICTURES = os.environ.get("MYKEY_PICTURES")
SIZES = {"desk": (1280, 800), "tablet": (768, 1024), "kiosk": (1080, 1920)}
_COLOURS = 64


def picture(page: Page, name: str, *, part: str = ".point", languages: tuple[str, ...] = ("ja", "en")) -> None:
    """Where `MYKEY_PICTURES` names a folder: one small picture of this state in each language, and it at three sizes.

    The sizes go into `sizes/` of that folder: they are looked at, and not kept.
    """
    if not PICTURES:
        return
    folder = Path(PICTURES)
    (folder / "sizes").mkdir(parents=True, exist_ok=True)
    usual = page.viewport_size
    for language in languages:
        if page.evaluate("document.documentElement.lang") != language:  # a click would count as a touch of the screen
            page.click(f"[data-language={language}]")
        page.wait_for_timeout(250)
        _save(page.locator(part).first.screenshot(animations="disabled"), folder / f"{name}-{language}.png")
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            _save(page.screenshot(animations="disabled"), folder / "sizes" / f"{name}-{language}-{size}.png")
        if usual:
            page.set_viewport_size(usual)


def _save(shot: bytes, path: Path) -> None:
    with Image.open(io.BytesIO(shot)) as image:
        image.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


@pytest.fixture(scope="session")
def draw() -> Callable[..., None]:
    """`draw(page, name)`: see `picture`."""
    return picture


@pytest.fixture(scope="session")
def reader_terminal() -> type[ReaderTerminal]:
    """The class, for tests with a real reader."""
    return ReaderTerminal


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

    def registered(self, card: str = "adult", pin: str = "1234", patron: str = "10000033") -> None:
        """The card is one of the library's: registered at the desk, unless an earlier test at this demo has."""
        if card not in self.demo.registered:
            self.link(card, pin, patron)
            self.leave()
            self.wait("ended")
            self.demo.registered.add(card)

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
