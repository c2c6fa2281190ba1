"""Turns of a writing between processes of one hub: sealed for one writing and one direction, and really passed on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from uuid_utils.compat import uuid7

from mykey_core.card_writing.errors import WritingRefused
from mykey_core.card_writing.live import WritingView
from mykey_core.card_writing.tables import card_turn
from mykey_core.card_writing.turns import TurnBox
from mykey_core.clock import system_clock
from mykey_core.hub import Hub, open_hub
from mykey_core.settings import load_settings
from mykey_testkit.hub import HubHarness

LEASE = timedelta(seconds=15)
ANSWER = bytes.fromhex("6f00")
COMMAND = bytes.fromhex("84e2900010")


class Attacked(TurnBox):
    """A box whose replies are changed in the database."""

    change: Callable[[bytes], bytes]

    def _seal(self, writing: UUID, direction: bytes, document: dict[str, Any]) -> bytes:
        sealed = super()._seal(writing, direction, document)
        return self.change(sealed) if direction == b"!" else sealed


@dataclass(frozen=True)
class Other:
    """Another process of the hub, and a writing that lives in it."""

    process: subprocess.Popen[str]
    name: UUID
    writing: UUID


def box(hub: Hub, kind: type[TurnBox] = TurnBox) -> TurnBox:
    made = kind(hub.database, hub.settings.municipality, system_clock, hub.people.keys)
    made.answer = lambda writing, sequence, _responses, _gone: WritingView(writing, "open", sequence + 1, (COMMAND,))
    return made


@pytest.fixture
def hub(library_hub: HubHarness) -> Hub:
    return library_hub.hub


def flipped(sealed: bytes, bit: int) -> bytes:
    return (int.from_bytes(sealed, "big") ^ 1 << bit).to_bytes(len(sealed), "big")


def test_a_turn_is_sealed_against_every_change(hub: Hub) -> None:
    """One bit anywhere, a cut, another writing's or another direction's seal: none of them is opened."""
    turns, writing, other = box(hub), uuid7(), uuid7()
    sealed = turns._seal(writing, b"?", {"responses": [ANSWER.hex()]})
    assert turns._open(writing, b"?", sealed) == {"responses": [ANSWER.hex()]}
    assert ANSWER.hex().encode() not in sealed
    wrong = [flipped(sealed, bit) for bit in range(len(sealed) * 8)]
    wrong += [sealed[:size] for size in range(len(sealed))]
    for changed in wrong:
        with pytest.raises(WritingRefused) as refused:
            turns._open(writing, b"?", changed)
        assert refused.value.code == "writing_ended"
    for place, direction in ((other, b"?"), (writing, b"!")):
        with pytest.raises(WritingRefused):
            turns._open(place, direction, sealed)


def test_a_forged_request_is_not_carried_out(hub: Hub) -> None:
    """Whoever can write to the database cannot hand the owner a card's answer of their own."""
    owner, writing = box(hub), uuid7()
    asked: list[UUID] = []
    owner.answer = lambda found, *_rest: asked.append(found) or WritingView(found, "open")  # type: ignore[func-returns-value]
    sealed = owner._seal(writing, b"?", {"sequence": 1, "responses": [], "card_gone": False})
    assert "view" in owner._answered(writing, sealed)
    assert owner._answered(writing, flipped(sealed, 100)) == {"refused": "writing_ended"}
    assert owner._answered(uuid7(), sealed) == {"refused": "writing_ended"}
    assert asked == [writing]


@pytest.mark.parametrize(
    "change",
    [lambda sealed: flipped(sealed, 0), lambda sealed: sealed[:-1], lambda _: b"", lambda _: b"{}"],
    ids=["flipped", "cut", "empty", "invented"],
)
def test_a_changed_reply_reaches_no_card(hub: Hub, change: Callable[[bytes], bytes]) -> None:
    """The terminal's process tells it that the writing has ended, and passes no command on."""
    owner, asker, writing = box(hub, Attacked), box(hub), uuid7()
    assert isinstance(owner, Attacked)
    owner.change = change
    going_on = [writing]
    owner.watch(lambda: tuple(going_on), LEASE)
    try:
        with pytest.raises(WritingRefused) as refused:
            asker.ask(owner.process, writing, 1, (ANSWER,), card_gone=False)
    finally:
        going_on.clear()
    assert refused.value.code == "writing_ended"
    with hub.database.reading() as session:
        assert (
            session.execute(
                select(card_turn.c.request).where(card_turn.c.municipality == hub.settings.municipality)
            ).all()
            == []
        )


def serve(config: Path) -> None:
    """The other process: it owns a writing, and answers with what it was asked, until its input ends."""
    hub = open_hub(load_settings(config))
    owner, writing, over = box(hub), uuid7(), Event()
    owner.answer = lambda found, number, responses, gone: WritingView(
        found, "open", number + 1, (*responses, COMMAND), code="card_pulled" if gone else None
    )
    owner.watch(lambda: () if over.is_set() else (writing,), LEASE)
    sys.stdout.write(f"{owner.process} {writing}\n")
    sys.stdout.flush()
    sys.stdin.read()
    over.set()


@pytest.fixture
def other_process(library_hub: HubHarness) -> Iterator[Other]:
    """A process of the same hub, started from its folder."""
    command = [sys.executable, __file__, str(library_hub.folder / "hub" / "hub.toml")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield Other(process, *map(UUID, process.stdout.readline().split()))
        process.kill()


def test_a_turn_passes_between_two_real_processes(hub: Hub, other_process: Other) -> None:
    """What the card said arrives whole in the other process, its commands come back, and nothing stays in the box."""
    owner, writing = other_process.name, other_process.writing
    view = box(hub).ask(owner, writing, 4, (ANSWER, bytes(300)), card_gone=False)
    assert (view.id, view.state, view.sequence) == (writing, "open", 5)
    assert view.commands == (ANSWER, bytes(300), COMMAND)
    assert box(hub).ask(owner, writing, 5, (), card_gone=True).code == "card_pulled"
    views: list[WritingView] = []
    askers = [
        Thread(target=lambda n=n: views.append(box(hub).ask(owner, writing, n, (), card_gone=False)))  # type: ignore[misc]
        for n in range(6)
    ]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(30)
    assert sorted(view.sequence for view in views) == [1, 2, 3, 4, 5, 6]
    with hub.database.reading() as session:
        assert (
            session.execute(
                select(card_turn.c.request).where(card_turn.c.municipality == hub.settings.municipality)
            ).all()
            == []
        )


def test_a_killed_process_is_told_within_the_patience(
    hub: Hub, other_process: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL: the terminal hears that the writing has ended instead of waiting for ever."""
    monkeypatch.setattr("mykey_core.card_writing.turns._PATIENCE_SECONDS", 1.0)
    other_process.process.kill()
    other_process.process.wait()
    with pytest.raises(WritingRefused) as refused:
        box(hub).ask(other_process.name, other_process.writing, 1, (ANSWER,), card_gone=False)
    assert refused.value.code == "writing_ended"
    with hub.database.reading() as session:
        assert (
            session.execute(
                select(card_turn.c.request).where(card_turn.c.municipality == hub.settings.municipality)
            ).all()
            == []
        )


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
