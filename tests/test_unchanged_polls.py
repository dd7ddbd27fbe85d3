"""Unchanged polls that end together are recorded together, and one that ends alone does not wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bot.store import poll_state as planning
from bot.store.database import Store
from bot.store.tables import poll_state
from bot.store.unchanged import MAX_BATCH, UnchangedPoll
from bot.watcher.unchanged_polls import UnchangedPolls
from tests.conftest import APPID, NOW

pytestmark = pytest.mark.both_stores
BEGAN = NOW + timedelta(minutes=5)


@pytest.fixture
def batches() -> Iterator[list[int]]:
    """Return how many polls each statement has, repeats included."""
    found: list[int] = []

    def note(_connection, _cursor, statement, *_rest) -> None:
        if statement.startswith("WITH polls AS"):
            found.append(statement.count("), (") + 1)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    yield found
    sa.event.remove(sa.Engine, "before_cursor_execute", note)


@pytest.fixture
async def polls(store: Store, clock) -> UnchangedPolls:
    clock.now = BEGAN
    rows = [
        {
            "appid": f"wx-{number}",
            **dict.fromkeys(
                ("next_poll_at", "next_post_at", "last_read_at", "evaluated_at", "watching_since"), NOW
            ),
            "rows_digest": "same",
            "good_polls": 2,
        }
        for number in range(MAX_BATCH + 6)
    ]
    async with store.begin() as tx:
        await tx.connection.execute(sa.insert(poll_state), rows)
    return UnchangedPolls(store)


def poll(appid: str, digest: str = "same") -> UnchangedPoll:
    return UnchangedPoll(appid, BEGAN, None, timedelta(minutes=5), digest)


async def test_polls_that_end_together_are_recorded_in_one_statement(polls, store, batches):
    async def make(number: int) -> bool:
        with polls.polling():
            return await polls.record(poll(f"wx-{number}", "other" if number == 3 else "same"))

    assert await asyncio.gather(*map(make, range(MAX_BATCH + 6))) == [
        number != 3 for number in range(MAX_BATCH + 6)
    ]
    assert batches == [MAX_BATCH, 16]  # the second is filled up with repeats
    async with store.begin() as tx:
        read = sa.select(sa.func.count()).where(poll_state.c.last_read_at == BEGAN)
        assert (await tx.run(read)).scalar_one() == MAX_BATCH + 5


async def test_statements_of_four_sizes_record_any_number_of_polls(polls, batches):
    async def make(number: int) -> bool:
        with polls.polling():
            return await polls.record(poll(f"wx-{number}"))

    first = 0
    for number in (1, 2, 3, 5, 17, 40):
        assert all(await asyncio.gather(*map(make, range(first, first + number))))
        first += number
    assert sorted(set(batches)) == [1, 4, 16, MAX_BATCH]


async def test_poll_waits_for_another_that_runs_but_not_for_one_that_hangs(polls, batches):
    ended = asyncio.Event()

    async def other() -> None:
        with polls.polling():
            await ended.wait()

    running = asyncio.create_task(other())
    await asyncio.sleep(0)
    with polls.polling():
        recording = asyncio.create_task(polls.record(poll("wx-1")))
        await asyncio.sleep(0.01)
        assert batches == []
        ended.set()  # without a record of its own
        assert await recording
    await running
    ended.clear()
    running = asyncio.create_task(other())
    await asyncio.sleep(0)
    with polls.polling():
        assert await polls.record(poll("wx-2"))
    running.cancel()


async def test_error_of_the_store_is_that_of_each_poll_and_the_next_is_recorded(polls, store):
    async def make(number: int) -> bool:
        with polls.polling():
            return await polls.record(poll(f"wx-{number}"))

    async with store.begin() as tx:
        await tx.run(sa.text("ALTER TABLE poll_state RENAME TO gone"))
    found = await asyncio.gather(make(1), make(2), return_exceptions=True)
    async with store.begin() as tx:
        await tx.run(sa.text("ALTER TABLE gone RENAME TO poll_state"))
    assert [isinstance(one, sa.exc.DBAPIError) for one in found] == [True, True]
    assert await make(1)


async def test_poll_that_was_cancelled_leaves_the_others_alone(polls):
    with polls.polling(), polls.polling(), polls.polling():
        tasks = [asyncio.create_task(polls.record(poll(f"wx-{number}"))) for number in (1, 2)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        assert await tasks[1]


async def test_account_that_another_transaction_changes_is_not_waited_for(polls, store, store_url, clock):
    if store.kind == "SQLite":
        return  # one transaction at a time
    other = Store.from_url(store_url, APPID, clock=clock)
    async with other.begin() as tx:
        await tx.run(sa.select(poll_state).where(poll_state.c.appid == "wx-1").with_for_update())
        with polls.polling(), polls.polling():
            assert await asyncio.gather(*(polls.record(poll(f"wx-{number}")) for number in (1, 2))) == [False, True]
    await other.close()


async def test_request_of_a_clock_that_was_ahead_plans_no_poll(polls, store):
    async with store.of("wx-1", "").begin() as tx:
        await planning.poll_now(tx, BEGAN + timedelta(days=1), always=True)
    with polls.polling():
        assert await polls.record(poll("wx-1"))
    async with store.begin() as tx:
        planned = sa.select(poll_state.c.next_poll_at).where(poll_state.c.appid == "wx-1")
        assert (await tx.run(planned)).scalar_one() == BEGAN + timedelta(minutes=5)
