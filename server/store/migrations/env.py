"""Alembic's entry: runs migrations on the connection, and in the transaction, that `Database.migrate` opened."""

from alembic import context

from server.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
