"""Opening a database: URLs as hosts give them, and what each kind needs so that raced starts and kills are safe."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bot.store import sqlite

if TYPE_CHECKING:
    from alembic.config import Config

BUSY_SECONDS = 5  # how long SQLite waits for another process's transaction
QUEUE_SECONDS = 15  # and how long for those of its own; a burst of clicks is rather late than refused
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
            url,
            connect_args={"timeout": BUSY_SECONDS, "isolation_level": None},
            # One connection, and kept: a file, a thread and two pragmas for each transaction cost twice what most
            # of them do. SQLite lets one at a time write anyway, and to queue here is fairer than its polling.
            poolclass=sa.AsyncAdaptedQueuePool,
            pool_size=1,
            max_overflow=0,
            pool_timeout=QUEUE_SECONDS,
        )
        sqlite.prepare(engine)
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


def revisions(connection: sa.Connection) -> tuple[str | None, list[str]]:
    """The revision of a database, None before the first; and those that this release knows, the newest first."""
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    known = [script.revision for script in ScriptDirectory.from_config(_config(connection)).walk_revisions()]
    return MigrationContext.configure(connection).get_current_revision(), known


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command

    present, known = revisions(connection)
    if present is not None and present not in known:
        # A newer release was here, and this one was rolled back to. Migrations only add: its tables still fit.
        return
    command.upgrade(_config(connection), "head")


def _config(connection: sa.Connection) -> Config:
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "bot.store:migrations")
    return config
