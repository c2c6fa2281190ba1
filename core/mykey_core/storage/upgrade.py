"""Bringing a whole database up to date: the core's tables, those of every installed plugin, and who may do what."""

from __future__ import annotations

import logging
from importlib.metadata import EntryPoint, entry_points

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from mykey_core.errors import ConfigurationError
from mykey_core.plugins.loader import ENTRY_POINT_GROUP
from mykey_core.plugins.manifest import read_manifest
from mykey_core.plugins.names import check_name
from mykey_core.storage import migrate, postgres
from mykey_core.storage.engine import open_engine
from mykey_core.storage.errors import unavailable
from mykey_core.storage.plugin_tables import upgrade_plugin

_log = logging.getLogger(__name__)


def upgrade_tables(url: str, *, hub_role: str | None = None) -> list[str]:
    """Upgrade the database at `url`, whose role owns the tables; returns the plugins whose tables could not be made.

    `hub_role` is the PostgreSQL role that the hub runs as.
    """
    engine = open_engine(url)
    try:
        migrate.upgrade(engine)
        points = sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name)
        names = [point.name for point in points]
        failed = [point.name for point in points if not _upgrade_plugin(engine, point, hub_role, names)]
        with engine.begin() as connection:
            postgres.lock_upgrade(connection)
            postgres.secure(connection, hub_role)
    except DBAPIError as error:
        raise unavailable(error.orig) or error from error
    finally:
        engine.dispose()
    return failed


def _upgrade_plugin(engine: Engine, point: EntryPoint, hub_role: str | None, others: list[str]) -> bool:
    """Whatever is wrong with a plugin's migrations, the core and the other plugins are upgraded."""
    try:
        manifest = read_manifest(point.value, point.name)
        check_name(manifest.name, [other for other in others if other < point.name])
        if manifest.runtime == "local" and "database" in manifest.requests.capabilities:
            upgrade_plugin(engine, manifest.name, manifest.package, manifest.table_prefix, hub_role)
    except ConfigurationError:
        raise  # the hub's own set-up: nothing can be upgraded like this
    except Exception as error:  # noqa: BLE001 - a migration is the plugin's code
        _log.error("plugin %s could not be upgraded: %s", point.name, type(error).__name__)
        return False
    return True
