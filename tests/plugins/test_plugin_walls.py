"""A plugin that gets hold of the raw connection still meets the database's own walls."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import column, func, select, table, text
from sqlalchemy.exc import DBAPIError

from mykey_core.api import CapabilityDenied
from mykey_core.plugins.database import _places, core_session
from mykey_core.storage.tables import person

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


def use_raw_connection(hub: Any, statement: str, *, walled: bool) -> None:
    """What a hostile plugin can do: reach behind its handle for the connection, and send text."""
    plugin = hub.plugins.plugins["a"]
    with hub.database.writing() as session, hub.plugins.opened(plugin, session) as database:
        raw = _places[database].session.connection
        assert list(raw.execute(text("SELECT id FROM a_thing"))) == []  # its own table can be read
        if walled:
            raw.execute(text(statement))
        else:
            with core_session(database) as core:
                core.connection.execute(text(statement))


@pytest.mark.parametrize("statement", ATTACKS)
def test_textual_sql_on_the_raw_connection_reaches_no_other_table(
    distributions: Any, town: Any, statement: str
) -> None:
    """Core tables, another plugin's tables and changes of tables are refused by SQLite and by PostgreSQL."""
    hub = town(distributions.install("a") + distributions.install("b")).hub
    with pytest.raises(DBAPIError, match=r"not authorized|prohibited|permission denied|must be owner|does not exist"):
        use_raw_connection(hub, statement, walled=True)
    with hub.database.reading() as session:  # the wall is down again: the core is at work
        own = person.c.municipality == "132217"
        assert session.execute(select(func.count()).select_from(person).where(own)).scalar() == 0


def test_the_wall_is_what_refuses(distributions: Any, town: Any) -> None:
    """The same statements pass where the core has taken the wall down for its own work."""
    hub = town(distributions.install("a") + distributions.install("b")).hub
    for statement in ATTACKS[:4]:
        use_raw_connection(hub, statement, walled=False)


def test_a_handle_is_dead_after_the_hook(distributions: Any, town: Any) -> None:
    """A plugin that keeps its handle cannot write into somebody else's transaction."""
    hub = town(distributions.install("a")).hub
    with hub.database.writing() as session, hub.plugins.opened(hub.plugins.plugins["a"], session) as database:
        kept = database
    with pytest.raises(CapabilityDenied, match="is over"):
        kept.execute(select(table("a_thing", column("id"))))


def test_a_plugin_without_the_capability_has_no_database(distributions: Any, town: Any) -> None:
    """Its handle names the capability that it lacks."""
    hub = town(distributions.install("a", "", capabilities=("tap",))).hub
    plugin = hub.plugins.plugins["a"]
    with hub.database.writing() as session, hub.plugins.opened(plugin, session) as database:
        handle = database
        with pytest.raises(CapabilityDenied) as denied:
            handle.execute(select(1))
    assert denied.value.capability == "database"
