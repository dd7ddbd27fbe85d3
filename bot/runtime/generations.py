"""Successive generations of one work: a new one takes over from the old one, which finishes beside it.

So a process reads a file again without a moment in which it does not work.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from bot.runtime.logs import LogEvent

log = logging.getLogger(__name__)

TAKE_OVER_SECONDS = 1.0  # then the new one goes on beside the old one
END_SECONDS = 1.0  # for old ones, when the newest has ended


class Generation:
    """One generation. Its work calls `take_over` once it is ready, and ends after `stop`."""

    def __init__(self, predecessor: Generation | None) -> None:
        self.stop = asyncio.Event()
        self.in_charge = asyncio.Event()
        self.is_replaced = False
        self.work: asyncio.Task[int]
        self.predecessor = predecessor  # until it is stopped

    async def take_over(self) -> None:
        """Stop the generation before this one. Most end at once, and this one then begins after them."""
        old, self.predecessor = self.predecessor, None
        if old:
            old.is_replaced = True
            old.stop.set()
            await asyncio.wait([old.work], timeout=TAKE_OVER_SECONDS)
        self.in_charge.set()


Work = Callable[[Generation], Coroutine[Any, Any, int]]


class Generations:
    """Runs the first generation, and one more after each call of `renew` that leads to another work."""

    def __init__(self, reload: Callable[[], Awaitable[Work | None]]) -> None:
        """Keep `reload`, which returns the next work, or None if the present one goes on."""
        self._reload = reload
        self._asked = asyncio.Event()
        self._is_stopping = False
        self._all: list[Generation] = []

    def renew(self) -> None:
        """Replace the generation; several calls at once count as one."""
        self._asked.set()

    def stop(self) -> None:
        """Stop the newest generation; a second call changes nothing."""
        self._is_stopping = True
        for newest in self._all[-1:]:
            newest.stop.set()

    async def run(self, work: Work) -> int:
        """Run until the newest generation ends, and return its result."""
        current = self._begin(work)
        while not current.work.done():
            await _first(current.work, self._asked.wait())
            if not self._asked.is_set():
                continue
            self._asked.clear()
            if not self._is_stopping and (following := await self._reload()):
                current = self._begin(following)
                await _first(current.work, current.in_charge.wait())
        if old := [one.work for one in self._all if not one.work.done()]:
            await asyncio.wait(old, timeout=END_SECONDS)
        return current.work.result()

    def _begin(self, work: Work) -> Generation:
        generation = Generation(self._all[-1] if self._all else None)
        if self._is_stopping:  # by a signal before the first one began
            generation.stop.set()
        self._all = [*(one for one in self._all if not one.work.done()), generation]
        generation.work = asyncio.create_task(work(generation))
        generation.work.add_done_callback(lambda ended: _note_failure(generation, ended))
        return generation


async def _first(work: asyncio.Task[int], event: Coroutine[Any, Any, Any]) -> None:
    """Wait until the work is done, or the event happens."""
    waiting = asyncio.create_task(event)
    try:
        await asyncio.wait([work, waiting], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()


def _note_failure(generation: Generation, ended: asyncio.Task[int]) -> None:
    if generation.is_replaced and not ended.cancelled() and (error := ended.exception()):
        log.error(LogEvent("a task failed"), exc_info=error)
