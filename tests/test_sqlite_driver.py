"""Statements of SQLite behave alike in the loop's thread and in that of their connection."""

from __future__ import annotations

import asyncio
import threading

import pytest
import sqlalchemy as sa

from bot.store.database import Store
from bot.store.tables import poll_state
from tests.budgets import TEST_ALL
from tests.conftest import APPID, at_now


async def transactions(url: str, threads: set[threading.Thread]) -> list[str]:
    """Write from two stores of one file at a time, and return the steps in their order."""
    stores, steps = [Store.from_url(url, APPID, clock=at_now) for _ in range(2)], list[str]()

    def note_thread(*_: object) -> None:
        threads.add(threading.current_thread())

    async def write(store: Store, name: str) -> None:
        async with store.begin() as tx:
            steps.append(f"{name} begins")
            driver = (await tx.connection.get_raw_connection()).driver_connection
            await driver.set_trace_callback(note_thread)
            for _ in range(3):
                await tx.run(sa.update(poll_state).values(failed_polls=7))
            steps.append(f"{name} ends")

    for store in stores:
        await store.open()
    await asyncio.gather(*(write(store, name) for store, name in zip(stores, "ab", strict=True)))
    with pytest.raises(sa.exc.OperationalError, match="no such table: lost"):
        async with stores[0].begin() as tx:
            await tx.run(sa.text("SELECT 1 FROM lost"))
    for store in stores:
        await store.close()
    return steps


IN_TURN = (["a begins", "a ends", "b begins", "b ends"], ["b begins", "b ends", "a begins", "a ends"])


async def test_transactions_take_turns_with_their_statements_in_the_loop(sqlite_url):
    threads: set[threading.Thread] = set()
    assert await transactions(sqlite_url, threads) in IN_TURN
    assert (threading.main_thread() in threads) is not TEST_ALL  # a run of everything is as a bot is


@pytest.mark.driver_thread
async def test_transactions_take_turns_with_their_statements_in_threads(sqlite_url):
    threads: set[threading.Thread] = set()
    assert await transactions(sqlite_url, threads) in IN_TURN
    assert threading.main_thread() not in threads
