"""PINs and counters of an emulated card: the rules as a state machine, and the file that keeps them (EMU-10)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mykey_cardap.emulator import state as state_module
from mykey_cardap.emulator.cards import make_card
from mykey_cardap.emulator.files import Pin
from mykey_cardap.emulator.state import CardHold, CardInUseError, CardStateError, write_atomically

Talk = Callable[..., Any]
JPKI = "00A4040C0AD392F000260100000001"
TRIES = {0x18: 3, 0x1B: 5}
RIGHT = {0x18: b"1234", 0x1B: b"ABC123"}


class PinCounters(RuleBasedStateMachine):
    """A model of two PINs beside the emulated card; every answer and every counter must agree."""

    @initialize()
    def start(self) -> None:
        """A fresh card."""
        self.card = make_card("adult")
        self.values = dict(RIGHT)
        self.left = dict(TRIES)
        self.open: set[int] = set()
        self.power_cycle()

    def send(self, *parts: bytes) -> int:
        """Send a command; the status word."""
        return int.from_bytes(self.card.process(b"".join(parts))[-2:], "big")

    @rule()
    def power_cycle(self) -> None:
        """Out of the reader and back."""
        self.card.power_off()
        self.card.power_on()
        self.select()

    @rule()
    def select(self) -> None:
        """SELECT clears every flag."""
        assert self.send(bytes.fromhex(JPKI)) == 0x9000
        self.open.clear()

    @rule()
    def reset(self) -> None:
        """A warm reset changes nothing."""
        self.card.reset()

    @rule(pin=st.sampled_from([0x18, 0x1B]), candidate=st.binary(min_size=1, max_size=20))
    def wrong(self, pin: int, candidate: bytes) -> None:
        """A wrong try: one less, the flag dropped; blocked at the end."""
        if candidate == self.values[pin]:
            return
        answer = self.send(bytes((0, 0x20, 0, 0x80 | pin, len(candidate))), candidate)
        if self.left[pin] == 0:
            assert answer == 0x6984
            return
        self.left[pin] -= 1
        self.open.discard(pin)
        assert answer == 0x63C0 | self.left[pin]

    @rule(pin=st.sampled_from([0x18, 0x1B]))
    def right(self, pin: int) -> None:
        """The right value: full counter and flag, unless blocked."""
        value = self.values[pin]
        answer = self.send(bytes((0, 0x20, 0, 0x80 | pin, len(value))), value)
        if self.left[pin] == 0:
            assert answer == 0x6984
            return
        assert answer == 0x9000
        self.left[pin] = TRIES[pin]
        self.open.add(pin)

    @rule(pin=st.sampled_from([0x18, 0x1B]), digits=st.integers(0, 9999))
    def change(self, pin: int, digits: int) -> None:
        """CHANGE works on a verified PIN only."""
        value = f"{digits:04d}".encode() * (2 if pin == 0x1B else 1)
        answer = self.send(bytes((0, 0x24, 1, 0x80 | pin, len(value))), value)
        assert answer == (0x9000 if pin in self.open else 0x6982)
        if pin in self.open:
            self.values[pin] = value

    @rule(pin=st.sampled_from([(0x18, 0x17), (0x1B, 0x1A)]))
    def sign(self, pin: tuple[int, int]) -> None:
        """SIGN works with a verified PIN only."""
        answer = self.send(bytes((0x80, 0x2A, 0, 0x80 | pin[1], 1, 0xAA, 0)))
        assert answer == (0x9000 if pin[0] in self.open else 0x6982)

    @invariant()
    def counters_agree(self) -> None:
        """The question costs nothing and tells the counter of the model; only a success raised it."""
        for pin, left in self.left.items():
            assert self.send(bytes((0, 0x20, 0, 0x80 | pin))) == 0x63C0 | left


TestPinCounters = PinCounters.TestCase
TestPinCounters.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


@pytest.mark.nightly
def test_pin_counters_at_length() -> None:
    """The same state machine with many more runs."""
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(PinCounters, settings=settings(max_examples=2000, stateful_step_count=60, deadline=None))


def test_counters_and_changes_survive_the_program(talk: Talk, tmp_path: Path) -> None:
    """EMU-10: a second card object on the same file goes on where the first one stopped."""
    path = tmp_path / "card.json"
    first = talk(state=path)
    first(JPKI)
    assert first("0020009804", "39393939") == "63C2"
    assert first("0020009B06", "414243313233") == "9000"
    assert first("0024019B06", "585858313233") == "9000"
    second = talk(state=path)
    second(JPKI)
    assert (second("00200098"), second("0020009B")) == ("63C2", "63C5")
    assert second("0020009B06", "414243313233") == "63C4"
    assert second("0020009B06", "585858313233") == "9000"


def test_without_a_file_a_card_forgets(talk: Talk) -> None:
    """Two card objects without a file are two fresh cards."""
    first = talk()
    first(JPKI)
    first("0020009804", "39393939")
    second = talk()
    second(JPKI)
    assert second("00200098") == "63C3"


def test_a_try_is_stored_before_it_is_compared() -> None:
    """A power cut between the two costs a try and never gives one back."""
    stored: list[int] = []
    pin = Pin(name="p", value=b"1234", tries=3, remaining=3)
    pin.changed = lambda: stored.append(pin.remaining)
    assert pin.present(b"1234")
    assert stored == [2, 3]
    assert not pin.present(b"9999")
    assert stored == [2, 3, 2]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text[:0],
        lambda text: text.replace('"remaining": 3', '"remaining": 4', 1),
        lambda text: text.replace('"remaining": 3', '"remaining": "3"', 1),
        lambda text: text.replace('"1234"', "17", 1),
        lambda text: text.replace("mykey-card-state-1", "mykey-card-state-0"),
        lambda text: json.dumps(list(json.loads(text))),
    ],
)
def test_a_damaged_state_file_is_refused(damage: Callable[[str], str], talk: Talk, tmp_path: Path) -> None:
    """A typed error that says what to do; the file is left alone."""
    path = tmp_path / "card.json"
    talk(state=path)
    path.write_text(damaged := damage(path.read_text()))
    with pytest.raises(CardStateError, match="remove"):
        talk(state=path)
    assert path.read_text() == damaged


def test_a_state_file_of_another_card_is_refused(talk: Talk, tmp_path: Path) -> None:
    """The adult's file is not the child's."""
    talk("adult", state=tmp_path / "card.json")
    with pytest.raises(CardStateError, match="another card"):
        talk("child", state=tmp_path / "card.json")


def test_a_state_file_has_one_holder_even_when_it_is_killed(tmp_path: Path) -> None:
    """Another process is refused while one holds the file; its death, or forgetting the holder, gives it free."""
    path = tmp_path / "card.json"
    code = "import sys, time; from pathlib import Path; from mykey_cardap.emulator.state import CardHold\n"
    code += "held = CardHold(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        with pytest.raises(CardInUseError):
            CardHold(path)
        other.kill()
    held = CardHold(path)
    with pytest.raises(CardInUseError):
        CardHold(path)
    del held
    CardHold(path).close()


def test_a_crash_while_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new content goes to a file beside and is renamed over the old one only when it is on the disk."""
    path = tmp_path / "card.json"
    write_atomically(path, b"old")

    def crash(descriptor: int) -> None:
        raise OSError(28, "No space left on device", descriptor)

    monkeypatch.setattr(state_module.os, "fsync", crash)
    with pytest.raises(OSError, match="space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [left.name for left in tmp_path.iterdir()] == ["card.json"]


def test_state_files_are_private(talk: Talk, tmp_path: Path) -> None:
    """Nobody else on the computer reads the PINs of a card under test."""
    talk(state=tmp_path / "card.json")
    assert (tmp_path / "card.json").stat().st_mode & 0o077 == 0
