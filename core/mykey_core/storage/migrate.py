"""Bringing a database to the tables of this version, with Alembic: one version table for the core, one a plugin.

A plugin can so be purged without blocking the core's own upgrade (architecture §4). Alembic is imported on use: web
processes never migrate, and whether they may run is found out in `pending`.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine

from mykey_core.storage.postgres import lock_upgrade

if TYPE_CHECKING:
    from alembic.config import Config

CORE_PACKAGE = "mykey_core.storage"
CORE_VERSION_TABLE = "alembic_version"


def version_table_of(plugin: str) -> str:
    """The name of a plugin's version table."""
    return f"alembic_version_{plugin}"


def configuration(folder: str, version_table: str, connection: Connection | None = None) -> Config:
    """Alembic's configuration for the migrations in `folder`; `env.py` finds connection and version table in it."""
    from alembic.config import Config  # noqa: PLC0415 - see the module

    config = Config()
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["version_table"] = version_table
    return config


def upgrade(engine: Engine, package: str = CORE_PACKAGE, version_table: str = CORE_VERSION_TABLE) -> None:
    """Run the migrations in the folder `migrations` of `package` that the database has not seen."""
    with engine.begin() as connection:
        lock_upgrade(connection)
        run(connection, package, version_table)


def run(connection: Connection, package: str, version_table: str) -> None:
    """The same within the caller's transaction."""
    from alembic import command  # noqa: PLC0415 - see the module

    with as_file(files(package) / "migrations") as folder:
        command.upgrade(configuration(str(folder), version_table, connection), "head")


def status(
    engine: Engine, package: str = CORE_PACKAGE, version_table: str = CORE_VERSION_TABLE
) -> tuple[str | None, str | None]:
    """(revision of the database, newest revision of this version); None where there is none."""
    from alembic.migration import MigrationContext  # noqa: PLC0415 - see the module
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - see the module

    with as_file(files(package) / "migrations") as folder:
        newest = ScriptDirectory.from_config(configuration(str(folder), version_table)).get_current_head()
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": version_table})
        return context.get_current_revision(), newest
