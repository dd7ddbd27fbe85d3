"""Open a transaction with a time limit, which also holds when the database stops answering."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from sqlalchemy.exc import DBAPIError

from bot.runtime.tasks import with_timeout
from bot.store.async_engines import AsyncConnection, AsyncEngine
from bot.store.store_errors import HangingError, ReadOnlyError, StoreError

CONNECT_SECONDS = 5.0


@asynccontextmanager
async def transaction(engine: AsyncEngine, seconds: float) -> AsyncIterator[AsyncConnection]:
    """Open a transaction: committed at the end of the block, rolled back by an exception.

    A connection that was lost while idle, or whose server does not accept writes any more, is replaced once.

    Raises:
        HangingError: PostgreSQL did not answer within `seconds`, or took longer than CONNECT_SECONDS to connect.
    """
    if engine.dialect.name == "sqlite":
        async with engine.begin() as connection:
            yield connection
        return
    connection, limit = await _begin(engine, seconds)
    try:
        yield connection
        await connection.commit()
    except StoreError as exc:
        if limit.passed:
            raise HangingError(f"no answer within {seconds:g} s") from exc
        raise
    finally:
        with suppress(*StoreError):
            await connection.close()  # rolls back if it was not committed, within the same limit
        limit.stop()


async def _begin(engine: AsyncEngine, seconds: float) -> tuple[AsyncConnection, _TimeLimit]:
    """Connect and begin. The first statement of the transaction shows whether an idle connection still works."""
    for is_last in (False, True):
        connection = await _connect(engine)
        limit = _TimeLimit(connection, seconds)
        try:
            await connection.begin()
        except BaseException as exc:
            limit.stop()
            with suppress(*StoreError):
                await connection.close()
            if limit.passed and isinstance(exc, StoreError):
                raise HangingError(f"no answer within {seconds:g} s") from exc
            lost = isinstance(exc, DBAPIError) and exc.connection_invalidated
            if is_last or not (lost or isinstance(exc, ReadOnlyError)):
                raise  # a new connection would not help
            if isinstance(exc, ReadOnlyError):
                await engine.dispose()  # the other idle connections lead to the same server
        else:
            return connection, limit
    raise AssertionError  # the second attempt returns or raises


async def _connect(engine: AsyncEngine) -> AsyncConnection:
    connection = engine.connect()

    async def connect() -> None:
        await connection

    try:
        await with_timeout(connect(), CONNECT_SECONDS + 1)  # the driver has its own time limit
    except TimeoutError as exc:
        # Hanging connections occupy the pool: give later transactions a new pool.
        await engine.dispose(close=False)
        raise HangingError(f"no connection within {CONNECT_SECONDS:g} s") from exc
    except asyncio.CancelledError:
        if connection.sync_connection is not None:  # it came at this moment, and would stay out of the pool
            with suppress(*StoreError):
                await connection.close()
        raise
    return connection


class _TimeLimit:
    """A timer that shuts the socket of a connection down, so that the driver fails at once.

    To cancel a statement instead, psycopg would ask the server and wait, without end if the server is stopped.
    """

    def __init__(self, connection: AsyncConnection, seconds: float) -> None:
        self._connection = connection
        self.passed = False
        self._timer = asyncio.get_running_loop().call_later(seconds, self._end)

    def stop(self) -> None:
        self._timer.cancel()

    def _end(self) -> None:
        self.passed = True
        sync = self._connection.sync_connection
        fairy = sync.connection if sync and not sync.closed and not sync.invalidated else None
        driver = getattr(fairy, "driver_connection", None)
        if driver is None or driver.closed:
            return
        with suppress(OSError):
            handle = socket.socket(fileno=driver.pgconn.socket)
            try:
                handle.shutdown(socket.SHUT_RDWR)
            finally:
                handle.detach()  # the driver keeps the socket
