"""What SQLite needs: transactions that do not deadlock, a file that is still there, and few trips to its thread."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from bot.store.errors import discard_broken

if TYPE_CHECKING:
    import aiosqlite
    from sqlalchemy.ext.asyncio import AsyncEngine

FILE = "file"  # in a connection's record: name and identity of the file that it has open
LOG = "log"  # likewise, of its write-ahead log, once it has one


def prepare(engine: AsyncEngine) -> None:
    """Make the transactions of an engine safe beside those of other processes, and its statements cheap."""
    sa.event.listen(engine.sync_engine, "connect", _prepare)
    sa.event.listen(engine.sync_engine, "checkout", _leave_a_lost_file)
    sa.event.listen(engine.sync_engine, "begin", _begin_immediate)
    sa.event.listen(engine.sync_engine, "handle_error", discard_broken)


class Cursor:
    """A driver's cursor as SQLAlchemy wants one, `AsyncIODBAPICursor`, that makes no trip for nothing.

    Each trip to the driver's thread wakes it, and the loop after it, which costs more than most statements do. And
    aiosqlite's own cursor goes there to be opened, to execute, to fetch and to be closed. This one is opened by
    executing; and when all is fetched, as SQLAlchemy always does, nothing is left to close.
    """

    arraysize = 1

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._open: aiosqlite.Cursor | None = None

    async def __aenter__(self) -> Cursor:
        return self

    @property
    def description(self) -> Any:
        return self._open.description if self._open else None

    @property
    def rowcount(self) -> int:
        return self._open.rowcount if self._open else -1

    @property
    def lastrowid(self) -> int | None:
        return self._open.lastrowid if self._open else None

    async def execute(self, operation: str, parameters: Sequence[Any] = ()) -> Cursor:
        self._open = await self._connection.execute(operation, parameters)
        return self

    async def executemany(self, operation: str, parameters: Iterable[Sequence[Any]]) -> Cursor:
        self._open = await self._connection.executemany(operation, parameters)
        return self

    async def fetchall(self) -> Iterable[Any]:
        return await self._open.fetchall() if self._open else ()

    async def close(self) -> None:
        self._open = None


def _prepare(connection: Any, record: sa.pool.ConnectionPoolEntry) -> None:
    driver = connection.driver_connection
    # Not in a circle, so that a connection that is dropped is gone at once.
    itself: Any = weakref.proxy(driver)
    driver.cursor = partial(Cursor, itself)
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # a told message must survive a power cut
    cursor.execute("PRAGMA database_list")
    name = cursor.fetchone()[2]
    cursor.close()
    record.info[FILE] = name, _identity(name)
    record.info.pop(LOG, None)


def _leave_a_lost_file(_connection: Any, record: sa.pool.ConnectionPoolEntry, _proxy: Any) -> None:
    """Reconnect if the file or its write-ahead log was removed or replaced.

    What is written into a removed file is lost. Of a removed log the connection saves what it holds when it closes.
    """
    name, identity = record.info[FILE]
    if _identity(name) != identity:
        raise sa.exc.DisconnectionError("the database is another file now")
    log = _identity(f"{name}-wal")
    if record.info.setdefault(LOG, log) is None:
        record.info[LOG] = log  # the first write has made it
    elif record.info[LOG] != log:
        raise sa.exc.DisconnectionError("the write-ahead log of the database is another file now")


def _identity(name: str) -> tuple[int, int] | None:
    """What tells a file from another of the same name; None when there is none."""
    try:
        found = Path(name).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _begin_immediate(connection: sa.Connection) -> None:
    # The driver's own BEGIN is deferred: two readers that both want to write would deadlock.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
