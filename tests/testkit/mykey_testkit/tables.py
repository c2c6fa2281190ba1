"""The tables of a new hub on SQLite, made once in a process and then copied: migrations are half of a small test."""

from __future__ import annotations

import tempfile
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from sqlalchemy import make_url

from mykey_core.plugins.loader import ENTRY_POINT_GROUP
from mykey_core.storage.upgrade import upgrade_tables


def give_tables(url: str) -> None:
    """Put the tables of the core and of the installed plugins into a SQLite file that is not there yet.

    Any other database is left alone. Whoever upgrades it afterwards finds it up to date.
    """
    database = make_url(url)
    if database.get_backend_name() == "sqlite" and database.database and not Path(database.database).exists():
        installed = frozenset((point.name, point.value) for point in entry_points(group=ENTRY_POINT_GROUP))
        Path(database.database).write_bytes(_upgraded(installed))


@cache
def _upgraded(installed: frozenset[tuple[str, str]]) -> bytes:
    """The file after the upgrade with these plugins; its last connection has taken the write-ahead log away."""
    del installed
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "upgraded.sqlite3")
        upgrade_tables(f"sqlite:///{file}")
        return file.read_bytes()
