"""Wedge mode: the form of a number, real keystroke programs or a clear error, a real WebSocket, and refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from mykey_library.wedge.agent import number_of
from mykey_library.wedge.errors import AgentRefused, NoKeyboardTool
from mykey_library.wedge.form import CheckDigit, NumberForm, check_digit
from mykey_library.wedge.sinks import Keyboard, LocalSocket


@pytest.mark.parametrize(
    ("number", "kind", "digit"),
    [
        ("490123456789", CheckDigit.MODULUS_10, "4"),  # the JAN example 4901234567894
        ("10000017", CheckDigit.SEVEN_DR, str(10000017 % 7)),
        ("10000017", CheckDigit.SEVEN_DSR, str(7 - 10000017 % 7)),
        ("ABC", CheckDigit.NONE, ""),
    ],
)
def test_check_digits(number: str, kind: CheckDigit, digit: str) -> None:
    """As the label would carry it."""
    assert check_digit(number, kind) == digit


def test_a_number_is_dressed_as_a_label() -> None:
    """Prefix, start letter, number, check digit, stop letter, Enter."""
    form = NumberForm("P", "A", "B", "\n", CheckDigit.MODULUS_10)
    assert form.dress("490123456789") == "PA4901234567894B\n"
    with pytest.raises(ValueError, match="digits"):
        check_digit("A1", CheckDigit.MODULUS_10)


def test_without_a_keyboard_program_there_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the programs and the other way."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoKeyboardTool, match=r"xdotool or ydotool.*--websocket") as error:
        Keyboard()
    assert error.value.tried == ("xdotool", "ydotool")


def test_keystrokes_go_through_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number is the program's input and none of its arguments, which everybody on the computer could read."""
    program = tmp_path / "xdotool"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\n/bin/cat > {tmp_path}/typed\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    Keyboard().send("10000017\n")
    assert (tmp_path / "typed").read_text() == "10000017\n"
    assert "10000017" not in (tmp_path / "arguments").read_text()


def test_a_failing_keyboard_program_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that cannot reach the screen is an error, and nothing is said to be typed."""
    program = tmp_path / "xdotool"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoKeyboardTool, match="ended with 1"):
        Keyboard().send("10000017\n")


def test_programs_hear_the_number_and_strange_pages_do_not() -> None:
    """A listener without origin and one of a named origin get it; a page of any other origin is not let in."""
    with LocalSocket(0, ["https://opac.example.jp"]) as socket:
        address = f"ws://127.0.0.1:{socket.port}"
        with pytest.raises(InvalidStatus):
            connect(address, origin="https://evil.example")
        with connect(address) as program, connect(address, origin="https://opac.example.jp") as page:
            while len(socket._listeners) < 2:
                pass
            socket.send("10000017")
            assert [json.loads(one.recv(5)) for one in (program, page)] == [{"patron": "10000017"}] * 2


def test_a_number_is_taken_from_an_account_only() -> None:
    """A refusal of the agent, or of the library, is its code and never a number."""
    facts = {"kind": "facts", "rows": [{"label": "Patron number", "value": "10000017"}]}
    done = {"state": "done", "result": {"outcome": "done", "code": "library.welcome", "view": [facts]}}
    assert number_of(done) == "10000017"
    refused = {"state": "done", "result": {"outcome": "refused", "code": "library.not_linked", "view": []}}
    with pytest.raises(AgentRefused, match=r"library\.not_linked"):
        number_of(refused)
    with pytest.raises(AgentRefused, match="pin_wrong"):
        number_of({"state": "problem", "problem": {"code": "pin_wrong"}})
