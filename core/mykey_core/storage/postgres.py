"""The second wall between municipalities, in PostgreSQL: row-level security, and a role that does not own the tables.

Every table with a column `municipality` shows and takes only the rows of the session's `mykey.municipality`, which the
hub's connections carry from their start (`engine.open_engine`). Owners and superusers pass the wall, hence
`check_role`.
"""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine.url import make_url
from sqlalchemy.sql import quoted_name

from mykey_core.errors import ConfigurationError
from mykey_core.storage.session import Session
from mykey_core.storage.tenancy import COLUMN

SETTING = "mykey.municipality"
APPEND_ONLY = frozenset({"audit_record", "audit_leaf", "audit_node", "audit_subject", "audit_checkpoint"})
_POLICY = "own_municipality"
_LOCK = 0x6D796B6579  # "mykey": one upgrade at a time
_IS_PRIVILEGED = text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
_OWNS = text("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tableowner = current_user")


def role_of(url: str) -> str | None:
    """The role that a database URL names; None for SQLite."""
    return make_url(url).username if url.startswith("postgresql") else None


def lock_upgrade(connection: Connection) -> None:
    """Wait until no other upgrade runs; held until the end of the transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))


def secure(connection: Connection, hub_role: str | None) -> None:
    """Raise the wall on every table, and give `hub_role` what it needs and no more; can be repeated."""
    if connection.dialect.name != "postgresql":
        return
    quote = connection.dialect.identifier_preparer.quote
    inspector = inspect(connection)
    for table in inspector.get_table_names():
        name = quote(quoted_name(table, quote=None))
        belongs = any(column["name"] == COLUMN for column in inspector.get_columns(table))
        if belongs:
            raise_wall(connection, name)
        if hub_role is not None:
            rights = _rights(table, belongs=belongs)
            connection.execute(text(f"GRANT {rights} ON {name} TO {quote(hub_role)}"))
    if hub_role is not None:
        connection.execute(text(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {quote(hub_role)}"))


def raise_wall(connection: Connection, table: str) -> None:
    """Row-level security on a table (quoted, with its schema where it is not `public`) that has a municipality."""
    own = f"{COLUMN} = current_setting('{SETTING}', true)"
    connection.execute(text(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"))
    connection.execute(text(f"DROP POLICY IF EXISTS {_POLICY} ON {table}"))
    connection.execute(text(f"CREATE POLICY {_POLICY} ON {table} USING ({own}) WITH CHECK ({own})"))


def _rights(table: str, *, belongs: bool) -> str:
    if not belongs:
        return "SELECT"
    return "SELECT, INSERT" if table in APPEND_ONLY else "SELECT, INSERT, UPDATE, DELETE"


def check_role(session: Session) -> None:
    """Refuse a hub whose role passes the wall: it is a superuser, or it owns tables."""
    if session.connection.dialect.name != "postgresql":
        return
    privileged = session.connection.execute(_IS_PRIVILEGED).scalar() or session.connection.execute(_OWNS).scalar()
    if privileged:
        message = "the hub's role passes row-level security: give it a role that is no superuser and owns no table"
        raise ConfigurationError("database_url", f"{message} (docs/how-to/postgresql.md)")
