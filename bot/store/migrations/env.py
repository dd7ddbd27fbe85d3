"""The Alembic environment: migrate on the given connection, inside its transaction."""

from alembic import context

from bot.store.partial_indexes import metadata

# Without transactional_ddl Alembic commits each step on SQLite, and a kill in between leaves the store unusable.
context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True
)
with context.begin_transaction():
    context.run_migrations()
