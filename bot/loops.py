"""The loops of the watcher, the timers, the delivery, the operations and the pruning, of all Official Accounts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import partial
from itertools import chain, islice
from typing import Any, TypeVar

from bot.fleet import Fleet
from bot.interaction_wiring import InteractionServices
from bot.poll_loop import PollLoop
from bot.pruning_rounds import PruningRounds
from bot.retention import RetentionPolicy
from bot.runtime.recently_used import RecentlyUsed
from bot.runtime.tasks import PeriodicTask
from bot.store import due
from bot.store.database import Store, Tx
from bot.store.store_errors import waiting_for
from bot.watcher.poller import TIMER_PASS, Tick
from bot.wiring import Services

T = TypeVar("T")

OPERATION_SECONDS = 15.0  # how soon an operation is noticed whose process has ended
SOON = 0.1  # seconds until one that has just become due; 0 would be the whole interval
DELIVERY_SECONDS = 5  # how soon a message that another process queued is noticed
BEAT_SECONDS = 5  # the least time between two heartbeats, however many accounts are polled
SLOTS = 16  # accounts that take a step of the same loop at the same time


class AlertLoops:
    """The steps of these loops. A single account takes every step; of several, those that have something to do."""

    def __init__(
        self,
        fleet: Fleet,
        store: Store,
        interactions: RecentlyUsed[InteractionServices],
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
        self._beaten_at = float("-inf")  # by the monotonic clock
        self._round = 0  # of deliveries
        self._channels = {one.settings.slack_alert_channel: one.appid for one in fleet.tenants.values()}
        lease, task = fleet.shared.settings.alert_lease_seconds, self._task
        # Unknown outcomes are looked up a fourth, and a half, of a lease after it ran out.
        self._settle_every = min(OPERATION_SECONDS, lease / 3)
        pruning = fleet.first.pruner.interval if fleet.first.pruner else fleet.pace
        self._pruned = PruningRounds(fleet, store, RetentionPolicy())
        self._watching = PollLoop(fleet, store, self._polled, self._claimed)
        self._timing = task("timers", self._report_timers, fleet.pace)
        self._delivering = task("delivery", self._deliver, min(DELIVERY_SECONDS, lease / 4))
        self._settling = task("operations", self._settle, self._settle_every)
        self._pruning = task("pruning", self._prune, pruning)
        platform = fleet.shared.platform_incidents
        self._of_platform = [task("platform", partial(platform.check, store), fleet.pace)] if platform else []

    def tasks(self) -> list[PeriodicTask]:
        alerts = [self._watching, self._timing, self._delivering, self._settling, self._pruning]
        return [*alerts, *self._of_platform]

    def _task(self, name: str, step: Callable[[], Coroutine[Any, Any, float | None]], every: float) -> PeriodicTask:
        # The watcher migrates the store; the others wait for that.
        return PeriodicTask(name, step, every, waiting_for=waiting_for, ready=lambda: self._store.migrated)

    def _polled(self, services: Services, tick: Tick | None) -> None:
        """Wake the loops that a poll may concern. None: its outcome could not be recorded."""
        if tick is not Tick.UNCHANGED:
            self._delivering.wake()
            self._health.wake()
            self._show_change(services)
        if tick and tick.is_good and time.monotonic() - self._beaten_at >= min(BEAT_SECONDS, self._fleet.pace / 2):
            self._beaten_at = time.monotonic()
            self._fleet.shared.tasks.start(self._fleet.beat())

    def _claimed(self, exc: Exception | None) -> None:
        # What keeps the process from claims is shared by all accounts, so it is a problem of the first.
        self._fleet.first.status_reporter.note_poll(exc)
        self._health.wake()

    async def _report_timers(self) -> None:
        async with self._store.begin() as tx:
            appids = await due.with_timers(tx, TIMER_PASS)
        due_now = [appid for appid in self._own(appids) if not self._watching.is_polling(appid)]
        if not due_now:
            return
        try:
            await self._each(map(self._fleet.accounts.__getitem__, due_now), self._report_timers_of)
        finally:
            self._delivering.wake()

    async def _report_timers_of(self, services: Services) -> None:
        if services.watcher:
            await services.watcher.report_timers()
            self._show_change(services)

    def _show_change(self, services: Services) -> None:
        if services.watcher and services.watcher.take_change():
            known = self._interactions.get(services.tenant.appid)
            if known:  # without any, no view of the account is open
                known.handler.changed()

    async def _deliver(self) -> float | None:
        # Accounts that share a channel take turns: each begins once.
        self._round += 1
        accounts = await self._those(partial(due.to_deliver, channels=self._channels), self._round)
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
        pauses = await self._each(await self._pruned.accounts(), self._prune_one)
        return min(filter(None, pauses), default=None)

    async def _prune_one(self, services: Services) -> float | None:
        return await services.pruner.step() if services.pruner else None

    async def _those(self, query: Callable[[Tx], Awaitable[frozenset[str]]], begin: int = 0) -> Iterable[Services]:
        """Return the accounts that have something to do. A single account finds that out by its own step.

        Args:
            begin: the number of the account that comes first.
        """
        if not self._fleet.is_several:
            return [self._fleet.first] if self._fleet.tenants else []
        async with self._store.begin() as tx:
            appids = self._own(await query(tx))
        first = begin % max(1, len(appids))
        return map(self._fleet.accounts.__getitem__, [*appids[first:], *appids[:first]])

    def _own(self, appids: frozenset[str]) -> list[str]:
        """Return the AppIDs of the accounts that this process has."""
        return sorted(appids & self._fleet.tenants.keys())

    async def _each(self, accounts: Iterable[Services], step: Callable[[Services], Awaitable[T]]) -> Sequence[T]:
        """Take the step of each account, some at a time. An error of one is raised after the others' steps.

        Args:
            accounts: makes the services of each when its turn comes: those of thousands would fill the memory.
        """
        turns, results, failures = iter(accounts), list[T](), list[Exception]()

        async def take_turns(first: Services) -> None:
            for services in chain([first], turns):
                with services.in_log():
                    try:
                        results.append(await step(services))
                    except Exception as exc:
                        failures.append(exc)

        await asyncio.gather(*map(take_turns, [*islice(turns, SLOTS)]))
        if failures:
            raise failures[0]
        return results
