"""SQLAlchemy engines: SQLite with a write-ahead log as the embedded default, PostgreSQL for a town.

What the hub does with an engine is in `database.py`; administration (migrations, back-ups) uses it as it is.
"""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from mykey_core.errors import ConfigurationError

BUSY_TIMEOUT_MS = 5_000
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,31}")
CONNECT_SECONDS = 5
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "recursive_triggers=ON",  # else INSERT OR REPLACE deletes a row without asking the append-only triggers
    f"busy_timeout={BUSY_TIMEOUT_MS}",
)


def open_engine(url: str, municipality: str | None = None) -> Engine:
    """An engine for `sqlite:///…` or `postgresql+psycopg://…`; nothing is connected yet.

    SQLite runs in WAL mode with synchronous=FULL: a commit that was acknowledged survives a power cut. PostgreSQL's
    sessions carry the municipality from their start, which its row-level security goes by.
    """
    try:
        if url.startswith("sqlite"):
            return _sqlite(url)
        options = f"-c search_path={_schemas()}" + (f" -c mykey.municipality={municipality}" if municipality else "")
        arguments = {"connect_timeout": CONNECT_SECONDS, "application_name": "mykey", "options": options}
        driver_url = url.replace("postgresql://", "postgresql+psycopg://", 1)
        return create_engine(driver_url, connect_args=arguments, poolclass=NullPool)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        message = "it is sqlite:///FILE or postgresql://…, and PostgreSQL needs mykey[postgres]"
        raise ConfigurationError("database_url", message) from error


def _schemas() -> str:
    """The core's schema, and that of each installed plugin (PostgreSQL passes over those that do not exist)."""
    names = sorted(point.name.replace("-", "_") for point in entry_points(group="mykey.plugins"))
    return ",".join(["public", *(f"plugin_{name}" for name in names if _IDENTIFIER.fullmatch(name))])


def _sqlite(url: str) -> Engine:
    in_memory = url in {"sqlite://", "sqlite:///:memory:"}
    pool = None if in_memory else NullPool  # `database.py` keeps its sessions open by itself, as many as threads
    arguments = {"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False}
    engine = create_engine(url, connect_args=arguments, poolclass=pool)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(dbapi_connection: Any, _record: object) -> None:
    dbapi_connection.isolation_level = None  # transactions are begun by us
    for pragma in _PRAGMAS:
        dbapi_connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    """Two writers queue instead of failing half-way; a transaction that a `Session` has begun is left as it is."""
    driver: Any = connection.connection.driver_connection
    if not driver.in_transaction:
        driver.execute("BEGIN IMMEDIATE")
