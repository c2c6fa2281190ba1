"""A tap through a real PC/SC service: the terminal, pcscd, the virtual reader and the emulated card as processes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from mykey_testkit.pcsc import PrivatePcscd, require_pcsc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MYKEY = [sys.executable, "-c", "from mykey_terminal.cli import terminal; terminal()"]

pytestmark = pytest.mark.pcsc


@pytest.fixture
def service(tmp_path: Path) -> Iterator[PrivatePcscd]:
    """A pcscd of our own."""
    require_pcsc()
    with PrivatePcscd(tmp_path / "pcsc") as running:
        yield running


def tap(service: PrivatePcscd, state: Path, pin: str, *more: str) -> dict[str, Any]:
    """Run `mykey terminal tap` with the reader and return its report."""
    options = ["tap", "--state", str(state), "--service", "library", "--pin-stdin", "--json", *more]
    done = subprocess.run(
        [*MYKEY, *options],
        input=pin.encode() + b"\n",
        capture_output=True,
        check=False,
        timeout=60,
        env=service.environment,
    )
    assert done.stderr == b""
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_tap_with_a_card_in_a_reader(service: PrivatePcscd, at_home: Path, hub_double: Any) -> None:
    """Empty reader, wrong PIN, right PIN; the proof verifies and the tries are back."""
    assert tap(service, at_home, "1234")["problem"]["code"] == "no_card"
    service.insert("adult")
    wrong = tap(service, at_home, "9999")
    assert (wrong["problem"]["code"], wrong["card"]["attempts_remaining"]) == ("pin_wrong", 2)
    right = tap(service, at_home, "1234")
    assert (right["state"], right["card"]["attempts_remaining"]) == ("done", 3)
    assert len(hub_double.effects) == 1
    assert "00 20 00 80 04 ** ** ** **" in [exchange["command"] for exchange in right["trace"]]


def test_two_cards_need_a_choice(service: PrivatePcscd, at_home: Path) -> None:
    """With a card in both readers the terminal asks which; named by a part of its name, one is used."""
    service.insert("adult", slot=0)
    service.insert("child", slot=1)
    undecided = tap(service, at_home, "1234")
    assert undecided["problem"]["code"] == "reader_choice"
    names = undecided["problem"]["readers"]
    assert len(names) == 2
    assert tap(service, at_home, "2345", "--reader", names[1])["state"] == "done"


def test_service_that_is_away_is_told(service: PrivatePcscd, at_home: Path) -> None:
    """Without pcscd the code says that there is no reader."""
    service.stop_service()
    assert tap(service, at_home, "1234")["problem"]["code"] == "no_reader"
