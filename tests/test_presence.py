"""Which processes are there, as `/kf status` counts them."""

from __future__ import annotations

from datetime import timedelta

from bot.store import presence
from bot.store.presence import ProcessInfo
from tests.conftest import NOW
from tests.running import CARE, bot_in_loop, sqlite, until, world

SECOND = timedelta(seconds=1)


async def test_a_process_is_counted_while_it_shows_itself(store, clock):
    async with store.begin() as tx:
        await presence.show(tx, ProcessInfo("one"), NOW)
        await presence.show(tx, ProcessInfo("two"), NOW)
        clock.forward(seconds=50)
        await presence.show(tx, ProcessInfo("one"), NOW)
        assert len(await presence.running(tx, NOW + 59 * SECOND)) == 2
        assert len(await presence.running(tx, NOW + 60 * SECOND)) == 1


async def test_the_largest_difference_between_clocks_is_known(store, clock):
    async with store.begin() as tx:
        assert await presence.skew(tx) == timedelta(0)
        await presence.show(tx, ProcessInfo("one"), NOW)
        assert await presence.skew(tx) == timedelta(0)
        await presence.show(tx, ProcessInfo("behind"), NOW - 75 * SECOND)
        assert await presence.skew(tx) == 75 * SECOND
        await presence.show(tx, ProcessInfo("ahead"), NOW + 180 * SECOND)
        assert await presence.skew(tx) == 255 * SECOND
        clock.forward(minutes=2)
        assert await presence.skew(tx) == timedelta(0)  # of processes that are gone


async def test_one_that_leaves_is_counted_no_more(store):
    async with store.begin() as tx:
        await presence.show(tx, ProcessInfo("one"), NOW)
        await presence.leave(tx, "one")
        await presence.leave(tx, "never there")
        assert len(await presence.running(tx, NOW)) == 0


async def test_what_was_killed_is_forgotten_in_the_end(store, clock):
    async with store.begin() as tx:
        for number in range(50):
            await presence.show(tx, ProcessInfo(str(number)), clock())
            clock.forward(hours=1)
        rows = await tx.run(presence.process.select())
        assert len(rows.all()) == 2


async def test_a_clock_that_was_ahead_leaves_no_process_behind(store, clock):
    async with store.begin() as tx:
        clock.forward(days=1)
        await presence.show(tx, ProcessInfo("ahead"), NOW)
        assert len(await presence.running(tx, NOW)) == 0


async def test_status_counts_the_processes_and_no_longer_one_that_stopped(tmp_path):
    async with world(sqlite(tmp_path)) as place:

        async def said(words: str) -> bool:
            asked = await place.slack.command("status", channel=CARE)
            return words in str((await asked.answer()).blocks)

        async with bot_in_loop(place):
            await until(lambda: said("1 process"))
            async with bot_in_loop(place):
                await until(lambda: said("2 processes"))
        async with bot_in_loop(place):
            await until(lambda: said("1 process"))
            assert not await said("processes")
