"""Opening a database: URLs as hosts give them, and what each kind needs so that raced starts and kills are safe."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

BUSY_SECONDS = 5  # how long SQLite waits for another process's transaction
CONNECT_SECONDS = 5
HANG_SECONDS = 10
LOOPBACK = {None, "", "localhost", "127.0.0.1", "::1"}
MIGRATION_LOCK = 0x6B66_626F_74  # any number, the same in every process


def database_url(text: str) -> sa.URL:
    """The URL with the driver this bot uses, and TLS when the host is remote and nothing else is said.

    Heroku-style hosts give `postgres://`, which SQLAlchemy no longer knows.
    """
    url = make_url(text.replace("postgres://", "postgresql://", 1))
    if url.get_backend_name() == "sqlite":
        return url.set(drivername="sqlite+aiosqlite")
    url = url.set(drivername="postgresql+psycopg")
    named = url.query.get("host")  # ?host=/path is a socket on this machine
    remote = url.host not in LOOPBACK or (named and not str(named).startswith("/") and named not in LOOPBACK)
    if remote and "sslmode" not in url.query:
        url = url.update_query_dict({"sslmode": "require"})
    return url


def make_engine(text: str) -> AsyncEngine:
    """An engine whose transactions are safe beside those of other processes. Connects to nothing yet."""
    url = database_url(text)
    if url.get_backend_name() == "sqlite":
        engine = create_async_engine(
            url, connect_args={"timeout": BUSY_SECONDS, "isolation_level": None}, poolclass=sa.NullPool
        )
        sa.event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        sa.event.listen(engine.sync_engine, "begin", _begin_immediate)
        return engine
    return create_async_engine(
        url,
        pool_size=2,
        max_overflow=2,
        pool_pre_ping=True,
        pool_timeout=CONNECT_SECONDS,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            # A server that vanishes without a word is noticed in seconds, not in a quarter of an hour.
            "tcp_user_timeout": HANG_SECONDS * 1000,
            "keepalives_idle": HANG_SECONDS,
            # Moments are read in UTC: in a zone to the east the last of them would not fit.
            "options": f"-c timezone=UTC -c statement_timeout={HANG_SECONDS}s",
        },
    )


async def migrate(engine: AsyncEngine) -> None:
    """Bring the schema up to date. Any number of processes may do it at once."""
    # Alembic and its templates take a quarter of a second to import, which `/healthz` must not wait for.
    await asyncio.to_thread(importlib.import_module, "alembic.command")
    async with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            # Held to the end of this transaction, so that racing starts migrate one after another.
            await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        await connection.run_sync(_upgrade)


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "bot.store:migrations")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    present = MigrationContext.configure(connection).get_current_revision()
    if present is not None and present not in known:
        # A newer release was here, and this one was rolled back to. Migrations only add: its tables still fit.
        return
    command.upgrade(config, "head")


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # a told message must survive a power cut
    cursor.close()


def _begin_immediate(connection: sa.Connection) -> None:
    # The driver's own BEGIN is deferred: two readers that both want to write would deadlock.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
