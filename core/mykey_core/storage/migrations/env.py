"""Alembic's environment for the core's tables; run by `storage.migrate`, never by the alembic program."""

from alembic import context

from mykey_core.storage.all_tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table=context.config.attributes["version_table"],
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
