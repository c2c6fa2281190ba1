"""Back-ups while the hub writes, and restoring them, on both databases."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from mykey_core.cli import main
from mykey_core.storage.engine import open_engine
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
    assert "its audit log is intact" in restored.output
    library_hub.restart()
    assert library_hub.audit() == before
    assert _is_linked(library_hub.terminal())


def test_a_restored_database_is_verified(library_hub: HubHarness, tmp_path: Path) -> None:
    """A back-up whose audit was changed is restored and denounced; so is one that is older than a checkpoint."""
    library_hub.terminal().tap("adult", SERVICE, "link", patron_number="10000017")
    assert _mykey("audit", "checkpoint", "--config", library_hub.config, "-o", tmp_path / "c1").exit_code == 0
    assert _mykey("db", "backup", "--config", library_hub.config, tmp_path / "old").exit_code == 0
    library_hub.terminal()
    assert _mykey("audit", "checkpoint", "--config", library_hub.config, "-o", tmp_path / "c2").exit_code == 0
    older = _restore(library_hub, tmp_path / "old", "--replace", "--checkpoint", str(tmp_path / "c2"))
    assert (older.exit_code, "truncated" in older.output) == (1, True)
    same = _restore(library_hub, tmp_path / "old", "--replace", "--checkpoint", str(tmp_path / "c1"))
    assert same.exit_code == 0, same.output
    _tamper(library_hub)
    assert _mykey("db", "backup", "--config", library_hub.config, tmp_path / "edited").exit_code == 0
    edited = _restore(library_hub, tmp_path / "edited", "--replace")
    assert (edited.exit_code, "NOT intact" in edited.output) == (1, True)


def _tamper(hub: HubHarness) -> None:
    """Change the first record as the tables' owner."""
    url = hub.settings.database_owner_url or hub.settings.database_url
    engine = open_engine(url)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            triggers = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
            for name in triggers:
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            connection.execute(text("ALTER TABLE audit_record DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE audit_record SET event = 'tap.done' WHERE event = 'terminal.enrolled'"))
    engine.dispose()


@pytest.mark.parametrize("hub_engine", ["sqlite"], indirect=True)  # PostgreSQL has no INSERT OR REPLACE
def test_replacing_an_audit_record_is_refused(library_hub: HubHarness) -> None:
    """INSERT OR REPLACE deletes the old row first; on SQLite that, too, meets the append-only triggers."""
    replace = "INSERT OR REPLACE INTO audit_record SELECT municipality, id, at, 'tap.done', facts FROM audit_record"
    with library_hub.hub.engine.begin() as connection, pytest.raises(IntegrityError, match="append-only"):
        connection.execute(text(replace))
    assert library_hub.audit("tap.done") == []


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
