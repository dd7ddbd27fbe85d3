"""Ask the watcher for a poll, after the answer to a person has been sent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from bot.ports import Clock
from bot.runtime.logs import LogEvent
from bot.runtime.tasks import BackgroundTasks
from bot.store import circuit_breaker_row, poll_state
from bot.store.database import Store
from bot.store.store_errors import StoreError, waiting_for

log = logging.getLogger(__name__)

WAKE_AFTER = 0.05  # seconds: the answer is sent first
WAKE_GAP = timedelta(seconds=5)  # frequent commands must not cause as many writes to the store


class WatcherCalls:
    """Makes polls due, and wakes the loops of this process. Without a store there is no watcher."""

    def __init__(
        self,
        store: Store | None,
        tasks: BackgroundTasks,
        clock: Clock,
        wake: Callable[[], None],
        *,
        is_one_of_several: bool = False,
    ) -> None:
        """Keep what calls need.

        Args:
            wake: starts the next step of each loop of this process at once.
            is_one_of_several: during an outage of all accounts, the next probe is made due instead.
        """
        self.wake = wake
        self._store = store
        self._tasks = tasks
        self._clock = clock
        self._is_one_of_several = is_one_of_several
        self._woken_at: datetime | None = None

    def poll_now(self) -> None:
        """Make a poll due now."""
        if self._store:
            self._tasks.start(self._poll_now(self._store, always=True))

    def poll_after_read(self) -> None:
        """Make a poll that is delayed by failures due now, since a read has just succeeded."""
        now = self._clock()
        if self._store is None or (self._woken_at and now - self._woken_at < WAKE_GAP):
            return
        self._woken_at = now
        self._tasks.start(self._poll_now(self._store, always=False))

    async def _poll_now(self, store: Store, *, always: bool) -> None:
        await asyncio.sleep(WAKE_AFTER)
        try:
            async with store.begin() as tx:
                is_due = self._is_one_of_several and await circuit_breaker_row.probe_now(tx, tx.now)
                is_due = await poll_state.poll_now(tx, tx.now, always=always) or is_due
        except StoreError as exc:
            log.info(LogEvent("could not wake the watcher", error=waiting_for(exc) or type(exc).__name__))
        else:
            if is_due:
                self.wake()
