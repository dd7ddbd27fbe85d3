"""When to look at WeChat, and what to do if it does not answer. What a look means is in `evaluation`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import Enum

from bot.ports import Accounts, Blocked, Counter, HistoryMessage, no_op
from bot.recorder import Recorder
from bot.runtime.logs import LogEvent, error_fields
from bot.store import episodes, poll_state, slack_state
from bot.store.database import Store
from bot.store.poll_state import Claim
from bot.text import masked
from bot.watcher.ingest import Ingest
from bot.watcher.recovery import Recovery
from wechat_kf import KfError, KfList

log = logging.getLogger(__name__)

TIMER_PASS = timedelta(seconds=15)  # a deadline is noticed this soon, or at each poll if that is sooner
FRESH = timedelta(seconds=60)  # an older read is verified before the clock alone speaks
VERIFY_SECONDS = 5
REFUSED_WAIT = timedelta(seconds=60)  # until a first poll is tried again while Slack refuses the token


class Tick(Enum):
    """What a tick did."""

    NOTHING_DUE = "nothing due"
    GOOD = "good"
    FAILED = "failed"
    WAITS = "waiting for Slack"  # a first look has to know what the channel has been told


class Watcher:
    """Feeds the list and the clock to the rules, and writes down what follows.

    Any number of processes may run one on the same store: conditional updates decide who polls, and the
    account's locked row decides who decides.
    """

    def __init__(
        self,
        accounts: Accounts,
        store: Store,
        *,
        ledger: Recorder,
        recovery: Recovery,
        poll: timedelta,
        jitter: Callable[[], float] = lambda: 1.0,
        count: Counter = no_op,
    ) -> None:
        """`jitter` is drawn once a poll and multiplies the interval."""
        self.listed: KfList | None = None  # the last good read of this process
        self._accounts = accounts
        self._store = store
        self._recovery = recovery
        self._poll = poll
        self._jitter = jitter
        self._count = count
        self._unreadable_deadlines: frozenset[tuple[str, str]] = frozenset()
        self._evaluation = Ingest(ledger, poll)

    async def make_due(self) -> None:
        """Let the next tick poll, whenever the last poll was: somebody asks for a look now."""
        await self._store.open()
        async with self._store.begin() as tx:
            await poll_state.poll_now(tx, tx.now, always=True)

    async def tick(self) -> Tick:
        """Poll if it is time and nobody else does; let the clock speak in any case.

        Raises:
            bot.store.StoreError: the store cannot be reached; nothing was lost, the next tick looks again.
        """
        if not self._store.migrated:
            await self._store.open()
        async with self._store.begin() as tx:
            began = tx.now
            poll = await poll_state.claim_poll(tx, began, began + self._poll * self._jitter())
        look = (
            await self._read(began, first=poll is Claim.FIRST) if poll is not Claim.NOT_MINE else Tick.NOTHING_DUE
        )
        if look in (Tick.NOTHING_DUE, Tick.FAILED):
            await self._timers(ask=look is Tick.NOTHING_DUE)
        return look

    async def _read(self, began: datetime, *, first: bool) -> Tick:
        try:
            listed = await self._accounts.kf_list()
        except KfError as error:
            log.warning(LogEvent("poll", outcome="failed", **error_fields(error)))
            self._count("poll", "failed")
            async with self._store.begin() as tx:
                await self._evaluation.ingest_failure(tx, error)
            return Tick.FAILED
        self._count("poll", "ok")
        self.listed = listed
        past = await self._recovery.read() if first else ()
        if past is None:
            await self._wait_for_slack()
            return Tick.WAITS
        log.info(LogEvent("poll", outcome="ok", accounts=len(listed.accounts)))
        self._report_deadlines(listed)
        await self._take(listed, began, past, first=first)
        return Tick.GOOD

    def _report_deadlines(self, listed: KfList) -> None:
        """Log each deadline that cannot be read, once for as long as WeChat repeats it."""
        deadlines = frozenset(listed.unreadable_deadlines)
        for key, text in sorted(deadlines - self._unreadable_deadlines):
            log.warning(LogEvent("deadline not readable", account=masked(key), value=text))
        self._unreadable_deadlines = deadlines

    async def _wait_for_slack(self) -> None:
        """Record why the history cannot be read, and plan the next attempt: nothing is told before it is known."""
        obstacle = self._recovery.obstacle
        error = obstacle.error if obstacle else None
        log.info(LogEvent("first poll waits for channel history", error=error))
        async with self._store.begin() as tx:
            now = tx.now
            if isinstance(obstacle, Blocked):
                await slack_state.record_refusal(tx, obstacle.error, now, reading=True)
            elif obstacle:
                await slack_state.record_silence(tx, obstacle.error, now, reading=True)
            wait = min(self._poll, REFUSED_WAIT if isinstance(obstacle, Blocked) else TIMER_PASS)
            await poll_state.schedule_poll(tx, now + max(wait, self._recovery.rest))

    async def _timers(self, *, ask: bool) -> None:
        """Tell the leads and deadlines that have passed, after a look at WeChat if the last one is old."""
        async with self._store.begin() as tx:
            now = tx.now
            due = await episodes.with_due_timers(tx, now)
            last_read_at = (await poll_state.load(tx)).last_read_at
        if not due:
            return
        stale = last_read_at is None or now - last_read_at > max(FRESH, self._poll)
        if stale and ask and await self._verify(now):
            return
        async with self._store.begin() as tx:
            known = await poll_state.load(tx, lock=True)
            await self._evaluation.apply_timers(tx, known, confirmed_at=last_read_at if stale else None)

    async def _verify(self, began: datetime) -> bool:
        """Look before telling what only the clock says. The read brings the clock's news along."""
        try:
            listed = await self._accounts.kf_list(within=VERIFY_SECONDS, attempts=1)
        except KfError as error:
            log.info(LogEvent("verification poll", outcome="failed", **error_fields(error)))
            self._count("poll", "failed")
            return False
        self._count("poll", "ok")
        await self._take(listed, began)
        return True

    async def _take(
        self, listed: KfList, began: datetime, past: Sequence[HistoryMessage] = (), *, first: bool = False
    ) -> None:
        async with self._store.begin() as tx:
            if first:
                await slack_state.record_success(tx, reading=True)
            await self._evaluation.ingest(tx, listed, began, past)
