"""The migrations make exactly the tables of the code, and only one column holds pairwise ids."""

from __future__ import annotations

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from mykey_taxi.tables import metadata
from mykey_testkit.plugin_hub import manifest_of


def test_migrations_equal_the_metadata(taxi_town: Any) -> None:
    """Nothing differs between the database and the tables in the code, on both databases."""
    with taxi_town.hub.engine.connect() as connection:
        options = {
            "compare_type": True,
            "include_name": lambda name, kind, _: kind != "table" or name in metadata.tables,
        }
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


def test_every_key_begins_with_the_municipality() -> None:
    """So that tables can be distributed by it (architecture §4)."""
    first = {table.name: next(iter(table.primary_key.columns)).name for table in metadata.sorted_tables}
    assert set(first.values()) == {"municipality"}


def test_the_manifest_names_every_column_of_pairwise_ids() -> None:
    """`subject` is the only name for such a column here, and re-keying knows it."""
    columns = {f"{table.name}.{column.name}" for table in metadata.sorted_tables for column in table.columns}
    own = {name for name in columns if name.endswith(".subject")}
    assert set(manifest_of("taxi").subject_columns) == own
