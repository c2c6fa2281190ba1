"""A terminal's agent is killed in the middle of a writing: the hub hears of it, and the card is finished."""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from mykey_core.audit.records import records_since
from mykey_core.card_writing.tables import card_writing, card_writing_step
from mykey_core.settings import load_settings
from mykey_core.storage.database import open_database
from mykey_web.demo import processes
from mykey_web.demo.bus_plugin import COUNTER, NAME, SERVICE, add_cards, install_bus_plugin
from mykey_web.demo.cli import new_code
from mykey_web.demo.clients import Page
from mykey_web.demo.town import MUNICIPALITY, Town, make_town


class Counter:
    """A hub, and the agent of its card counter, which can be killed and started again."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        port = processes.free_port()
        self.town: Town = make_town(folder / "town", f"http://127.0.0.1:{port}", datetime.now(UTC))
        add_cards(self.town.config)
        environment = install_bus_plugin(folder / "plugins")
        stack.enter_context(processes.start_hub(self.town.config, port, folder / "log", environment))
        self._state = folder / "terminal"
        processes.enrol_terminal(self.town.origin, new_code(self.town, COUNTER), self._state, folder / "log")

    def start(self) -> tuple[processes.Child, Page]:
        agent = self._stack.enter_context(processes.start_agent(self._state, self._folder / "log"))
        page = Page(agent.announcement["address"], self.town.origin, agent.announcement["pairing_code"])
        self._stack.callback(page.close)
        page.insert("adult")
        return agent, page

    def column(self, what: Any) -> list[Any]:
        database = open_database(load_settings(self.town.config).database_url, MUNICIPALITY)
        with database.reading() as session:
            found = session.execute(select(what).where(what.table.c.municipality == MUNICIPALITY)).scalars().all()
        database.dispose()
        return list(found)

    def actions(self) -> list[str]:
        database = open_database(load_settings(self.town.config).database_url, MUNICIPALITY)
        with database.reading() as session:
            records = records_since(session, MUNICIPALITY, datetime.now(UTC) - timedelta(hours=1))
        database.dispose()
        return [str(record.facts["action"]) for record in records if record.event == "plugin.recorded"]


def until(condition: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.mark.timeout(180)
def test_a_killed_agent_loses_nothing(tmp_path: Path) -> None:
    """SIGKILL after the first step: the next agent closes the writing, the next writing finishes the card."""
    with ExitStack() as stack:
        counter = Counter(tmp_path, stack)
        agent, page = counter.start()
        values = {"number": "B-1", "valid_until": "2030-03-31"}
        order = {"operation": "write", "plugin": NAME, "values": values, "value": 100, "rides": 1, "period": 1}
        page._client.post("/card-writings", json=order).raise_for_status()
        until(lambda: "done" in counter.column(card_writing_step.c.state))
        agent.kill()
        assert counter.column(card_writing.c.state) == ["open"]
        _, page = counter.start()
        until(lambda: counter.column(card_writing.c.state)[0] in {"unknown", "refused"})  # it depends on the cut
        tap = page.tap(SERVICE, "join", "1234")
        done = page.write("write", plugin=NAME, visit_id=tap["result"]["visit"]["id"])
        assert done["state"] == "done", done
        services = page.write("check")["card"]["services"]
        assert [(one["state"], one["complete"]) for one in services] == [("activated", True)]
        assert set(counter.column(card_writing_step.c.state)) <= {"done", "refused"}  # no doubt is left
        until(lambda: "bus.pass-written" in counter.actions())
