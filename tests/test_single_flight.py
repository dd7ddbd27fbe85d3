"""One answer for all who ask at the same time."""

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


async def test_those_who_ask_at_the_same_time_get_one_answer():
    source = Source()
    source.may_answer.clear()
    shared = source.shared()
    asking = [asyncio.create_task(shared.get()) for _ in range(200)]
    await asyncio.sleep(0)
    source.may_answer.set()
    assert {answer for answer, _ in await asyncio.gather(*asking)} == {1}
    assert source.asked == 1


async def test_good_answer_is_given_again_for_a_while_and_marked_so():
    source = Source()
    shared = source.shared()
    assert await shared.get() == (1, False)
    source.time += 4.9
    assert await shared.get() == (1, True)
    source.time += 0.1
    assert await shared.get() == (2, False)


async def test_failure_reaches_those_who_waited_for_it_and_nobody_after():
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


async def test_failure_does_not_lengthen_the_life_of_the_answer_before():
    source = Source()
    shared = source.shared()
    await shared.get()
    source.time += 6
    source.fails = OSError("away")
    with pytest.raises(OSError, match="away"):
        await shared.get()
    assert shared.last() == 1


async def test_whoever_asked_first_may_give_up_and_the_others_are_answered():
    source = Source()
    source.may_answer.clear()
    shared = source.shared()
    first, second = asyncio.create_task(shared.get()), asyncio.create_task(shared.get())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    source.may_answer.set()
    assert await second == (1, False)


async def test_failure_that_nobody_waits_for_any_more_makes_no_noise(caplog):
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


def test_before_the_first_answer_there_is_none():
    assert Source().shared().last() is None
