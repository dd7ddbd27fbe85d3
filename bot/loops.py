"""The loops of the watcher, the delivery, the operations and the pruning. Each goes over all Official Accounts."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from bot.fleet import Fleet
from bot.interaction_wiring import InteractionServices
from bot.runtime.tasks import PeriodicTask
from bot.store import due, tenants
from bot.store.database import Store, Tx
from bot.store.store_errors import waiting_for
from bot.store.tenants import StoredTenant
from bot.watcher.poller import Tick
from bot.wiring import Services

T = TypeVar("T")

OPERATION_SECONDS = 15.0  # how soon an operation is noticed whose process has ended
SOON = 0.1  # seconds until one that has just become due; 0 would be the whole interval
DELIVERY_SECONDS = 5  # how soon a message that another process queued is noticed
SWEEP_SECONDS = 60  # between ticks of all accounts: the rule of each knows polls that a wrong clock has planned
SLOTS = 16  # accounts that take a step at the same time


class AlertLoops:
    """The steps of these loops. A single account takes every step; of several, those that have something to do."""

    def __init__(
        self,
        fleet: Fleet,
        store: Store,
        interactions: Mapping[str, InteractionServices],
        health: PeriodicTask,
    ) -> None:
        """Keep what the steps need.

        Args:
            interactions: by AppID; they carry out operations, and show what a poll has changed.
            health: the loop that checks the health, woken by what these loops find out.
        """
        self._fleet = fleet
        self._store = store
        self._interactions = interactions
        self._health = health
        self._swept_at = float("-inf")  # by the monotonic clock
        self._round = 0  # of deliveries
        lease, task = fleet.shared.settings.alert_lease_seconds, self._task
        # Unknown outcomes are looked up a fourth, and a half, of a lease after it ran out.
        self._settle_every = min(OPERATION_SECONDS, lease / 3)
        pruning = min((one.pruner.interval for one in fleet.accounts if one.pruner), default=fleet.pace)
        self._watching = PeriodicTask("watcher", self._poll, fleet.pace, waiting_for=waiting_for)
        self._delivering = task("delivery", self._deliver, min(DELIVERY_SECONDS, lease / 4))
        self._settling = task("operations", self._settle, self._settle_every)
        self._pruning = task("pruning", self._prune, pruning)

    def tasks(self) -> list[PeriodicTask]:
        return [self._watching, self._delivering, self._settling, self._pruning]

    def _task(self, name: str, step: Callable[[], Coroutine[Any, Any, float | None]], every: float) -> PeriodicTask:
        # The watcher migrates the store; the others wait for that.
        return PeriodicTask(name, step, every, waiting_for=waiting_for, ready=lambda: self._store.migrated)

    async def _poll(self) -> None:
        try:
            accounts = await self._to_poll()
        except Exception as exc:
            for one in self._fleet.accounts:
                one.status_reporter.note_poll(exc)
            self._health.wake()
            raise
        ticks = await self._each(accounts, self._tick)
        self._delivering.wake()
        self._health.wake()
        if Tick.GOOD in ticks:
            self._fleet.shared.tasks.start(self._fleet.beat())

    async def _to_poll(self) -> Sequence[Services]:
        if not self._store.migrated:
            await self._store.open()
            await self._record_accounts()
        now = time.monotonic()
        if now - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = now
            return self._fleet.accounts
        return await self._those(due.to_poll)

    async def _record_accounts(self) -> None:
        loaded = [one.tenant for one in self._fleet.accounts]
        rows = [StoredTenant(one.appid, one.slug, one.name, one.origin) for one in loaded]
        async with self._store.begin() as tx:
            await tenants.record(tx, rows)

    async def _tick(self, services: Services) -> Tick:
        if services.watcher is None:
            return Tick.NOTHING_DUE
        try:
            tick = await services.watcher.tick()
        except Exception as exc:
            services.status_reporter.note_poll(exc)
            self._health.wake()
            raise
        if tick is not Tick.NOTHING_DUE:
            services.status_reporter.note_poll(None)
        if services.watcher.take_change():
            self._interactions[services.tenant.appid].handler.changed()
        return tick

    async def _deliver(self) -> float | None:
        accounts = deque(await self._those(due.to_deliver))
        # Accounts that share a channel take turns: each begins once.
        self._round += 1
        accounts.rotate(-self._round)
        pauses = await self._each(accounts, self._post)
        pause = min(filter(None, pauses), default=None)
        if pause:
            self._health.wake()  # Slack was asked
        return pause

    async def _post(self, services: Services) -> float | None:
        return await services.delivery.run(lambda: self._delivering.stopping) if services.delivery else None

    async def _settle(self) -> float:
        seconds = await self._each(await self._those(due.to_settle), self._settle_all)
        return min([self._settle_every, *(max(SOON, one) for one in seconds)])

    async def _settle_all(self, services: Services) -> float:
        """Settle the operations of an account that are due, and return the seconds until the next one is."""
        runner = self._interactions[services.tenant.appid].runner
        if runner is None:
            return self._settle_every
        while not self._settling.stopping and await runner.settle_due():
            pass
        return await runner.records.seconds_until_due()

    async def _prune(self) -> float | None:
        pauses = await self._each(self._fleet.accounts, self._prune_one)
        return min(filter(None, pauses), default=None)

    async def _prune_one(self, services: Services) -> float | None:
        return await services.pruner.step() if services.pruner else None

    async def _those(self, query: Callable[[Tx], Awaitable[frozenset[str]]]) -> Sequence[Services]:
        """Return the accounts that have something to do. A single account finds that out by its own step."""
        accounts = self._fleet.accounts
        if len(accounts) == 1:
            return accounts
        async with self._store.begin() as tx:
            appids = await query(tx)
        return [one for one in accounts if one.tenant.appid in appids]

    async def _each(self, accounts: Sequence[Services], step: Callable[[Services], Awaitable[T]]) -> Sequence[T]:
        """Take the step of each account, some at a time. An error of one is raised after the others' steps."""
        slots = asyncio.Semaphore(SLOTS)

        async def take(services: Services) -> T:
            async with slots:
                with services.in_log():
                    return await step(services)

        results = await asyncio.gather(*map(take, accounts), return_exceptions=True)
        for failed in results:
            if isinstance(failed, BaseException):
                raise failed
        return [result for result in results if not isinstance(result, BaseException)]
