"""Wedge mode against the agent of a running terminal: a tap, the PIN, and the number that a label would carry."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mykey_library.wedge.agent import Agent
from mykey_library.wedge.errors import AgentRefused
from mykey_library.wedge.form import NumberForm
from mykey_web.demo import processes
from mykey_web.demo.cli import new_code
from mykey_web.demo.clients import Page
from mykey_web.demo.town import SERVICE, make_town


class Place:
    """The desk of the demo town: a hub and an agent as processes, with the pairing code that is good now."""

    def __init__(self, folder: Path) -> None:
        port = processes.free_port()
        self.origin = f"http://127.0.0.1:{port}"
        town, log = make_town(folder / "town", self.origin, datetime.now(UTC)), folder / "log"
        self.hub = processes.start_hub(town.config, port, log)
        processes.enrol_terminal(self.origin, new_code(town), folder / "terminal", log)
        self.codes: list[str] = []
        self.agent = processes.start_agent(
            folder / "terminal", log, lambda announced: self.codes.append(announced["pairing_code"])
        )
        self.address = self.agent.announcement["address"]

    @property
    def agent_port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def next_code(self) -> str:
        while not self.codes:
            assert self.agent.running
        return self.codes.pop()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.agent.stop()
    made.hub.stop()


def test_a_tap_becomes_a_number(place: Place) -> None:
    """The card that is linked gives its patron number; a wrong PIN and a card with one try left give a refusal."""
    page = Page(place.address, place.origin, place.agent.announcement["pairing_code"])
    wedge = Agent(place.agent_port, place.origin, place.next_code())
    try:
        page.insert("adult")
        wedge.wait_for_card(present=True)
        with pytest.raises(AgentRefused, match="not_registered"):
            wedge.patron_number(SERVICE, lambda _: "1234")
        assert page.tap(SERVICE, "link", "1234", patron_number="10000017")["state"] == "done"
        with pytest.raises(AgentRefused, match="pin_wrong"):
            wedge.patron_number(SERVICE, lambda _: "0000")
        assert NumberForm(suffix="\n").dress(wedge.patron_number(SERVICE, lambda _: "1234")) == "10000017\n"
        page.insert("last-try")
        with pytest.raises(AgentRefused, match="last_attempt"):
            wedge.patron_number(SERVICE, lambda _: pytest.fail("nobody may be asked for the last try"))
        page.take_out()
        wedge.wait_for_card(present=False)
    finally:
        wedge.close()
        page.close()
