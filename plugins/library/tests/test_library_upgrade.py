"""From version 0.1: items become titles with copies, links stay links, and loans stay loans; and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Engine, text

from mykey_core.storage import migrate
from mykey_core.storage.engine import open_engine
from mykey_testkit.plugin_hub import MakeHub
from mykey_testkit.postgres import DatabaseUrls

_BEFORE = (
    "INSERT INTO library_patron VALUES ('132217', '10000017', 'active')",
    "INSERT INTO library_item VALUES ('132217', 'A1000001', '銀河鉄道の夜', '宮沢賢治')",
    "INSERT INTO library_link VALUES ('132217', 'subject', '10000017', 5)",
    "INSERT INTO library_loan VALUES ('132217', 'A1000001', '10000017', 7, '2026-11-16')",
)


@pytest.fixture
def engine(make_hub: MakeHub, hub_database: DatabaseUrls | None) -> Iterator[Engine]:
    """The tables of a hub, as their owner; the hub itself is closed."""
    hub = make_hub("library", database=hub_database)
    hub.hub.close()
    opened = open_engine(hub.settings.database_owner_url or hub.settings.database_url)
    yield opened
    opened.dispose()


def _move(engine: Engine, revision: str) -> None:
    folder = str(files("mykey_library") / "migrations")
    with engine.begin() as connection:
        configuration = migrate.configuration(folder, migrate.version_table_of("library"), connection)
        way = command.downgrade if revision == "0001" else command.upgrade
        way(configuration, revision)


def _rows(engine: Engine, sql: str) -> list[Any]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def test_what_was_there_is_there_afterwards(engine: Engine) -> None:
    """A title and a copy for each item, the same link and the same loan; and back again."""
    _move(engine, "0001")
    with engine.begin() as connection:
        for line in _BEFORE:
            connection.execute(text(line))
    _move(engine, "head")
    copies = "SELECT i.barcode, t.title, t.author, i.branch, i.status FROM library_item i JOIN library_title t"
    assert _rows(engine, f"{copies} ON t.id = i.title_id") == [("A1000001", "銀河鉄道の夜", "宮沢賢治", "main", "03")]
    links = "SELECT subject, kind, patron_number, linked_at FROM library_link"
    assert _rows(engine, links) == [("subject", "auth-certificate", "10000017", 5)]
    assert _rows(engine, "SELECT barcode, patron_number, renewals FROM library_loan") == [("A1000001", "10000017", 0)]
    assert _rows(engine, "SELECT category, keeps_history FROM library_patron") in (
        [("general", 0)],
        [("general", False)],
    )
    _move(engine, "0001")
    assert _rows(engine, "SELECT barcode, title, author FROM library_item") == [
        ("A1000001", "銀河鉄道の夜", "宮沢賢治")
    ]
