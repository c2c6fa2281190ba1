"""The card at the desk of a library that keeps its system: taps of a hub lend in another system, over SIP2."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import pytest

from mykey_core.plugins.loader import PluginState
from mykey_testkit.hub import TerminalClient
from mykey_testkit.plugin_hub import MakeHub

SERVICE = "library-desk"


def _settings(folder: Path, port: int, institution: str) -> dict[str, Any]:
    file = folder / "system.toml"
    file.write_text(f'institution = "{institution}"\nprofile = "mykey"\nuser = "kiosk01"\n', encoding="utf-8")
    return {"system": "sip2", "sip2_host": "127.0.0.1", "sip2_port": port, "sip2_file": str(file)}


def test_a_tap_lends_in_the_librarys_own_system(
    make_hub: MakeHub, library: Any, serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Link, lend, renew and return at the hub's terminal; the loan stands in the other system, and in no table here."""
    running = serve()
    monkeypatch.setenv("MYKEY_LIBRARY_SIP2_PASSWORD", "machine-password")
    hub = make_hub("library", settings=_settings(tmp_path, running.port, "姫路市立図書館"))
    terminal: TerminalClient = hub.terminal()
    linked = terminal.tap("adult", SERVICE, "link", patron_number="10000017")["result"]
    assert linked["code"] == "library.linked"
    visit = linked["visit"]["id"]
    lent = terminal.act(SERVICE, "lend", visit, barcode="A1000001")["result"]
    assert (lent["code"], library.loans()) == ("library.lent", {"A1000001": "10000017"})
    assert lent["view"][1]["rows"][0][:2] == ["銀河鉄道の夜", "A1000001"]
    assert terminal.act(SERVICE, "renew", visit, barcode="A1000001")["result"]["code"] == "library.renewed"
    assert terminal.act(SERVICE, "return", barcode="A1000001")["result"]["code"] == "library.returned"
    assert library.loans() == {}


def test_a_system_that_is_away_is_said_so(
    make_hub: MakeHub, library: Any, serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lent, and the terminal says in words that the library system cannot be reached."""
    running = serve()
    monkeypatch.setenv("MYKEY_LIBRARY_SIP2_PASSWORD", "machine-password")
    hub = make_hub("library", settings=_settings(tmp_path, running.port, "姫路市立図書館"))
    terminal = hub.terminal()
    visit = terminal.tap("adult", SERVICE, "link", patron_number="10000017")["result"]["visit"]["id"]
    running.stop()
    running.stop = lambda: None  # the fixture would stop it once more
    answer = terminal.act(SERVICE, "lend", visit, barcode="A1000001")["result"]
    assert answer["code"] in {"library.system_unreachable", "library.no_answer"}
    assert answer["message"]["what_to_do"]
    assert library.loans() == {}


def test_a_system_that_is_silent_does_not_hold_the_citizen(
    make_hub: MakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the connection and says nothing: within the terminal's patience the answer is a refusal in words."""
    monkeypatch.setenv("MYKEY_LIBRARY_SIP2_PASSWORD", "machine-password")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hub = make_hub("library", settings=_settings(tmp_path, silent.getsockname()[1], "姫路市立図書館"))
        began = time.monotonic()
        answer = hub.terminal().tap("adult", SERVICE, "link", patron_number="10000017")["result"]
    assert answer["code"] == "library.system_unreachable"
    assert time.monotonic() - began < 25


def test_settings_of_a_system_that_cannot_be_read_are_named(make_hub: MakeHub, tmp_path: Path) -> None:
    """The plugin is quarantined with the setting that is wrong."""
    hub = make_hub("library", settings={"system": "sip2"}, may_fail=True)
    assert (hub.report.state, "sip2_host" in hub.report.reason) == (PluginState.QUARANTINED, True)
    missing = {"system": "sip2", "sip2_host": "127.0.0.1", "sip2_file": str(tmp_path / "none.toml")}
    assert "sip2_file" in make_hub("library", settings=missing, may_fail=True).report.reason
