"""Slots for polls in this process: the queue backend of an installation without a queue."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

log = logging.getLogger(__name__)

POLL = "poll"
REQUESTED_POLL = "requested_poll"  # a person waits for it
RESERVED = 2  # slots for these alone, beside the others
SIZE = 256  # of a queue; a caller that enqueues more waits

Handlers = Mapping[str, Callable[[str], Awaitable[None]]]


class PollSlots:
    """Calls the handler of each key in a free slot. Keys that wait are lost with the process; so is the object."""

    def __init__(self) -> None:
        self._common = asyncio.Queue[tuple[str, str]](SIZE)
        self._reserved = asyncio.Queue[tuple[str, str]](SIZE)
        self._unfinished = Counter[str]()  # keys by kind that wait or run
        self._idle = set[asyncio.Task[None] | None]()
        self._stopping = False

    async def enqueue(self, kind: str, keys: Sequence[str]) -> None:
        queue = self._reserved if kind == REQUESTED_POLL else self._common
        for key in keys:
            self._unfinished[kind] += 1
            await queue.put((kind, key))

    async def run(self, handlers: Handlers, concurrency: int) -> None:
        """Call the handlers until cancelled, then finish the running calls. A second cancellation ends them."""
        queues = [self._common] * concurrency + [self._reserved] * RESERVED
        slots = [asyncio.create_task(self._serve(queue, handlers)) for queue in queues]
        try:
            await asyncio.wait(slots)
        finally:
            self._stopping = True
            for slot in slots:
                if slot in self._idle:
                    slot.cancel()
            try:
                await asyncio.wait(slots)
            finally:
                for slot in slots:
                    slot.cancel()

    async def waiting(self) -> Mapping[str, int]:
        return dict(self._unfinished)

    async def _serve(self, queue: asyncio.Queue[tuple[str, str]], handlers: Handlers) -> None:
        slot = asyncio.current_task()
        while not self._stopping:
            self._idle.add(slot)
            kind, key = await queue.get()
            self._idle.discard(slot)
            try:
                await handlers[kind](key)
            except Exception:
                log.exception("a task failed")  # the slot goes on
            finally:
                self._unfinished[kind] -= 1
