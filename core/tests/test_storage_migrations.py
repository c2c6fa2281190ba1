"""Migrations make exactly the tables that the code speaks of, on both databases."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, column, table, update

from mykey_core.storage import migrate, pending
from mykey_core.storage.all_tables import metadata
from mykey_core.storage.engine import open_engine
from mykey_testkit.postgres import OWNER, PostgresServer

_numbers = iter(range(1000))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An engine on an empty database."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/test.sqlite3"
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        name = f"migrations_{next(_numbers)}"
        server.execute(f"CREATE DATABASE {name} OWNER {OWNER}")
        url = server.url(name, OWNER)
    opened = open_engine(url)
    yield opened
    opened.dispose()


def test_migrations_equal_the_metadata(engine: Engine) -> None:
    """After an upgrade nothing differs between the database and the tables in the code."""
    migrate.upgrade(engine)
    with engine.connect() as connection:
        options = {"compare_type": True, "include_name": _is_ours}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    assert differences == []


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or name != migrate.CORE_VERSION_TABLE


def test_an_upgrade_can_be_repeated_and_is_reported(engine: Engine) -> None:
    """Before: no revision. After, and after a second upgrade: the newest."""
    before, newest = migrate.status(engine)
    assert before is None
    for _ in range(2):
        migrate.upgrade(engine)
        assert migrate.status(engine) == (newest, newest)


def test_every_table_of_the_core_begins_with_the_municipality() -> None:
    """The first column of each primary key is the six-digit code."""
    first = {table.name: next(iter(table.primary_key.columns)).name for table in metadata.sorted_tables}
    assert set(first.values()) == {"municipality", "code"}
    assert [name for name, column in first.items() if column == "code"] == ["municipality"]


def test_the_newest_revision_is_the_one_that_alembic_finds(engine: Engine) -> None:
    """What a start reads from the files by itself agrees with the judge."""
    assert pending.newest_revision(migrate.CORE_PACKAGE) == migrate.status(engine)[1]


def test_tables_are_current_only_after_the_upgrade(engine: Engine) -> None:
    """Of a new database, of one with an older revision, and of one that was upgraded."""
    place = (migrate.CORE_PACKAGE, migrate.CORE_VERSION_TABLE)
    assert not pending.is_current(engine, *place)
    migrate.upgrade(engine)
    assert pending.is_current(engine, *place)
    with engine.begin() as connection:
        connection.execute(update(table(migrate.CORE_VERSION_TABLE, column("version_num"))).values(version_num="0001"))
    assert not pending.is_current(engine, *place)


@pytest.mark.parametrize(
    "second",
    [
        'revision = "0003"\ndown_revision = ("0001", "0002")',
        'revision = str(2)\ndown_revision = "0001"',
        'revision = "0002"\ndown_revision = None',
    ],
    ids=["a merge", "no constant", "two lines"],
)
def test_unusual_revisions_are_left_to_alembic(second: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer where the files do not say it as plainly as ours do."""
    versions = tmp_path / "odd_revisions" / "migrations" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / "odd_revisions" / "__init__.py").touch()
    (versions / "0001.py").write_text('revision = "0001"\ndown_revision = None\n')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "odd_revisions", raising=False)
    assert pending.newest_revision("odd_revisions") == "0001"
    (versions / "0002.py").write_text(second)
    assert pending.newest_revision("odd_revisions") is None
