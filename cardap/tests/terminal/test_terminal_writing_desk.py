"""The agent's desk for writings: what a page is told, and when."""

from __future__ import annotations

import threading
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from mykey_cardap.errors import NoCardError
from mykey_terminal.agent.writings import WritingDesk

if TYPE_CHECKING:
    from collections.abc import Iterator

ID = "01234567-89ab-7def-8123-456789abcdef"


@pytest.mark.parametrize(("fails", "end"), [(False, "done"), (True, "unknown")])
def test_the_card_is_given_back_before_the_end_is_told(fails: bool, end: str) -> None:  # noqa: FBT001 - a parameter
    """While the card is still held a writing runs, or whoever sees its end and begins the next would be refused."""
    hub, notes, reader = Mock(), Mock(), Mock()
    relay = hub.card_relay.return_value
    relay.begin.return_value = Mock(writing_id=ID, state="running", as_json=lambda: {"writing_id": ID})
    relay.resume.return_value.as_json.return_value = {"state": "done"}
    notes.noted.return_value = nullcontext()
    reader.open.return_value = nullcontext()
    if fails:
        relay.resume.side_effect = NoCardError("there is no card in the reader")
    seen: list[Any] = []
    given_back = threading.Event()

    @contextmanager
    def hold(_: float) -> Iterator[None]:
        yield
        seen.append(desk.state(ID)["state"])
        given_back.set()

    desk = WritingDesk(hub, reader, notes, hold)
    desk.begin({"operation": "check"}, "ja")
    assert given_back.wait(5)
    assert seen == ["running"]
    for _ in range(500):
        if desk.state(ID)["state"] == end:
            break
        threading.Event().wait(0.01)
    assert desk.state(ID)["state"] == end
