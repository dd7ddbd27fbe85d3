"""Let the poll slots of this process take over while the queue fails."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

from bot.ports import QueueBackend
from bot.runtime.logs import LogEvent, fault_words
from bot.runtime.tasks import with_timeout
from bot.watcher.poll_slots import REQUESTED_POLL

log = logging.getLogger(__name__)

CALL_SECONDS = 10.0


class QueueWithFallback:
    """A queue backend, and the slots of this process for the keys that it does not take."""

    def __init__(
        self,
        queue: QueueBackend,
        slots: QueueBackend,
        lease: timedelta,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep both. After a failure the queue is left alone for a lease."""
        self._queue = queue
        self._slots = slots
        self._pause = lease.total_seconds()
        self._monotonic = monotonic
        self._failing = False
        self._retry_at = float("-inf")

    async def enqueue(self, kind: str, keys: Sequence[str]) -> None:
        if kind != REQUESTED_POLL and self._may_try():  # a person waits for those
            try:
                await with_timeout(self._queue.enqueue(kind, keys), CALL_SECONDS)
            except Exception as exc:
                self._note_failure(exc)
            else:
                return
        await self._slots.enqueue(kind, keys)

    async def run(self, handlers: Mapping[str, Callable[[str], Awaitable[None]]], concurrency: int) -> None:
        """Call the handlers until cancelled; then finish the running calls."""
        await asyncio.gather(self._slots.run(handlers, concurrency), self._run_queue(handlers, concurrency))

    async def waiting(self) -> Mapping[str, int]:
        """Return, by kind, how many keys wait in either."""
        here = Counter(await self._slots.waiting())
        if not self._may_try():
            return here
        try:
            queued = await with_timeout(self._queue.waiting(), CALL_SECONDS)
        except Exception as exc:
            self._note_failure(exc)
            return here
        self._note_success()
        return here + Counter(queued)

    async def _run_queue(self, handlers: Mapping[str, Callable[[str], Awaitable[None]]], concurrency: int) -> None:
        while True:
            try:
                await self._queue.run(handlers, concurrency)
            except Exception as exc:
                self._note_failure(exc)
            await asyncio.sleep(self._pause)

    def _may_try(self) -> bool:
        return self._monotonic() >= self._retry_at

    def _note_failure(self, exc: Exception) -> None:
        self._retry_at = self._monotonic() + self._pause
        if not self._failing:
            log.warning(LogEvent("queue failed, polls run in slots", error=_words(exc)))
        self._failing = True

    def _note_success(self) -> None:
        if self._failing:
            log.info("queue works again")
        self._failing = False


def _words(exc: BaseException) -> str:
    """Describe a failure by its first cause, in one line."""
    while isinstance(exc, BaseExceptionGroup) or exc.__cause__:
        exc = exc.exceptions[0] if isinstance(exc, BaseExceptionGroup) else exc.__cause__ or exc
    return str(exc).partition("\n")[0] or fault_words(exc) if isinstance(exc, Exception) else type(exc).__name__
