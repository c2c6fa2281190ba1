"""A plugin that gets hold of the raw connection still meets the database's own walls."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from mykey_core.plugins.database import _places

ATTACKS = [
    "SELECT person_id FROM credential",
    "SELECT count(*) FROM pairwise",
    "UPDATE person SET state = 'deceased'",
    "DELETE FROM outbox",
    "INSERT INTO a_thing (municipality, id) SELECT code, 1 FROM municipality",
    "CREATE TABLE a_more (id INTEGER)",
    "DROP TABLE a_thing",
    "SELECT id FROM b_thing",
]


@pytest.mark.parametrize("statement", ATTACKS)
def test_textual_sql_on_the_raw_connection_reaches_no_other_table(
    distributions: Any, town: Any, statement: str
) -> None:
    """Core tables, another plugin's tables and changes of tables are refused by SQLite and by PostgreSQL themselves."""
    hub = town(distributions.install("a") + distributions.install("b")).hub
    plugin = hub.plugins.plugins["a"]
    with pytest.raises(DBAPIError), hub.database.writing() as session:
        with hub.plugins.opened(plugin, session) as database:
            raw = _places[database].session.connection
            assert list(raw.execute(text("SELECT id FROM a_thing"))) == []  # its own table can be read
            raw.execute(text(statement))
