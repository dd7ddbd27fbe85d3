"""Work in the background, and loops."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import time

import pytest

from bot.runtime.tasks import BackgroundTasks, PeriodicTask, with_timeout


async def test_failed_task_is_logged_and_affects_no_other(caplog):
    async def fail() -> None:
        raise RuntimeError("no")

    tasks = BackgroundTasks()
    tasks.start(fail())
    await tasks.drain(1)
    assert "a task failed" in caplog.text


async def test_drain_waits_for_running_tasks():
    done = []

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.append(True)

    tasks = BackgroundTasks()
    tasks.start(work())
    await tasks.drain(5)
    assert done == [True]


async def test_late_task_may_send_a_last_message():
    words = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            words.append("restarting")
            raise

    tasks = BackgroundTasks()
    tasks.start(work())
    await tasks.drain(0.01)
    assert words == ["restarting"]
    await tasks.drain(0.01)


async def test_task_that_hangs_in_its_cancellation_is_not_awaited():
    async def hang() -> None:
        while not released.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await released.wait()

    released = asyncio.Event()
    with pytest.raises(TimeoutError):
        await with_timeout(hang(), 0.01)
    released.set()
    await asyncio.sleep(0)


async def test_work_with_a_time_limit_is_cancelled_with_its_caller(caplog):
    async def fail_at_the_end() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append(True)
            raise OSError("too late to matter") from None

    ended: list[bool] = []
    with pytest.raises(TimeoutError):
        await with_timeout(with_timeout(fail_at_the_end(), 60), 0.01)
    await asyncio.sleep(0.01)
    gc.collect()
    assert ended == [True]
    assert caplog.text == ""


async def test_loop_goes_on_after_any_failure_and_logs_the_first_of_a_row(caplog):
    caplog.set_level("INFO")
    steps = 0

    async def step() -> None:
        nonlocal steps
        steps += 1
        if steps == 4:
            return
        if steps > 4:
            loop.stop()
        raise OSError("away") if steps < 4 else ValueError("odd")

    loop = PeriodicTask(
        "watcher", step, 0.001, waiting_for=lambda exc: str(exc) if isinstance(exc, OSError) else None
    )
    await loop.run()
    assert steps == 5
    assert [record.message for record in caplog.records] == [
        "loop paused loop=watcher error=away",
        "loop recovered loop=watcher",
        "loop step failed loop=watcher",
    ]


async def test_loop_that_is_not_ready_takes_no_step_and_does_not_work_again(caplog):
    caplog.set_level("INFO")
    ready, checks, steps = True, 0, 0

    def is_ready() -> bool:
        nonlocal checks
        checks += 1
        if checks == 5:
            loop.stop()
        return ready

    async def step() -> None:
        nonlocal ready, steps
        steps += 1
        ready = False
        raise OSError("away")

    loop = PeriodicTask("delivery", step, 0.001, waiting_for=str, ready=is_ready)
    await asyncio.wait_for(loop.run(), 5)
    assert steps == 1
    assert caplog.messages == ["loop paused loop=delivery error=away"]


async def test_loop_gives_up_a_step_that_hangs_even_in_its_cancellation(caplog):
    released = asyncio.Event()
    steps = 0

    async def step() -> None:
        nonlocal steps
        steps += 1
        if steps == 2:
            loop.stop()
            return
        while not released.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await released.wait()

    loop = PeriodicTask("watcher", step, 0.001, waiting_for=str, limit=0.02)
    await asyncio.wait_for(loop.run(), 5)
    released.set()
    assert steps == 2
    assert caplog.messages == ['loop paused loop=watcher error="no result within 0.02 s"']


async def test_cancelled_loop_lets_its_step_send_a_last_message():
    words = []

    async def step() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            words.append("last")

    task = asyncio.create_task(PeriodicTask("watcher", step, 1).run())
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task], timeout=1)
    assert words == ["last"]


async def test_loop_that_is_woken_does_not_wait():
    steps = 0

    async def step() -> float | None:
        nonlocal steps
        steps += 1
        if steps == 3:
            loop.stop()
        loop.wake()
        return 3600 if steps == 1 else None

    loop = PeriodicTask("watcher", step, 3600)
    await asyncio.wait_for(loop.run(), 5)
    assert steps == 3


async def test_loop_that_is_woken_often_takes_a_step_when_its_least_interval_is_over():
    times = []

    async def step() -> None:
        times.append(time.monotonic())
        loop.wake()
        if len(times) == 3:
            asyncio.get_running_loop().call_later(0.01, loop.stop)

    loop = PeriodicTask("health", step, 3600, min_interval=0.2)
    await asyncio.wait_for(loop.run(), 5)
    ended = time.monotonic()
    assert [after - before > 0.15 for before, after in itertools.pairwise(times)] == [True, True]
    assert ended - times[-1] < 0.15  # the wait does not hold up the end
