"""Connections of a queue to its own schema, directly or through a pooler, and the tables in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from procrastinate.schema import SchemaManager
from psycopg import AsyncConnection, Error
from psycopg_pool import AsyncConnectionPool

from bot.queue_backends.queue_errors import QueueError
from bot.store.postgres import HANG_SECONDS, connection_parameters

SCHEMA = "kf_queue"
MOST_CONNECTIONS = 4  # small plans have 20 for everything; with direct connections one of them is for notifications
CONNECT_SECONDS = 5.0
COMMENT = f"SELECT obj_description(to_regnamespace('{SCHEMA}'), 'pg_namespace')"
INTO_SCHEMA = f"SET LOCAL search_path TO {SCHEMA}"


class PooledConnections(AsyncConnectionPool[Any]):
    """Connections through a pooler, which refuses options and shares sessions: set up each transaction."""

    @asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncIterator[Any]:  # noqa: ASYNC109  of the pool
        async with super().connection(timeout) as connection:
            await connection.execute(f"{INTO_SCHEMA}; SET LOCAL statement_timeout TO '{HANG_SECONDS}s'")
            yield connection


@asynccontextmanager
async def open_pool(url: str) -> AsyncIterator[tuple[AsyncConnectionPool[Any], bool]]:
    """Open connections to the queue's schema. Yield them, and whether they are direct."""
    parameters, direct = connection_parameters(url), await _is_direct(url)
    if direct:
        options = f"-c search_path={SCHEMA} -c statement_timeout={HANG_SECONDS}s"
        parameters["options"] = f"{parameters.get('options', '')} {options}"
    pool = (AsyncConnectionPool if direct else PooledConnections)(
        kwargs=parameters,
        min_size=1,
        max_size=MOST_CONNECTIONS - direct,
        configure=_commit_each_statement if direct else None,
        timeout=CONNECT_SECONDS,
        open=False,
    )
    async with pool:
        await pool.wait(CONNECT_SECONDS)
        yield pool, direct


async def _is_direct(url: str) -> bool:
    """Return whether connections reach the server itself: a pooler reports a process of its own."""
    async with await AsyncConnection.connect(**connection_parameters(url), autocommit=True) as connection:
        answer = await connection.execute("SELECT pg_backend_pid()")
        return await answer.fetchone() == (connection.info.backend_pid,)


async def _commit_each_statement(connection: Any) -> None:
    await connection.set_autocommit(True)


async def migrate(url: str) -> bool:
    """Make the tables of the installed version. Return False if they exist.

    Tables of another version are replaced with the jobs in them: a job is a hint, and the rows issue it again.

    Raises:
        QueueError: the database cannot be reached, or refuses.
    """
    release = version("procrastinate")
    try:
        async with await AsyncConnection.connect(**connection_parameters(url)) as connection:
            answer = await connection.execute(COMMENT)
            if await answer.fetchone() == (release,):
                return False
            await connection.execute(
                f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA}; "
                f"COMMENT ON SCHEMA {SCHEMA} IS '{release}'; {INTO_SCHEMA}"
            )
            await connection.execute(SchemaManager.get_schema())
    except Error as exc:
        raise QueueError(str(exc).partition("\n")[0]) from exc
    return True
