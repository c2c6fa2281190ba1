"""A plugin's room in the database: its tables made and upgraded, its PostgreSQL schema and role, and their removal.

Only `mykey db` and `mykey plugin` come here, as the role that owns the tables; web processes never migrate.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, MetaData, Table, inspect, text
from sqlalchemy.exc import ProgrammingError

from mykey_core.errors import ConfigurationError
from mykey_core.storage import migrate
from mykey_core.storage.postgres import lock_upgrade, raise_wall
from mykey_core.storage.tenancy import COLUMN
from mykey_core.storage.walls import role_name, schema_name

_ROLE_IS_THERE = text("SELECT 1 FROM pg_roles WHERE rolname = :role")
_IS_MEMBER = text("SELECT pg_has_role(:member, :role, 'MEMBER')")
_MAY = text("SELECT CASE WHEN to_regrole(:role) IS NULL THEN false ELSE pg_has_role(current_user, :role, 'MEMBER') END")


def upgrade_plugin(engine: Engine, plugin: str, package: str, table_prefix: str, hub_role: str | None = None) -> None:
    """Run the plugin's migrations in one transaction, and give its role and the hub's what they need."""
    with engine.begin() as connection:
        lock_upgrade(connection)
        _make_room(connection, plugin, table_prefix)
        migrate.run(connection, package, migrate.version_table_of(plugin))
        _check_prefix(connection, plugin, table_prefix)
        _secure_room(connection, plugin, hub_role)


def has_room(engine: Engine, plugin: str) -> bool:
    """Whether the hub's role may take the plugin's role; always so on SQLite."""
    if engine.dialect.name != "postgresql":
        return True
    with engine.connect() as connection:
        return bool(connection.execute(_MAY, {"role": role_name(plugin)}).scalar())


def remove_room(engine: Engine, plugin: str, table_prefix: str) -> list[str]:
    """Drop the plugin's tables and its version table; their names."""
    with engine.begin() as connection:
        lock_upgrade(connection)
        names = tables_of(connection, plugin, table_prefix)
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"DROP SCHEMA IF EXISTS {schema_name(plugin)} CASCADE"))
        else:
            connection.execute(text("PRAGMA defer_foreign_keys=ON"))
            for name in names:
                connection.execute(text(f"DROP TABLE {_quoted(connection, name)}"))
    return names


def tables_of(connection: Connection, plugin: str, table_prefix: str) -> list[str]:
    """The names of a plugin's tables, its version table last."""
    schema = schema_name(plugin) if connection.dialect.name == "postgresql" else None
    own = migrate.version_table_of(plugin)
    names = inspect(connection).get_table_names(schema=schema)
    found = sorted(name for name in names if name.startswith(table_prefix))
    return [*found, *(name for name in names if name == own)]


def reflected(connection: Connection, plugin: str, table_prefix: str) -> list[Table]:
    """The plugin's tables as the database has them, those that others refer to first; not its version table."""
    metadata = MetaData()
    schema = schema_name(plugin) if connection.dialect.name == "postgresql" else None
    names = [name for name in tables_of(connection, plugin, table_prefix) if name.startswith(table_prefix)]
    metadata.reflect(connection, schema=schema, only=names)
    return metadata.sorted_tables


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote_identifier(name)


def _make_room(connection: Connection, plugin: str, table_prefix: str) -> None:
    """A schema; tables that an earlier version has put beside the core's move there."""
    if connection.dialect.name != "postgresql":
        return
    schema = schema_name(plugin)
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
    for name in inspect(connection).get_table_names(schema="public"):
        if name.startswith(table_prefix) or name == migrate.version_table_of(plugin):
            connection.execute(text(f"ALTER TABLE public.{_quoted(connection, name)} SET SCHEMA {schema}"))
    connection.execute(text(f"SET LOCAL search_path TO {schema}, public"))


def _check_prefix(connection: Connection, plugin: str, table_prefix: str) -> None:
    """On PostgreSQL whatever a migration makes stands in the plugin's schema: each table must have its prefix."""
    if connection.dialect.name != "postgresql":
        return
    names = set(inspect(connection).get_table_names(schema=schema_name(plugin))) - {migrate.version_table_of(plugin)}
    foreign = sorted(name for name in names if not name.startswith(table_prefix))
    if foreign:
        raise ConfigurationError("migrations", f"plugin '{plugin}' makes a table that is not its own: {foreign[0]}")


def _secure_room(connection: Connection, plugin: str, hub_role: str | None) -> None:
    if connection.dialect.name != "postgresql":
        return
    schema, role = schema_name(plugin), role_name(plugin)
    _make_role(connection, role, hub_role)
    inspector = inspect(connection)
    for table in inspector.get_table_names(schema=schema):
        name = f"{schema}.{_quoted(connection, table)}"
        if any(column["name"] == COLUMN for column in inspector.get_columns(table, schema=schema)):
            raise_wall(connection, name)
        is_own = table != migrate.version_table_of(plugin)
        rights = "SELECT, INSERT, UPDATE, DELETE" if is_own else "SELECT"
        for who in {role, hub_role or role}:
            connection.execute(text(f"GRANT {rights} ON {name} TO {_quoted(connection, who)}"))
    for who in {role, hub_role or role}:
        connection.execute(text(f"GRANT USAGE ON SCHEMA {schema} TO {_quoted(connection, who)}"))
        connection.execute(text(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {_quoted(connection, who)}"))


def _make_role(connection: Connection, role: str, hub_role: str | None) -> None:
    wanted = []
    if connection.execute(_ROLE_IS_THERE, {"role": role}).first() is None:
        wanted.append(f"CREATE ROLE {role} NOLOGIN")
    if wanted or (hub_role and not connection.execute(_IS_MEMBER, {"member": hub_role, "role": role}).scalar()):
        wanted += [f"GRANT {role} TO {_quoted(connection, hub_role)}"] if hub_role else []
    for statement in wanted:
        try:
            connection.execute(text(statement))
        except ProgrammingError as error:
            message = f"it may not do what a plugin's role needs: give it CREATEROLE, or run as superuser: {statement}"
            raise ConfigurationError("database_owner_url", f"{message} (docs/how-to/postgresql.md)") from error
