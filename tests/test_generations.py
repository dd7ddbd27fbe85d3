"""Generations of one work: the new one takes over without a gap, and the newest decides when all is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from bot.runtime import generations
from bot.runtime.generations import Generation, Generations, Work


class Story:
    """What the generations do, in its order."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.following: list[Work] = []
        self.hanging = asyncio.Event()

    def work(self, name: str, end: Callable[[], object] = lambda: None, *, hangs: bool = False) -> Work:
        async def work(generation: Generation) -> int:
            self.lines.append(f"{name} is ready")
            await generation.take_over()
            self.lines.append(f"{name} works")
            await generation.stop.wait()
            self.lines.append(f"{name} {'is replaced' if generation.is_replaced else 'stops'}")
            if hangs:
                await self.hanging.wait()
            end()
            return len(self.lines)

        return work

    @asynccontextmanager
    async def running(self, first: Work) -> AsyncIterator[tuple[Generations, asyncio.Task[int]]]:
        made = Generations(self._next)
        task = asyncio.create_task(made.run(first))
        await self.comes("a works")
        try:
            yield made, task
        finally:
            self.hanging.set()
            made.stop()
            await asyncio.wait([task])

    async def _next(self) -> Work | None:
        return self.following.pop(0) if self.following else None

    async def comes(self, line: str) -> None:
        async with asyncio.timeout(5):
            while line not in self.lines:  # noqa: ASYNC110
                await asyncio.sleep(0.005)


async def test_new_generation_is_ready_before_the_old_one_ends():
    story = Story()
    async with story.running(story.work("a")) as (made, task):
        story.following = [story.work("b")]
        made.renew()
        await story.comes("b works")
        assert not task.done()
        made.stop()
        assert await task == 6
    assert story.lines == ["a is ready", "a works", "b is ready", "a is replaced", "b works", "b stops"]


async def test_generation_goes_on_if_nothing_follows():
    story = Story()
    async with story.running(story.work("a")) as (made, _):
        made.renew()
        await asyncio.sleep(0.05)
        made.stop()
    assert story.lines == ["a is ready", "a works", "a stops"]


async def test_two_requests_at_once_are_one_and_a_later_one_waits_its_turn():
    story = Story()
    async with story.running(story.work("a")) as (made, _):
        story.following = [story.work("b"), story.work("c")]
        made.renew()
        made.renew()
        await story.comes("b works")
        assert len(story.following) == 1
        made.renew()
        await story.comes("c works")
    assert story.lines[-4:] == ["c is ready", "b is replaced", "c works", "c stops"]


async def test_old_generation_that_does_not_end_keeps_nothing_from_going_on(monkeypatch):
    monkeypatch.setattr(generations, "TAKE_OVER_SECONDS", 0.05)
    monkeypatch.setattr(generations, "END_SECONDS", 0.05)
    story = Story()
    async with story.running(story.work("a", hangs=True)) as (made, task):
        story.following = [story.work("b")]
        made.renew()
        await story.comes("b works")
        made.stop()
        assert await asyncio.wait_for(task, 5)


async def test_failure_of_an_old_generation_is_logged_and_one_of_the_newest_is_raised(caplog):
    def fail() -> None:
        raise ZeroDivisionError

    story = Story()
    async with story.running(story.work("a", fail)) as (made, task):
        story.following = [story.work("b", fail)]
        made.renew()
        await story.comes("b works")
        assert [record.msg.name for record in caplog.records if record.levelname == "ERROR"] == ["a task failed"]
        made.stop()
        with pytest.raises(ZeroDivisionError):
            await task
