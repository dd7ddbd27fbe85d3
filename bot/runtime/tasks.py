"""Background tasks that outlive the request that started them, periodic tasks that survive failures, a timeout."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from bot.runtime.logs import LogEvent, request_id

log = logging.getLogger(__name__)

T = TypeVar("T")

CANCEL_SECONDS = 1  # for cancelled work to clean up
STEP_SECONDS = 900  # a step may read the whole history of a channel; each of its calls has a shorter limit


class BackgroundTasks:
    """Keeps a reference to each task, logs its unhandled exceptions, and waits for all at shutdown."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self.stopping = asyncio.Event()  # set at shutdown, for tasks to end a pause early

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guarded(work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def drain(self, seconds: float) -> None:
        """Wait for running tasks; after `seconds` cancel them, and give them CANCEL_SECONDS to clean up."""
        self.stopping.set()
        if not self._running:
            return
        _, late = await asyncio.wait(set(self._running), timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=CANCEL_SECONDS)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("a task failed")


async def with_timeout(work: Coroutine[Any, Any, T], seconds: float) -> T:
    """Return the result of `work`. Late work is cancelled and not waited for, since it may ignore that.

    If the caller is cancelled, the work has CANCEL_SECONDS to end.

    Raises:
        TimeoutError: there was no result in time.
    """
    task = asyncio.create_task(work)
    try:
        done, _ = await asyncio.wait([task], timeout=seconds)
    except asyncio.CancelledError:
        _abandon(task)
        await asyncio.wait([task], timeout=CANCEL_SECONDS)
        raise
    if done:
        return task.result()
    _abandon(task)
    raise TimeoutError(f"no result within {seconds:g} s")


def _abandon(task: asyncio.Task[Any]) -> None:
    task.cancel()
    # The exception is read, or asyncio would log that it was not.
    task.add_done_callback(lambda late: late.cancelled() or late.exception())


class FailureLog:
    """Logs a failure of a loop when its reason is another one than before: a lasting one must not fill the log.

    The reason is what `waiting_for` returns, or else the type of the exception.
    """

    def __init__(self, name: str, waiting_for: Callable[[Exception], str | None] = lambda _: None) -> None:
        """Take the name of the loop. `waiting_for` describes a temporary failure; None for others."""
        self._name = name
        self._waiting_for = waiting_for
        self._last_reason = ""

    def note(self, exc: Exception) -> None:
        reason = self._waiting_for(exc) or type(exc).__name__
        if reason == self._last_reason:
            return
        self._last_reason = reason
        if self._waiting_for(exc):
            log.warning(LogEvent("loop paused", loop=self._name, error=reason))
        else:
            log.error(LogEvent("loop step failed", loop=self._name), exc_info=exc)

    def note_success(self) -> None:
        if self._last_reason:
            log.info(LogEvent("loop recovered", loop=self._name))
        self._last_reason = ""


class PeriodicTask:
    """A loop that takes a step at intervals, or sooner when woken, until stopped. No failure ends it."""

    def __init__(
        self,
        name: str,
        step: Callable[[], Coroutine[Any, Any, float | None]],
        every: float,
        *,
        min_interval: float = 0.0,
        waiting_for: Callable[[Exception], str | None] = lambda _: None,
        limit: float = STEP_SECONDS,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        """Keep the step and its pace.

        Args:
            step: may return the seconds until the next step; None or 0 stand for `every`.
            min_interval: seconds between the beginnings of two steps, however often the loop is woken.
            waiting_for: describes a temporary failure, which is logged without a traceback; None for others.
            limit: seconds after which a step is cancelled. One that ignores that may overlap with the next.
            ready: returns False while steps are to be skipped; it is called again after `every`.
        """
        self._step = step
        self._every = every
        self._min_interval = min_interval
        self._failures = FailureLog(name, waiting_for)
        self._limit = limit
        self._ready = ready
        self._woken = asyncio.Event()
        self._stopped = asyncio.Event()

    @property
    def stopping(self) -> bool:
        return self._stopped.is_set()

    def wake(self) -> None:
        self._woken.set()

    def stop(self) -> None:
        """Start no further step; let the present one finish."""
        self._stopped.set()
        self._woken.set()

    async def run(self) -> None:
        while not self.stopping:
            self._woken.clear()
            next_at = time.monotonic() + self._min_interval
            pause = await self._attempt() if self._ready() else None
            await _rest(self._woken, pause or self._every)
            if (left := next_at - time.monotonic()) > 0:
                await _rest(self._stopped, left)

    async def _attempt(self) -> float | None:
        try:
            with request_id():
                pause = await with_timeout(self._step(), self._limit)
        except Exception as exc:
            self._failures.note(exc)
            return None
        self._failures.note_success()
        return pause


async def _rest(until: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(until.wait(), seconds)
    except TimeoutError:
        return
