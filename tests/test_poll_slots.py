"""Poll slots: as many calls at a time as there are slots, two more for people, and an end that loses none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bot.watcher.poll_slots import POLL, REQUESTED_POLL, PollSlots


class Calls:
    """Handlers that wait until they are let go."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self.ended: list[str] = []
        self.go = asyncio.Event()

    async def __call__(self, key: str) -> None:
        self.running.append(key)
        try:
            await self.go.wait()
            self.ended.append(key)
        finally:
            self.running.remove(key)


@asynccontextmanager
async def serving(slots: PollSlots, handler, concurrency: int = 2) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(slots.run({POLL: handler, REQUESTED_POLL: handler}, concurrency))
    yield task
    task.cancel()
    await asyncio.wait([task])


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_no_more_calls_run_than_there_are_slots():
    slots, calls = PollSlots(), Calls()
    async with serving(slots, calls):
        await slots.enqueue(POLL, ["a", "b", "c"])
        await settled()
        assert (calls.running, await slots.waiting()) == (["a", "b"], {POLL: 3})
        calls.go.set()
        await settled()
        assert (sorted(calls.ended), await slots.waiting()) == (["a", "b", "c"], {POLL: 0})


async def test_polls_for_people_do_not_wait_for_a_common_slot():
    slots, calls = PollSlots(), Calls()
    async with serving(slots, calls):
        await slots.enqueue(POLL, ["a", "b", "c"])
        await slots.enqueue(REQUESTED_POLL, ["x", "y", "z"])
        await settled()
        assert sorted(calls.running) == ["a", "b", "x", "y"]
        calls.go.set()


async def test_slot_goes_on_after_a_call_that_failed(caplog):
    slots, done = PollSlots(), []

    async def fail_once(key: str) -> None:
        if key == "a":
            raise ValueError(key)
        done.append(key)

    async with serving(slots, fail_once, concurrency=1):
        await slots.enqueue(POLL, ["a", "b"])
        await settled()
    assert done == ["b"]
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_running_calls_finish_before_the_slots_end_and_no_other_begins():
    slots, calls = PollSlots(), Calls()
    async with serving(slots, calls, concurrency=1) as task:
        await slots.enqueue(POLL, ["a", "b"])
        await settled()
        task.cancel()
        await settled()
        assert not task.done()
        calls.go.set()
    assert task.cancelled()
    assert calls.ended == ["a"]


async def test_second_cancellation_ends_the_running_calls():
    slots, calls = PollSlots(), Calls()
    async with serving(slots, calls) as task:
        await slots.enqueue(POLL, ["a"])
        await settled()
        for _ in range(2):
            task.cancel()
            await settled()
    assert task.cancelled()
    assert (calls.running, calls.ended) == ([], [])


async def test_caller_that_enqueues_more_than_fits_waits():
    slots = PollSlots()
    enqueueing = asyncio.create_task(slots.enqueue(POLL, [str(number) for number in range(300)]))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await asyncio.shield(enqueueing)
    calls = Calls()
    calls.go.set()
    async with serving(slots, calls):
        await enqueueing
        await settled()
