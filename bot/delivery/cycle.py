"""What was written down is told once; and told messages are kept true by edits."""

from __future__ import annotations

from collections.abc import Callable

from bot.delivery.dependencies import DeliveryDependencies
from bot.delivery.reconciler import Reconciler
from bot.delivery.sender import GAP, Sender
from bot.delivery.updater import Updater
from bot.store import stats

__all__ = ["Delivery", "DeliveryDependencies"]


class Delivery:
    """Brings message rows to Slack. Any number of processes may do so on the same store."""

    def __init__(self, means: DeliveryDependencies) -> None:
        self._store = means.store
        self.sender = Sender(means)
        self.reconciler = Reconciler(means)
        self.updater = Updater(means)

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
            busy = await stats.is_any_unsent(tx)
        looked = busy and not stopping() and await self.reconciler.next()
        posted = busy and not stopping() and await self.sender.next()
        await self.updater.due(stopping)
        return GAP.total_seconds() if posted or looked else None
