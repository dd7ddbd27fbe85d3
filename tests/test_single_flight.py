"""One result for all concurrent callers."""

from __future__ import annotations

import asyncio

import pytest

from bot.runtime.single_flight import SingleFlight


class Source:
    """Answers 1, 2, 3… when it is let; `fails` is raised instead."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.fails: Exception | None = None
        self.time = 100.0

    async def __call__(self) -> int:
        self.asked += 1
        number = self.asked
        await self.may_answer.wait()
        if self.fails:
            raise self.fails
        return number

    def shared(self, good_for: float = 5.0) -> SingleFlight[int]:
        return SingleFlight(self, good_for, lambda: self.time)


async def test_concurrent_callers_share_one_result():
    source = Source()
    source.may_answer.clear()
    shared = source.shared()
    asking = [asyncio.create_task(shared.get()) for _ in range(200)]
    await asyncio.sleep(0)
    source.may_answer.set()
    assert {answer for answer, _ in await asyncio.gather(*asking)} == {1}
    assert source.asked == 1


async def test_result_is_reused_for_a_while_and_marked():
    source = Source()
    shared = source.shared()
    assert await shared.get() == (1, False)
    source.time += 4.9
    assert await shared.get() == (1, True)
    source.time += 0.1
    assert await shared.get() == (2, False)


async def test_failure_reaches_only_the_callers_that_waited():
    source = Source()
    source.may_answer.clear()
    source.fails = OSError("away")
    shared = source.shared()
    asking = [asyncio.create_task(shared.get()) for _ in range(3)]
    await asyncio.sleep(0)
    source.may_answer.set()
    assert {type(said) for said in await asyncio.gather(*asking, return_exceptions=True)} == {OSError}
    source.fails = None
    assert await shared.get() == (2, False)


async def test_failure_does_not_extend_the_life_of_the_previous_result():
    source = Source()
    shared = source.shared()
    await shared.get()
    source.time += 6
    source.fails = OSError("away")
    with pytest.raises(OSError, match="away"):
        await shared.get()
    assert shared.last() == 1


async def test_cancelled_first_caller_does_not_cancel_the_others():
    source = Source()
    source.may_answer.clear()
    shared = source.shared()
    first, second = asyncio.create_task(shared.get()), asyncio.create_task(shared.get())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    source.may_answer.set()
    assert await second == (1, False)


async def test_failure_without_a_waiting_caller_is_not_logged(caplog):
    source = Source()
    source.may_answer.clear()
    source.fails = OSError("away")
    shared = source.shared()
    asking = asyncio.create_task(shared.get())
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    source.may_answer.set()
    await asyncio.sleep(0.01)
    assert not caplog.records


def test_last_result_is_absent_before_the_first():
    assert Source().shared().last() is None


async def test_expired_result_is_asked_for_again():
    source = Source()
    shared = source.shared()
    assert await shared.get() == (1, False)
    shared.expire()
    assert shared.last() == 1
    assert await shared.get() == (2, False)


async def test_call_that_began_before_the_expiry_serves_its_callers_only():
    source = Source()
    source.may_answer.clear()
    shared = source.shared()
    early = asyncio.create_task(shared.get())
    await asyncio.sleep(0)
    shared.expire()
    late = asyncio.create_task(shared.get())
    await asyncio.sleep(0)
    source.may_answer.set()
    assert [await early, await late] == [(1, False), (2, False)]
    assert await shared.get() == (2, True)
