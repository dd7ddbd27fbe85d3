"""SQLite: transactions without deadlocks, checks of the file, and few calls to the thread of the driver."""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from bot.store.store_errors import DamagedError, discard_broken

if TYPE_CHECKING:
    import aiosqlite
    from sqlalchemy.ext.asyncio import AsyncEngine

FILES = "files"  # key in a connection's record: the paths of its file, of the write-ahead log and of its index
FILE = "file"  # likewise: the state of the open file
LOGS = "logs"  # likewise: identities of the write-ahead log and of its index, once they exist


def prepare(engine: AsyncEngine) -> None:
    """Make the transactions of an engine safe beside those of other processes, and its statements cheap."""
    sa.event.listen(engine.sync_engine, "connect", _prepare)
    sa.event.listen(engine.sync_engine, "checkout", _reconnect_if_changed)
    sa.event.listen(engine.sync_engine, "begin", _begin_immediate)
    sa.event.listen(engine.sync_engine, "handle_error", discard_broken)


class _Executed(NamedTuple):
    """What a statement leaves, as the attributes of a cursor have it."""

    description: Any = None
    rowcount: int = -1
    lastrowid: int | None = None
    rows: Sequence[Any] = ()


class _Fetching(sqlite3.Cursor):
    """Returns the attributes with the rows. They are complete then: `rowcount` of a RETURNING is not before."""

    def fetchall(self) -> Any:
        rows = super().fetchall()
        return _Executed(self.description, self.rowcount, self.lastrowid, rows)


class Connection(sqlite3.Connection):
    """A connection for aiosqlite whose `execute_fetchall` returns more than rows. It is called in its thread."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        return self.cursor(_Fetching).execute(sql, parameters)


class Cursor:
    """A driver cursor for SQLAlchemy (`AsyncIODBAPICursor`) that calls the driver's thread once for a statement.

    Each call wakes that thread, and then the event loop, which costs more than most statements do. aiosqlite's own
    cursor needs a call each to open, execute, fetch and close. SQLAlchemy fetches all rows at once, always.
    """

    arraysize = 1

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._executed = _Executed()

    async def __aenter__(self) -> Cursor:
        return self

    @property
    def description(self) -> Any:
        return self._executed.description

    @property
    def rowcount(self) -> int:
        return self._executed.rowcount

    @property
    def lastrowid(self) -> int | None:
        return self._executed.lastrowid

    async def execute(self, operation: str, parameters: Sequence[Any] = ()) -> Cursor:
        executed: Any = await self._connection.execute_fetchall(operation, parameters)
        self._executed = executed
        return self

    async def executemany(self, operation: str, parameters: Iterable[Sequence[Any]]) -> Cursor:
        done = await self._connection.executemany(operation, parameters)
        self._executed = _Executed(rowcount=done.rowcount)
        return self

    async def fetchall(self) -> Iterable[Any]:
        return self._executed.rows

    async def close(self) -> None:
        self._executed = _Executed()


def _prepare(connection: Any, record: sa.pool.ConnectionPoolEntry) -> None:
    driver = connection.driver_connection
    # A weak proxy avoids a reference cycle, so a dropped connection is freed immediately.
    proxy: Any = weakref.proxy(driver)
    driver.cursor = partial(Cursor, proxy)
    try:
        name = _set_up(connection.cursor())
    except Exception:
        connection.close()  # the pool drops it, but its thread would stay
        raise
    # Kept, since to make a path takes longer than to look at the file, and each transaction looks at three.
    record.info[FILES] = Path(name), Path(f"{name}-wal"), Path(f"{name}-shm")
    record.info[FILE] = _state(record.info[FILES][0])
    record.info[LOGS] = (None, None)


def _set_up(cursor: Any) -> str:
    """Set the pragmas of a connection, check its file, and return the file's name.

    Raises:
        DamagedError: pages of the file are damaged, perhaps some that are rarely read.
    """
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # the record of a sent message must survive a power cut
    cursor.execute("PRAGMA quick_check(1)")
    found = str(cursor.fetchone()[0])
    if found != "ok":
        raise DamagedError(found)
    cursor.execute("PRAGMA database_list")
    name = str(cursor.fetchone()[2])
    cursor.close()
    return name


def _reconnect_if_changed(_connection: Any, record: sa.pool.ConnectionPoolEntry, _proxy: Any) -> None:
    """Reconnect if the file was removed, replaced or written, or if its logs were removed.

    Writes to a removed file are lost. The contents of a removed log are saved when the connection is closed. The
    file is written only at checkpoints, which are rare; any other change may have damaged it, and a connection
    with its pages in memory would not notice.
    """
    file, log, index = record.info[FILES]
    if _state(file) != record.info[FILE]:
        raise sa.exc.DisconnectionError("the database file has changed")
    logs = _identity(log), _identity(index)
    known = record.info[LOGS]
    if any(before not in (None, now) for before, now in zip(known, logs, strict=True)):
        raise sa.exc.DisconnectionError("the write-ahead log of the database is another file now")
    record.info[LOGS] = logs  # the first transaction creates them


def _state(path: Path) -> tuple[int, ...] | None:
    """Return the values that change when a file is replaced or written; None if there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _identity(path: Path) -> tuple[int, ...] | None:
    """Return the values that identify a file; None if there is none."""
    state = _state(path)
    return state[:2] if state else None


def _begin_immediate(connection: sa.Connection) -> None:
    # The driver's own BEGIN is deferred: two readers that both want to write would deadlock.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
