"""What was written down is told once; and told messages are kept true by edits."""

from __future__ import annotations

from collections.abc import Callable

from bot.delivery.edits import Edits
from bot.delivery.looks import Looks
from bot.delivery.means import Means
from bot.delivery.posts import GAP, Posts
from bot.store import figures

__all__ = ["Delivery", "Means"]


class Delivery:
    """Brings message rows to Slack. Any number of processes may do so on the same store."""

    def __init__(self, means: Means) -> None:
        self._store = means.store
        self.posts = Posts(means)
        self.looks = Looks(means)
        self.edits = Edits(means)

    async def run(self, stopping: Callable[[], bool] = lambda: False) -> float | None:
        """Look up the next unknown outcome, post the next message, then bring edits up to date.

        Returns the seconds after which another message may be ready; None when none was.

        Raises:
            bot.store.StoreError: the store cannot be reached; a row in flight waits out its lease.
        """
        if not self._store.migrated:
            return None  # the watcher opens it
        async with self._store.begin() as tx:
            # There mostly is none, and to try for one takes two transactions.
            busy = await figures.is_any_unsent(tx)
        looked = busy and not stopping() and await self.looks.next()
        posted = busy and not stopping() and await self.posts.next()
        await self.edits.due(stopping)
        return GAP.total_seconds() if posted or looked else None
