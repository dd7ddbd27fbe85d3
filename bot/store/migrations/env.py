"""How Alembic runs a migration here: on the connection, and inside the transaction, that it is handed."""

from alembic import context

from bot.store.tables import metadata

# Without transactional_ddl Alembic commits step by step on SQLite, and a kill in between bricks the store.
context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True
)
with context.begin_transaction():
    context.run_migrations()
