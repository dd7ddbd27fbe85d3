"""A database as an earlier release has left it."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from bot.store.engine import make_engine


async def migrate_to(url: str, revision: str, statements: Sequence[str] = ()) -> None:
    """Make the tables of a revision in an empty database, and run these statements on them."""

    def upgrade(connection: sa.Connection) -> None:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", "bot.store:migrations")
        command.upgrade(config, revision)

    engine = make_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(upgrade)
        for statement in statements:
            await connection.execute(sa.text(statement))
    await engine.dispose()
