"""What was written down is told once; and told messages are kept true by edits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from bot.blocks.channel import Look
from bot.delivery.edits import Edits
from bot.delivery.looks import Looks
from bot.delivery.posts import GAP, Posts
from bot.marks import Marks
from bot.ports import Channel, Clock, Count, uncounted
from bot.store import Store

__all__ = ["Delivery"]


class Delivery:
    """Brings message rows to Slack. Any number of processes may do so on the same store."""

    def __init__(
        self,
        channel: Channel,
        store: Store,
        *,
        look: Look,
        marks: Marks,
        lease: timedelta,
        clock: Clock,
        count: Count = uncounted,
    ) -> None:
        self._store = store
        self.posts = Posts(channel, store, look=look, marks=marks, lease=lease, clock=clock, count=count)
        self.looks = Looks(channel, store, marks=marks, lease=lease, clock=clock, count=count)
        self.edits = Edits(channel, store, look=look, clock=clock, count=count)

    async def run(self, stopping: Callable[[], bool] = lambda: False) -> float | None:
        """Look up the next unknown outcome, post the next message, then bring edits up to date.

        Returns the seconds after which another message may be ready; None when none was.

        Raises:
            bot.store.StoreError: the store cannot be reached; a row in flight waits out its lease.
        """
        if not self._store.migrated:
            return None  # the watcher opens it
        looked = not stopping() and await self.looks.next()
        posted = not stopping() and await self.posts.next()
        await self.edits.due(stopping)
        return GAP.total_seconds() if posted or looked else None
