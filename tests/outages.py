"""Several Official Accounts in one database, polled as a process polls them, by a clock that a test moves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from bot.alerting.circuit_breaker import PROBE_INTERVAL
from bot.alerting.episode import AlertPolicy
from bot.outbox.event_keys import EventKeys
from bot.recorder import Recorder
from bot.store import circuit_breaker_row, claims, due, tenants
from bot.store.claims import ClaimedPoll
from bot.store.database import Store
from bot.store.stats import UNSENT
from bot.store.tables import message
from bot.store.tenants import StoredTenant
from bot.watcher.incident_reporting import CommonNotices
from bot.watcher.poller import LEASE, TIMER_PASS
from bot.watcher.shared_outages import SharedOutages
from tests.bots import Bot
from tests.conftest import VirtualClock
from tests.fakes import FakeChannel
from wechat_kf import KfError

POLL = timedelta(minutes=5)
SHORTEST, LONGEST = timedelta(seconds=3), timedelta(minutes=1)  # steps of time
DEFAULT = "C0DEFAULT"  # where notices about all accounts appear


class Accounts:
    """Accounts whose AppIDs are `wx-` and a word, each with a channel of its own unless they share one."""

    def __init__(self, store: Store, clock: VirtualClock, *words: str, shared_channel: str = "") -> None:
        self.clock = clock
        self._others = [store.appid]
        self.appids = [f"wx-{word}" for word in words]
        self.channels = {appid: shared_channel or f"C0{appid.upper()}" for appid in self.appids}
        self.channels[self.appids[0]] = shared_channel or DEFAULT
        slacks = {channel: FakeChannel(clock=clock, id=channel) for channel in self.channels.values()}
        first = self.appids[0]
        notices = CommonNotices(Recorder(AlertPolicy(), EventKeys("secret", first), first), self.channels[first])
        self.outages = SharedOutages(notices, POLL, 50, wait=self._wait)
        self.store = store.of(first, self.channels[first])
        self.bots = {
            appid: Bot(store.of(appid, channel), clock, slacks[channel], outages=self.outages)
            for appid, channel in self.channels.items()
        }
        self.polls = list[tuple[datetime, str]]()  # when which account was polled
        self._waits = 0
        self._next_step = clock()

    def _wait(self) -> float:
        self._waits += 1
        return self._waits * 7 % 200 / 200

    async def begin(self) -> None:
        """Poll every account for the first time, and spread the next polls over an interval."""
        await self.store.open()
        async with self.store.begin() as tx:
            await tenants.record(tx, [StoredTenant(appid, appid[3:], "", "file") for appid in self.appids])
        await self.pass_time(0)
        parts = [POLL * number / len(self.appids) for number in range(len(self.appids))]
        async with self.store.begin() as tx:
            await circuit_breaker_row.schedule(
                tx, [(appid, tx.now + part) for appid, part in zip(self.appids, parts, strict=True)]
            )

    def fail(self, error: KfError, *words: str) -> None:
        """Let WeChat refuse these accounts, or all."""
        for bot in self._bots(words):
            bot.wechat.error = error

    def go_down(self, *words: str) -> None:
        """Let WeChat give no answer to these accounts, or to any."""
        for bot in self._bots(words):
            bot.wechat.go_down()

    def come_back(self, *words: str) -> None:
        for bot in self._bots(words):
            bot.wechat.come_back()

    def _bots(self, words: Sequence[str]) -> list[Bot]:
        return [self.bots[f"wx-{word}"] for word in words] or [*self.bots.values()]

    async def run(self, length: timedelta) -> None:
        """Let time pass, from one moment with something to do to the next one."""
        until = self.clock() + length
        while (left := until - self.clock()) > timedelta(0):
            await self.pass_time(min(left, max(self._next_step - self.clock(), SHORTEST), LONGEST).total_seconds())
        async with self.store.begin() as tx:
            to_edit = await due.to_deliver(tx, {})
        for appid in sorted(to_edit):
            await self.bots[appid].deliver()

    async def pass_time(self, seconds: float) -> None:
        """Let some seconds pass, then do what a process does."""
        self.clock.forward(seconds=seconds)
        for claimed in await self.claim():
            self.polls.append((self.clock(), claimed.appid))
            await self.bots[claimed.appid].watcher.poll(claimed)
        await self._report_and_post()

    async def claim(self) -> Sequence[ClaimedPoll]:
        async with self.store.begin() as tx:
            probe = await self.outages.claim_probe(tx, LEASE, without=self._others)
            claimed = await claims.claim(tx, 1000, LEASE, without=self._others) if probe is None else probe
            due_at = await claims.next_due(tx, without=self._others)
            self._next_step = due_at if due_at and probe is None else tx.now + PROBE_INTERVAL
        return claimed

    async def _report_and_post(self) -> None:
        async with self.store.begin() as tx:
            with_timers = await due.with_timers(tx, TIMER_PASS)
            unsent = (await tx.run(sa.select(message.c.appid).where(message.c.status.in_(UNSENT)))).scalars()
            to_post = {*with_timers, *unsent}
        for appid in with_timers:
            await self.bots[appid].watcher.report_timers()
        for appid in sorted(to_post):
            await self.bots[appid].deliver()

    def posts(self, word: str = "") -> list[str]:
        """Return the first sentence of each message in the channel of an account, or in all."""
        channels = {id(bot.slack): bot.slack for bot in self._bots([word] if word else [])}
        return [one.message.text.split(".")[0] for slack in channels.values() for one in slack.posted]
