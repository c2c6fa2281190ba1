"""What the terminal says of a reader whose card does not answer."""

from __future__ import annotations

from typing import Any

import pytest

from mykey_cardap.pcsc.winscard import ReaderState, State
from mykey_terminal.problems import problem_of
from mykey_terminal.readers import pcsc
from mykey_terminal.readers.pcsc import PcscReader, SilentCardError


def _reader(monkeypatch: pytest.MonkeyPatch, *states: State) -> PcscReader:
    found = [ReaderState(f"Reader {number}", state=state) for number, state in enumerate(states)]
    monkeypatch.setattr(pcsc, "list_readers", lambda _: found)
    backend: Any = object()
    return PcscReader(winscard=backend)


def test_a_card_on_its_wrong_side_is_told_from_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """PC/SC says present and mute: a card is there and gives no answer to reset."""
    with pytest.raises(SilentCardError) as caught:
        _reader(monkeypatch, State.PRESENT | State.MUTE).card_present()
    assert problem_of(caught.value).code == "card_wrong_side"
    assert _reader(monkeypatch, State.EMPTY).card_present() is False


def test_an_insertion_is_told_by_the_count_of_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same card again is another insertion; an empty reader that comes and goes is none."""
    first = _reader(monkeypatch, State.PRESENT | 0x1_0000, State.EMPTY).insertion
    assert first is not None
    assert first == _reader(monkeypatch, State.PRESENT | 0x1_0000, State.EMPTY | 0x7_0000).insertion
    assert first == _reader(monkeypatch, State.PRESENT | 0x1_0000).insertion
    assert first != _reader(monkeypatch, State.PRESENT | 0x3_0000, State.EMPTY).insertion
    assert _reader(monkeypatch, State.EMPTY | 0x3_0000).insertion is None


def test_a_good_card_in_another_reader_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forgotten card in a second reader does not stop the one that works."""
    assert _reader(monkeypatch, State.PRESENT | State.MUTE, State.PRESENT).card_present() is True
