"""SQLite's statements in the thread of the event loop, for tests that are not about its driver.

In a bot, aiosqlite hands each statement to a thread of its connection, which wakes the loop afterwards: a quarter
of the CPU of a test. Here a statement runs at once, and then other tasks have their turn, as they have in a bot
meanwhile. Only a transaction begins in that thread, since it may wait there for the lock of another one; until then
what follows is handed over, too, such as the end of a transaction that was cancelled while it waited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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
    if is_open and not handed_over.get(connection) and arguments[:1] != ("BEGIN IMMEDIATE",):
        try:
            return function(*arguments, **named)
        finally:
            await asyncio.sleep(0)

    def call() -> Any:
        try:
            return function(*arguments, **named)
        finally:
            handed_over[connection] -= 1

    handed_over[connection] = handed_over.get(connection, 0) + 1
    return await hand_over(connection, call)


def choose_for(item: pytest.Item) -> None:
    """Let the statements of a test run in the loop, unless it is marked `driver_thread` or everything is tested."""
    is_real = TEST_ALL or item.get_closest_marker("driver_thread") is not None
    Connection._execute = hand_over if is_real else execute_in_loop  # type: ignore[method-assign]


@sa.event.listens_for(sa.Engine, "do_connect")
def allow_both_threads(dialect: sa.Dialect, _record: object, _cargs: object, parameters: dict[str, Any]) -> None:
    if dialect.driver == "aiosqlite":
        parameters["check_same_thread"] = False
