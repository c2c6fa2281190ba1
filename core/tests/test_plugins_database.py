"""The wall around a plugin's tables: a statement over anybody else's table is denied."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, literal_column, select, text
from sqlalchemy.sql import Executable

from mykey_core.api import CapabilityDenied, PluginDatabase
from mykey_core.storage import tables
from mykey_core.storage.engine import open_engine

_metadata = MetaData()
_own = Table("sample_thing", _metadata, Column("id", Integer, primary_key=True))


@pytest.fixture
def database() -> Iterator[PluginDatabase]:
    engine = open_engine("sqlite://")
    tables.metadata.create_all(engine)
    _metadata.create_all(engine)
    with engine.begin() as connection:
        yield PluginDatabase("sample", "sample_", "132217", connection)
    engine.dispose()


def test_own_tables_can_be_used(database: PluginDatabase) -> None:
    """A plugin writes and reads what is its own."""
    database.execute(insert(_own), {"id": 7})
    assert database.execute(select(_own.c.id)).scalar() == 7


@pytest.mark.parametrize(
    "statement",
    [
        select(tables.credential),
        select(_own).join(tables.person, tables.person.c.state == "active"),
        select(_own).where(_own.c.id.in_(select(tables.tap.c.state))),
        insert(tables.audit_record),
        tables.tap.delete(),
        select(select(tables.pairwise.c.subject).scalar_subquery()),
        insert(_own).from_select(["id"], select(tables.tap.c.state)),
        text("select 1"),
        select(text("nonce from tap")),
        select(_own).where(text("exists (select 1 from tap)")),
        select(literal_column("(select nonce from tap)")),
    ],
)
def test_other_tables_are_denied(database: PluginDatabase, statement: Executable) -> None:
    """Joins, subqueries, inserts from elsewhere and textual SQL are denied by name of the capability."""
    with pytest.raises(CapabilityDenied) as denied:
        database.execute(statement)
    assert denied.value.capability == "database"
