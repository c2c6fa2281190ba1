"""Alembic's environment for the taxi's tables; run by the hub with the plugin's own version table."""

from alembic import context

from mykey_taxi.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=context.config.attributes["version_table"],
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
