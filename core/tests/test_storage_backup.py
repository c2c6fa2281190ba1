"""Back-ups while the hub writes, and restoring them, on both databases."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mykey_core.cli import main
from mykey_testkit.hub import HubHarness, TerminalClient

SERVICE = "library-desk"


def _mykey(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def _restore(hub: HubHarness, file: Path, *options: str) -> Result:
    hub.hub.close()
    return _mykey("db", "restore", "--config", hub.config, file, *options)


def _is_linked(terminal: TerminalClient) -> bool:
    return terminal.tap("adult", SERVICE).get("state") == "done"


def test_what_happened_after_the_backup_is_gone_and_what_was_before_is_there(
    library_hub: HubHarness, tmp_path: Path
) -> None:
    """Link, back up, tap on, restore: the link is there, and the audit ends where the back-up was made."""
    terminal = library_hub.terminal()
    terminal.tap("adult", SERVICE, "link", patron_number="10000017")
    made = _mykey("db", "backup", "--config", library_hub.config, tmp_path / "b")
    assert made.exit_code == 0, made.output
    before = library_hub.audit()
    assert _is_linked(terminal)
    assert len(library_hub.audit()) > len(before)
    restored = _restore(library_hub, tmp_path / "b", "--replace")
    assert restored.exit_code == 0, restored.output
    library_hub.restart()
    assert library_hub.audit() == before
    assert _is_linked(library_hub.terminal())


def test_a_backup_while_the_hub_writes_is_one_state(library_hub: HubHarness, tmp_path: Path) -> None:
    """Under a stream of taps the copy holds a whole number of them: each opened tap with its request."""
    terminal = library_hub.terminal()
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            terminal.begin(SERVICE)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        results = [_mykey("db", "backup", "--config", library_hub.config, tmp_path / f"b{n}") for n in range(3)]
    finally:
        stop.set()
        writer.join()
    assert [result.exit_code for result in results] == [0, 0, 0], results[0].output
    restored = _restore(library_hub, tmp_path / "b1", "--replace")
    assert restored.exit_code == 0, restored.output
    library_hub.restart()
    assert library_hub.terminal().begin(SERVICE)["nonce"]


def test_nothing_is_overwritten_unasked(library_hub: HubHarness, tmp_path: Path) -> None:
    """Neither an existing file nor a database that is in use."""
    (tmp_path / "b").write_bytes(b"precious")
    assert _mykey("db", "backup", "--config", library_hub.config, tmp_path / "b").exit_code == 1
    assert (tmp_path / "b").read_bytes() == b"precious"
    assert _mykey("db", "backup", "--config", library_hub.config, tmp_path / "c").exit_code == 0
    assert _restore(library_hub, tmp_path / "c").exit_code == 1


@pytest.mark.parametrize("content", [b"", b"no database at all", b"SQLite format 3\x00" + b"\xff" * 4096])
def test_a_damaged_backup_changes_nothing(library_hub: HubHarness, tmp_path: Path, content: bytes) -> None:
    """A file that is no back-up is refused, and the database is as it was."""
    terminal = library_hub.terminal()
    terminal.tap("adult", SERVICE, "link", patron_number="10000017")
    before = library_hub.audit()
    (tmp_path / "b").write_bytes(content)
    result = _restore(library_hub, tmp_path / "b", "--replace")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    library_hub.restart()
    assert library_hub.audit() == before


def test_status_says_whether_the_tables_are_those_of_this_version(library_hub: HubHarness) -> None:
    """After an upgrade both revisions are equal."""
    result = _mykey("db", "status", "--config", library_hub.config, "--json")
    assert (result.exit_code, '"up_to_date": true' in result.output) == (0, True)
