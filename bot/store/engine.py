"""Database engines and migrations, safe for concurrent starts and kills."""

from __future__ import annotations

import asyncio
import importlib
import sys
from functools import cache
from pkgutil import iter_modules
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from bot.store import postgres, sqlite
from bot.store.async_engines import AsyncEngine, create_async_engine
from bot.store.migrations import versions
from bot.store.store_errors import DevelopmentSchemaError
from bot.store.transactions import CONNECT_SECONDS, transaction

if TYPE_CHECKING:
    from alembic.config import Config

BUSY_SECONDS = 5  # the wait of SQLite for another process's transaction
QUEUE_SECONDS = 15  # the wait for transactions of this process: late is better than refused in a burst of clicks
MIGRATION_SECONDS = 60
DEVELOPMENT_REVISIONS = frozenset(f"{number:04}" for number in range(1, 11))  # before the first release
VERSION = sa.table("alembic_version", sa.column("version_num"))  # of Alembic
MIGRATION_LOCK = 0x6B66_626F_74  # an arbitrary number, the same in every process


def is_sqlite(url: str) -> bool:
    return url.startswith("sqlite")


def sqlite_url(url: str) -> sa.URL:
    return make_url(url).set(drivername="sqlite+aiosqlite")


def make_engine(url: str, *, read_only: bool = False) -> AsyncEngine:
    """Make an engine whose transactions are safe beside those of other processes, without connecting.

    Args:
        read_only: accept a server that allows no writes.
    """
    if is_sqlite(url):
        engine = create_async_engine(
            sqlite_url(url),
            connect_args={"timeout": BUSY_SECONDS, "isolation_level": None, "factory": sqlite.DriverConnection},
            # One permanent connection: to open one costs a thread and a check of the whole file, more than most
            # transactions. SQLite allows one writer at a time anyway, and a queue here is fairer than its polling.
            poolclass=sa.AsyncAdaptedQueuePool,
            pool_size=1,
            max_overflow=0,
            pool_timeout=QUEUE_SECONDS,
            hide_parameters=True,  # errors would quote names and WeChat IDs
        )
        sqlite.prepare(engine)
        return engine
    from psycopg import AsyncConnection

    parameters = postgres.connection_parameters(url)
    engine = create_async_engine(
        "postgresql+psycopg://",
        async_creator=lambda: AsyncConnection.connect(**parameters),
        pool_size=2,
        max_overflow=2,
        pool_timeout=CONNECT_SECONDS,
        hide_parameters=True,
    )
    postgres.prepare(engine, read_only=read_only)
    return engine


async def migrate(engine: AsyncEngine) -> None:
    """Migrate the schema. Any number of processes may do so at once.

    Raises:
        DevelopmentSchemaError: a development version made the tables; nothing was changed.
    """
    async with transaction(engine, MIGRATION_SECONDS) as connection:
        if not await connection.run_sync(_is_behind):
            return
    # In a thread: it takes a quarter of a second, which `/healthz` must not wait for.
    await asyncio.to_thread(_import_alembic)
    async with transaction(engine, MIGRATION_SECONDS) as connection:
        if connection.dialect.name == "postgresql":
            # Held to the end of this transaction, so that racing starts migrate one after another.
            await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        await connection.run_sync(_upgrade)


def _import_alembic() -> None:
    """Import Alembic without Pygments, with which the templates of Mako would colour their tracebacks: 4.6 MB."""
    sys.modules.setdefault("mako.ext.pygmentplugin", None)  # type: ignore[arg-type]  # None: it cannot be imported
    importlib.import_module("alembic.command")


def revisions(connection: sa.Connection) -> tuple[str | None, tuple[str, ...]]:
    """Return the revision of a database (None: not migrated), and those that this release knows, newest first."""
    is_migrated = sa.inspect(connection).has_table(VERSION.name)
    return connection.scalar(sa.select(VERSION.c.version_num)) if is_migrated else None, known_revisions()


@cache
def known_revisions() -> tuple[str, ...]:
    """Return the revisions of this release, newest first.

    They are the names of their modules. Most processes need no more of Alembic, whose import takes 4 MB.
    """
    return tuple(sorted((module.name for module in iter_modules(versions.__path__)), reverse=True))


def _is_behind(connection: sa.Connection) -> bool:
    present, known = revisions(connection)
    if present in DEVELOPMENT_REVISIONS:
        raise DevelopmentSchemaError
    # An unknown one is that of a newer release, which was rolled back. Migrations only add: the tables still fit.
    return present is None or present in known[1:]


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command

    if not _is_behind(connection):
        return
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "bot.store:migrations")
    return config
