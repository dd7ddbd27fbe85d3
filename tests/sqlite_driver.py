"""SQLite's statements in the thread of the event loop, for tests that are not about its driver.

In a bot, aiosqlite hands each statement to a thread of its connection, which wakes the loop afterwards: a quarter
of the CPU of a test. Here a statement runs at once, and then other tasks have their turn, as they have in a bot
meanwhile. Only a transaction that has to wait for the lock of another one begins in that thread. Calls that are
made while it waits are handed over, too, such as its end when it is cancelled.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from weakref import WeakKeyDictionary

import pytest
import sqlalchemy as sa
from aiosqlite.core import Connection

from tests.budgets import TEST_ALL

# aiosqlite has no public place for this; all its calls of the driver's connection pass through this method.
hand_over = Connection._execute
handed_over: WeakKeyDictionary[Connection, int] = WeakKeyDictionary()  # calls that its thread has not yet made


async def execute_in_loop(
    connection: Connection, function: Callable[..., Any], *arguments: Any, **named: Any
) -> Any:
    """Do what `Connection._execute` does, without its thread where nothing is to be waited for."""
    is_open = connection._running and connection._connection is not None
    begins = arguments[:1] == ("BEGIN IMMEDIATE",)
    if is_open and not handed_over.get(connection):
        try:
            with without_waiting(connection._conn) if begins else nullcontext():
                return function(*arguments, **named)
        except sqlite3.OperationalError as exc:
            if not begins or exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
        finally:
            await asyncio.sleep(0)

    def call() -> Any:
        try:
            return function(*arguments, **named)
        finally:
            handed_over[connection] -= 1

    handed_over[connection] = handed_over.get(connection, 0) + 1
    return await hand_over(connection, call)


@contextmanager
def without_waiting(driver: sqlite3.Connection) -> Iterator[None]:
    """Let a statement fail at once where it would wait for a lock."""
    cursor = driver.cursor()
    (milliseconds,) = cursor.execute("PRAGMA busy_timeout").fetchone()
    cursor.execute("PRAGMA busy_timeout = 0")
    try:
        yield
    finally:
        cursor.execute(f"PRAGMA busy_timeout = {milliseconds}")


def choose_driver(item: pytest.Item) -> None:
    """Let the statements of a test run in the loop, unless it is marked `driver_thread` or TEST_ALL is set."""
    is_real = TEST_ALL or item.get_closest_marker("driver_thread") is not None
    Connection._execute = hand_over if is_real else execute_in_loop  # type: ignore[method-assign]


@sa.event.listens_for(sa.Engine, "do_connect")
def allow_both_threads(dialect: sa.Dialect, _record: object, _cargs: object, parameters: dict[str, Any]) -> None:
    if dialect.driver == "aiosqlite":
        parameters["check_same_thread"] = False
