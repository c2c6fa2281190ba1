"""What `mykey demo` prints: one address to begin with, and the next one whenever a code has been used."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from mykey_web.demo import cli, processes

FIRST = {"address": "http://127.0.0.1:4001", "pairing_code": "AAAA2222"}
NEXT = {"address": "http://127.0.0.1:4001", "pairing_code": "BBBB3333"}


def test_later_announcements_are_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first line of a process says that it is ready, each later one is passed on while it runs."""
    program = f"import sys, time; print({json.dumps(FIRST)!r}); print({json.dumps(NEXT)!r}, flush=True); time.sleep(60)"
    monkeypatch.setattr(processes, "_MYKEY", (sys.executable, "-c", program))
    heard: list[dict[str, Any]] = []
    arrived = threading.Event()

    def told(announcement: dict[str, Any]) -> None:
        heard.append(announcement)
        arrived.set()

    with processes.Child([], tmp_path / "log", told=told) as child:
        assert child.announcement == FIRST
        assert arrived.wait(20)
    assert heard == [NEXT]


def test_addresses_are_for_a_browser(capsys: pytest.CaptureFixture[str]) -> None:
    """The first address and the one for the next tab carry the agent's port and the code of the moment, and no PIN."""
    cli.announce("http://127.0.0.1:4000", FIRST)
    cli.announce_again("http://127.0.0.1:4000", NEXT)
    printed = capsys.readouterr().out
    assert "http://127.0.0.1:4000/point#agent=4001&pair=AAAA2222\n" in printed
    assert printed.endswith("http://127.0.0.1:4000/point#agent=4001&pair=BBBB3333\n")
    assert "1234" not in printed
