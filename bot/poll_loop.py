"""The loop that claims the polls of all Official Accounts that are due, and the slots that make them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from bot.fleet import Fleet
from bot.queue_backends.choice import backend_for
from bot.runtime.logs import request_id
from bot.runtime.tasks import STEP_SECONDS, FailureLog, PeriodicTask, with_timeout
from bot.runtime.token_bucket import TokenBucket
from bot.settings.parsers import QueueKind
from bot.store import claims, shared_channel_rows, tenants
from bot.store.claims import ClaimedPoll
from bot.store.database import Store, Tx
from bot.store.store_errors import waiting_for
from bot.store.tenants import StoredTenant
from bot.watcher.poll_slots import POLL, REQUESTED_POLL, RESERVED, PollSlots
from bot.watcher.poller import Tick
from bot.wiring import Services

NAME = "watcher"
CLAIM_SECONDS = 0.5  # between two claims: polls that become due meanwhile are claimed together
REFILL_SECONDS = 0.2  # until the next claim while the rate of polls is at its limit
TAKEN_AT_ONCE = 2  # of a queue: the outcomes of polls need connections, too
REPAIR_SECONDS = 60  # between two repairs of times that a wrong clock has planned


class _Room(NamedTuple):
    """How many polls may be claimed now."""

    free: int  # slots
    due: int  # polls that are due
    reserved: int  # polls that a person requested: while others wait for a slot, they have slots of their own


class _Found(NamedTuple):
    """The polls that were claimed."""

    requested: Sequence[ClaimedPoll]
    due: Sequence[ClaimedPoll]
    has_more: bool  # as many were due as there was room
    seconds: float  # until the next one is due


class PollLoop(PeriodicTask):
    """Claims as many polls as there are free slots. The rows say which are due, so any process may make each."""

    def __init__(
        self,
        fleet: Fleet,
        store: Store,
        done: Callable[[Services, Tick | None], None],
        stepped: Callable[[Exception | None], None],
    ) -> None:
        """Keep what the steps need.

        Args:
            done: called after each poll, with None if its outcome could not be recorded.
            stepped: called with the error after a step that could not claim, and with None when one can again.
        """
        super().__init__(NAME, self._step, fleet.pace, waiting_for=waiting_for)
        settings = fleet.shared.settings
        self._fleet = fleet
        self._store = store
        self._done = done
        self._stepped = stepped
        self._has_failed = False
        self._lease = settings.poll_lease
        self._foreign = frozenset[str]()  # AppIDs in the store that this process does not have
        self._backend = backend_for(settings, PollSlots())
        self._has_queue = settings.queue_backend is not QueueKind.ROWS
        self._concurrency = settings.poll_slots(receives_commands=fleet.shared.process.receives_commands)
        self._taking = asyncio.Semaphore(TAKEN_AT_ONCE)
        self._rate = TokenBucket(settings.polls_per_second, time.monotonic())
        self._claimed: dict[str, ClaimedPoll] = {}  # by AppID, until the slot takes it
        self._running = set[str]()
        self._is_full = False  # more polls are due than there are slots
        self._repaired_at = float("-inf")  # by the monotonic clock
        self._broken: dict[str, FailureLog] = {}  # by AppID, where the last poll failed for no reason of the store

    def is_polling(self, appid: str) -> bool:
        return appid in self._claimed or appid in self._running

    async def run(self) -> None:
        """Take steps until stopped, then finish the running polls."""
        handlers = {POLL: self._poll, REQUESTED_POLL: self._poll}
        slots = asyncio.create_task(self._backend.run(handlers, self._concurrency))
        try:
            await super().run()
        finally:
            slots.cancel()
            try:
                await asyncio.wait([slots])
            finally:
                slots.cancel()  # not finished in time

    async def _step(self) -> float:
        try:
            if not self._store.migrated:
                await self._open()
            pause = await self._claim()
        except Exception as exc:
            self._has_failed = True
            self._stepped(exc)
            raise
        if self._has_failed:
            self._has_failed = False
            self._stepped(None)
        return pause

    async def _open(self) -> None:
        await self._store.open()
        loaded = self._fleet.tenants.values()
        rows = [StoredTenant(one.appid, one.slug, one.name, one.origin) for one in loaded]
        async with self._store.begin() as tx:
            await tenants.record(tx, rows)
            await shared_channel_rows.hand_over(tx, {one.appid: one.settings.slack_alert_channel for one in loaded})
            if not self._fleet.shared.settings.reads_stored_accounts:
                self._fleet.first.status_reporter.note_unread_accounts(await tenants.count_added(tx))

    async def _claim(self) -> float:
        """Claim what is due, and pass it to the slots. Return the seconds until the next claim."""
        await self._repair()
        room = await self._room()
        async with self._store.begin() as tx:
            found = await self._take_due(tx, room)
        await self._start(REQUESTED_POLL, found.requested)
        await self._start(POLL, found.due)
        self._is_full = found.has_more and len(found.due) == room.due == room.free
        if self._is_full:
            return self._every  # or until a slot is free
        return REFILL_SECONDS if found.has_more else min(self._every, max(CLAIM_SECONDS, found.seconds))

    async def _repair(self) -> None:
        now = time.monotonic()
        if now - self._repaired_at >= REPAIR_SECONDS:
            async with self._store.begin() as tx:  # of its own: a claim may have locked `source`, which comes first
                await claims.repair(tx, self._lease)
            self._repaired_at = now

    async def _room(self) -> _Room:
        tokens, waiting = self._rate.available(time.monotonic()), await self._backend.waiting()
        free = max(0, self._concurrency - waiting.get(POLL, 0))
        reserved = max(0, min(RESERVED - waiting.get(REQUESTED_POLL, 0), tokens)) if self._is_full else 0
        return _Room(free, min(free, tokens), reserved)

    async def _take_due(self, tx: Tx, room: _Room) -> _Found:
        """Claim the probe of an outage, or what is due."""
        outages, without = self._fleet.shared.outages, self._not_claimable
        probe = await outages.claim_probe(tx, self._lease, without=without) if outages else None
        if probe is not None:
            return _Found(await self._own(tx, probe), [], has_more=False, seconds=self._every)
        requested, due = list[ClaimedPoll](), list[ClaimedPoll]()
        if room.reserved:
            requested = await claims.claim_requested(tx, room.reserved, self._lease, without=without)
        if room.due:
            due = await claims.claim(tx, room.due, self._lease, without=without, queue=self._has_queue)
        has_more, seconds = len(due) == room.due, self._every
        requested, due = await self._own(tx, requested), await self._own(tx, due)
        if not has_more and (next_due := await claims.next_due(tx, without=self._not_claimable)):
            seconds = (next_due - tx.now).total_seconds()
        return _Found(requested, due, has_more=has_more, seconds=seconds)

    @property
    def _not_claimable(self) -> Sequence[str]:
        return [*self._foreign, *self._claimed, *self._running]

    async def _own(self, tx: Tx, claimed: Sequence[ClaimedPoll]) -> list[ClaimedPoll]:
        """Give the claims of accounts back that this process does not have, and claim none of them again."""
        foreign = [one.appid for one in claimed if one.appid not in self._fleet.tenants]
        if foreign:
            await claims.give_back(tx, foreign)
            self._foreign = await claims.others(tx, self._fleet.tenants.keys())
        return [one for one in claimed if one.appid in self._fleet.tenants]

    async def _start(self, kind: str, claimed: Sequence[ClaimedPoll]) -> None:
        self._rate.take(len(claimed))
        for one in claimed:
            self._fleet.shared.metrics.note_lateness((one.began - one.due_at).total_seconds())
        if kind == REQUESTED_POLL or not self._has_queue:
            self._claimed |= {one.appid: one for one in claimed}
        await self._backend.enqueue(kind, [one.appid for one in claimed])

    async def _poll(self, appid: str) -> None:
        """Make a poll in a slot. Its errors concern no other account."""
        if appid not in self._fleet.tenants:
            return  # a queue may have jobs of accounts that other processes have
        services = self._fleet.accounts[appid]
        if services.watcher is None:
            return
        claimed = self._claimed.pop(appid, None) or await self._take(appid)
        if claimed is None:
            return
        self._running.add(appid)
        tick: Tick | None = None
        with request_id(), services.in_log():
            try:
                tick = await with_timeout(services.watcher.poll(claimed), STEP_SECONDS)
            except Exception as exc:
                self._note_failure(appid, exc)
                services.status_reporter.note_poll(exc)
            else:
                if broken := self._broken.pop(appid, None):
                    broken.note_success()
                services.status_reporter.note_poll(None)
            finally:
                self._running.discard(appid)
            self._done(services, tick)
        if self._is_full:
            self.wake()

    async def _take(self, appid: str) -> ClaimedPoll | None:
        async with self._taking, self._store.begin() as tx:
            return await claims.take(tx, appid, self._lease)

    def _note_failure(self, appid: str, exc: Exception) -> None:
        if waiting_for(exc):
            self._failures.note(exc)  # of the store: the other polls, and the steps, have the same
        else:
            self._broken.setdefault(appid, FailureLog(NAME)).note(exc)
