"""The active processes, as `/kf status` counts them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.store import processes
from bot.store.processes import ProcessInfo
from tests.conftest import NOW
from tests.running import CARE, bot_in_loop, until, world

SECOND = timedelta(seconds=1)


async def test_process_is_counted_while_it_is_active(store, clock):
    async with store.begin() as tx:
        await processes.touch(tx, ProcessInfo("one"), NOW)
        await processes.touch(tx, ProcessInfo("two"), NOW)
        clock.forward(seconds=50)
        await processes.touch(tx, ProcessInfo("one"), NOW)
        assert len(await processes.running(tx, NOW + 59 * SECOND)) == 2
        assert len(await processes.running(tx, NOW + 60 * SECOND)) == 1


async def test_largest_clock_difference_is_recorded(store, clock):
    async with store.begin() as tx:
        assert await processes.skew(tx) == timedelta(0)
        await processes.touch(tx, ProcessInfo("one"), NOW)
        assert await processes.skew(tx) == timedelta(0)
        await processes.touch(tx, ProcessInfo("behind"), NOW - 75 * SECOND)
        assert await processes.skew(tx) == 75 * SECOND
        await processes.touch(tx, ProcessInfo("ahead"), NOW + 180 * SECOND)
        assert await processes.skew(tx) == 255 * SECOND
        clock.forward(minutes=2)
        assert await processes.skew(tx) == timedelta(0)  # of processes that are gone


async def test_unregistered_process_is_not_counted(store):
    async with store.begin() as tx:
        await processes.touch(tx, ProcessInfo("one"), NOW)
        await processes.remove(tx, "one")
        await processes.remove(tx, "never there")
        assert len(await processes.running(tx, NOW)) == 0


async def test_killed_process_is_removed_eventually(store, clock):
    async with store.begin() as tx:
        for number in range(50):
            await processes.touch(tx, ProcessInfo(str(number)), clock())
            clock.forward(hours=1)
        rows = await tx.run(processes.process.select())
        assert len(rows.all()) == 2


async def test_process_with_a_clock_ahead_is_removed_too(store, clock):
    async with store.begin() as tx:
        clock.forward(days=1)
        await processes.touch(tx, ProcessInfo("ahead"), NOW)
        assert len(await processes.running(tx, NOW)) == 0


@pytest.mark.server
async def test_status_counts_the_processes_and_no_longer_one_that_stopped(sqlite_url):
    async with world(sqlite_url) as place:

        async def status_contains(words: str) -> bool:
            asked = await place.slack.command("status", channel=CARE)
            return words in str((await asked.answer()).blocks)

        async with bot_in_loop(place):
            await until(lambda: status_contains("1 process"))
            async with bot_in_loop(place):
                await until(lambda: status_contains("2 processes"))
        async with bot_in_loop(place):
            await until(lambda: status_contains("1 process"))
            assert not await status_contains("processes")
