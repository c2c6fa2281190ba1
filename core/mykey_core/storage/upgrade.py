"""Bringing a whole database up to date: the core's tables, those of every installed plugin, and who may do what."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from mykey_core.plugins.errors import PluginError
from mykey_core.plugins.loader import ENTRY_POINT_GROUP
from mykey_core.plugins.manifest import read_manifest
from mykey_core.storage import migrate, postgres
from mykey_core.storage.engine import open_engine
from mykey_core.storage.errors import unavailable


def upgrade_tables(url: str, *, hub_role: str | None = None) -> list[str]:
    """Upgrade the database at `url`, whose role owns the tables; returns the plugins whose tables could not be made.

    `hub_role` is the PostgreSQL role that the hub runs as.
    """
    engine = open_engine(url)
    try:
        migrate.upgrade(engine)
        points = sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name)
        failed = [point.name for point in points if not _upgrade_plugin(engine, point)]
        with engine.begin() as connection:
            postgres.lock_upgrade(connection)
            postgres.secure(connection, hub_role)
    except DBAPIError as error:
        raise unavailable(error.orig) or error from error
    finally:
        engine.dispose()
    return failed


def _upgrade_plugin(engine: Engine, point: EntryPoint) -> bool:
    try:
        manifest = read_manifest(point.value, point.name)
        if "database" in manifest.requests.capabilities:
            migrate.upgrade(engine, manifest.package, migrate.version_table_of(manifest.name))
    except PluginError:
        return False
    return True
