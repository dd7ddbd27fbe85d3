"""Deliver each outbox message exactly once, and edit sent messages when their data changes."""

from __future__ import annotations

from collections.abc import Callable

from bot.delivery.dependencies import DeliveryDependencies
from bot.delivery.prober import Prober
from bot.delivery.reconciler import Reconciler
from bot.delivery.sender import Sender
from bot.delivery.updater import Updater
from bot.store import slack_state, stats
from bot.store.channels import GAP


class Delivery:
    """Makes passes over the outbox. Any number of processes may make them on the same store."""

    def __init__(self, dependencies: DeliveryDependencies) -> None:
        self._store = dependencies.store
        self.sender = Sender(dependencies)
        self.reconciler = Reconciler(dependencies)
        self.updater = Updater(dependencies)
        self.prober = Prober(dependencies)

    async def run(self, stopping: Callable[[], bool] = lambda: False) -> float | None:
        """Look up the next unknown outcome, post the next message, then bring edits up to date.

        Return the seconds after which another message may be ready; None if there was none to send or look up.

        Raises:
            bot.store.store_errors.StoreError: the store cannot be reached; a message being sent is looked up later.
        """
        if not self._store.migrated:
            return None  # the watcher opens it
        async with self._store.begin() as tx:
            # Two claims would cost two transactions, and usually everything is sent.
            busy = await stats.is_any_unsent(tx)
            trouble = None if busy else await slack_state.load(tx)
        looked = busy and not stopping() and await self.reconciler.check_next()
        posted = busy and not stopping() and await self.sender.send_next()
        await self.updater.update_all(stopping)
        if trouble and not stopping():
            await self.prober.check(trouble)
        return GAP.total_seconds() if posted or looked else None
