"""Record unchanged polls together: those that end at about the same time share a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from bot.store.database import Store
from bot.store.unchanged import MAX_BATCH, UnchangedPoll, record_unchanged

WAIT_SECONDS = 0.05  # for other polls that may end


class UnchangedPolls:
    """Records unchanged polls of any account. A poll waits for its record, and longer only while others run."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._polling = 0
        self._waiting: list[tuple[UnchangedPoll, asyncio.Future[bool]]] = []
        self._is_complete = asyncio.Event()  # no other poll can join those that wait
        self._recording: asyncio.Task[None] | None = None

    @contextmanager
    def polling(self) -> Iterator[None]:
        """Count a poll that may be recorded here."""
        self._polling += 1
        try:
            yield
        finally:
            self._polling -= 1
            self._note_complete()

    async def record(self, poll: UnchangedPoll) -> bool:
        """Record a poll. Return False if it must be evaluated after all.

        Raises:
            bot.store.store_errors.StoreError: the store cannot be reached.
        """
        recorded: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((poll, recorded))
        self._note_complete()
        if self._recording is None:
            self._recording = asyncio.create_task(self._record_all())
        return await recorded

    def _note_complete(self) -> None:
        if self._waiting and len(self._waiting) >= min(self._polling, MAX_BATCH):
            self._is_complete.set()

    async def _record_all(self) -> None:
        try:
            while self._waiting:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._is_complete.wait(), WAIT_SECONDS)
                self._is_complete.clear()
                batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
                await self._record(batch)
        finally:
            self._recording = None

    async def _record(self, batch: list[tuple[UnchangedPoll, asyncio.Future[bool]]]) -> None:
        try:
            async with self._store.begin() as tx:
                found = await record_unchanged(tx, [poll for poll, _ in batch])
        except Exception as exc:
            for _, recorded in batch:
                if not recorded.done():
                    recorded.set_exception(exc)
        else:
            for poll, recorded in batch:
                if not recorded.done():  # cancelled meanwhile
                    recorded.set_result(poll.appid in found)
