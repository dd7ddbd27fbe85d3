"""SQLite: begin with a write lock, reconnect if the file changes, and call the driver's thread once a statement."""

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

    from bot.store.async_engines import AsyncEngine

# Keys in a connection's `record.info`.
PATHS = "paths"  # of the database, of its write-ahead log (WAL), and of the index of that
FILE_STATE = "file_state"  # of the database, when it was opened
WAL_IDENTITIES = "wal_identities"  # of the log and of its index, once they have been seen


def prepare(engine: AsyncEngine) -> None:
    """Make the transactions of an engine safe beside those of other processes, and its statements cheap."""
    sa.event.listen(engine.sync_engine, "connect", _on_connect)
    sa.event.listen(engine.sync_engine, "checkout", _reconnect_if_changed)
    sa.event.listen(engine.sync_engine, "begin", _begin_immediate)
    sa.event.listen(engine.sync_engine, "handle_error", discard_broken)


class _Executed(NamedTuple):
    """The result of a statement: the attributes of a DB-API cursor, and the rows."""

    description: Any = None
    rowcount: int = -1
    lastrowid: int | None = None
    rows: Sequence[Any] = ()


class _ResultCursor(sqlite3.Cursor):
    """Returns its attributes with the rows: after the fetch, since only then `rowcount` of a RETURNING is final."""

    def fetchall(self) -> Any:
        rows = super().fetchall()
        return _Executed(self.description, self.rowcount, self.lastrowid, rows)


class DriverConnection(sqlite3.Connection):
    """The connection below aiosqlite's, which calls it in the driver's thread.

    `fetchall` of its cursors returns an `_Executed`, and so does `aiosqlite.Connection.execute_fetchall`.
    """

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        return self.cursor(_ResultCursor).execute(sql, parameters)


class OneCallCursor:
    """A driver cursor for SQLAlchemy (`AsyncIODBAPICursor`) that calls the driver's thread once for a statement.

    aiosqlite's own cursor makes four calls: to open, execute, fetch and close. Each wakes that thread, and then the
    event loop, which costs more than most statements do. The rows are fetched with the statement, so
    `AsyncConnection.stream` does not work.
    """

    arraysize = 1

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._executed = _Executed()

    async def __aenter__(self) -> OneCallCursor:
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

    async def execute(self, operation: str, parameters: Sequence[Any] = ()) -> OneCallCursor:
        executed: Any = await self._connection.execute_fetchall(operation, parameters)
        self._executed = executed
        return self

    async def executemany(self, operation: str, parameters: Iterable[Sequence[Any]]) -> OneCallCursor:
        done = await self._connection.executemany(operation, parameters)
        self._executed = _Executed(rowcount=done.rowcount)
        return self

    async def fetchall(self) -> Iterable[Any]:
        return self._executed.rows

    async def close(self) -> None:
        self._executed = _Executed()


def _on_connect(connection: Any, record: sa.pool.ConnectionPoolEntry) -> None:
    driver = connection.driver_connection
    # A weak proxy avoids a reference cycle, so a dropped connection is freed immediately.
    proxy: Any = weakref.proxy(driver)
    driver.cursor = partial(OneCallCursor, proxy)
    try:
        name = _set_pragmas_and_check(connection.cursor())
    except Exception:
        connection.close()  # the pool drops it without ending the driver's thread
        raise
    # Kept: three files are checked before each transaction, and to make a path takes longer than to check its file.
    record.info[PATHS] = Path(name), Path(f"{name}-wal"), Path(f"{name}-shm")
    record.info[FILE_STATE] = _state(record.info[PATHS][0])
    record.info[WAL_IDENTITIES] = (None, None)


def _set_pragmas_and_check(cursor: Any) -> str:
    """Set the pragmas of a connection, check its file, and return the file's name.

    Raises:
        DamagedError: pages are damaged. The whole file is read, also pages that statements rarely need.
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
    """Make the pool reconnect if the file was removed, replaced or written, or if its logs were removed.

    Writes to a removed file would be lost; closing the connection first saves what a removed log contains. Any
    other program that writes the file may damage pages, which a connection with these in memory does not notice.
    A checkpoint writes it, too, but is rare: the reconnect that this costs is not needed.

    Raises:
        sqlalchemy.exc.DisconnectionError: the pool is to open a new connection.
    """
    file, log, index = record.info[PATHS]
    if _state(file) != record.info[FILE_STATE]:
        raise sa.exc.DisconnectionError("the database file has changed")
    logs = _identity(log), _identity(index)
    known = record.info[WAL_IDENTITIES]
    if any(before not in (None, now) for before, now in zip(known, logs, strict=True)):
        raise sa.exc.DisconnectionError("the write-ahead log of the database was removed or replaced")
    record.info[WAL_IDENTITIES] = logs


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
    # A plain BEGIN locks nothing: two transactions that have read, and then both write, would block each other.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
