"""Poll WeChat on schedule, and handle failed polls. `ingest` applies the results."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum

from bot.alerting.cadence import Cadence
from bot.alerting.rows_digest import rows_digest
from bot.outbox.messages import MessageKind
from bot.ports import Accounts, Authorizations, Blocked, Counter, HistoryMessage, no_op
from bot.recorder import Recorder
from bot.runtime.logs import LogEvent, error_fields
from bot.store import circuit_breaker_row, claims, episodes, poll_state, shared_channel_rows, slack_state
from bot.store.claims import ClaimedPoll
from bot.store.database import Store
from bot.store.unchanged import UnchangedPoll
from bot.text import masked
from bot.watcher.ingest import Ingest
from bot.watcher.recovery import Recovery
from bot.watcher.shared_outages import SharedOutages
from bot.watcher.unchanged_polls import UnchangedPolls
from wechat_kf import KfError, KfList

log = logging.getLogger(__name__)

TIMER_PASS = timedelta(seconds=15)  # how soon a deadline is noticed, or at each poll if that is sooner
FRESH = timedelta(seconds=60)  # a poll older than both this and the interval is repeated before a timer is reported
VERIFY_SECONDS = 5
LEASE = timedelta(seconds=60)  # a poll, and the evaluation of its list, take less
AT_ONCE = 3  # outcomes being recorded: one of the store's four connections is left to clicks
REFUSED_WAIT = timedelta(seconds=60)  # before the first poll is retried while Slack refuses the token


class Tick(Enum):
    """The outcome of a tick."""

    NOTHING_DUE = "nothing due"
    GOOD = "good"
    UNCHANGED = "good, and the list is that of the poll before"
    FAILED = "failed"
    WAITS = "waiting for Slack"  # the first poll needs the history of the channel

    @property
    def is_good(self) -> bool:
        return self in (Tick.GOOD, Tick.UNCHANGED)


class Watcher:
    """Polls one Official Account: makes a poll that was claimed, and records the changes.

    Any number of processes may run a watcher on the same store: a conditional update lets one of them poll, and
    the lock on the account's row lets one at a time apply a poll.
    """

    def __init__(
        self,
        accounts: Accounts,
        store: Store,
        *,
        recorder: Recorder,
        recovery: Recovery,
        cadence: Cadence,
        lease: timedelta = LEASE,
        unchanged_polls: UnchangedPolls | None = None,
        recording: asyncio.Semaphore | None = None,
        is_one_of_several: bool = False,
        keeps_list: bool = False,
        count: Counter = no_op,
        outages: SharedOutages | None = None,
        authorizations: Authorizations | None = None,
    ) -> None:
        """Take the dependencies.

        Args:
            lease: how long another process waits for the outcome of a poll.
            unchanged_polls: records the unchanged polls of all accounts; None for a single account.
            recording: limits how many accounts record an outcome at the same time; None for a single account.
            is_one_of_several: its unchanged polls are logged at DEBUG only.
            keeps_list: keep the last list, for a command that prints it. In a server they would fill the memory.
            outages: the outages that several accounts share; None for a single account.
            authorizations: applies polls to the authorisation of the account; None if it authorises no platform.
        """
        self.listed: KfList | None = None  # the last good poll of this process, if it is kept
        self._keeps_list = keeps_list
        self._accounts = accounts
        self._store = store
        self._recovery = recovery
        self._recorder = recorder
        self._cadence = cadence
        self._lease = lease
        self._unchanged_polls = unchanged_polls or UnchangedPolls(store)
        self._recording = recording or asyncio.Semaphore(AT_ONCE)
        self._unchanged_level = logging.DEBUG if is_one_of_several else logging.INFO
        self._count = count
        self._unreadable_deadlines: frozenset[tuple[str, str]] = frozenset()
        self._outages = outages
        self._authorizations = authorizations
        self._ingest = Ingest(recorder, cadence, outages)

    async def make_due(self) -> None:
        """Make the next tick poll, whenever the last poll was: a user asked for it."""
        await self._store.open()
        async with self._store.begin() as tx:
            await poll_state.poll_now(tx, tx.now, always=True)

    async def tick(self) -> Tick:
        """Poll if it is due and no other process does; else check the timers.

        Raises:
            bot.store.store_errors.StoreError: the store cannot be reached; nothing was lost, the next tick retries.
        """
        if not self._store.migrated:
            await self._store.open()
        async with self._store.begin() as tx:
            claimed = await claims.claim_one(tx, self._lease)
            if claimed is None and await claims.repair(tx, self._lease):
                claimed = await claims.claim_one(tx, self._lease)
        if claimed:
            return await self.poll(claimed)
        await self.report_timers()
        return Tick.NOTHING_DUE

    def take_change(self) -> bool:
        """Return whether an episode has changed since the last call, and forget it."""
        changed, self._ingest.has_changed = self._ingest.has_changed, False
        return changed

    async def poll(self, claimed: ClaimedPoll) -> Tick:
        """Make a poll, and record its outcome. After a failed one, check the timers.

        Raises:
            bot.store.store_errors.StoreError: the store cannot be reached; the poll is due again after its lease.
        """
        with self._unchanged_polls.polling():
            return await self._poll_and_record(claimed)

    async def _poll_and_record(self, claimed: ClaimedPoll) -> Tick:
        began = claimed.began
        try:
            listed = await self._accounts.kf_list()
        except KfError as error:
            log.warning(LogEvent("poll", outcome="failed", **error_fields(error)))
            self._count("poll", "failed")
            authorizations, appid = self._authorizations, self._store.appid
            wait = await authorizations.apply_failure(appid, error) if authorizations else None
            async with self._recording, self._store.begin() as tx:
                await self._ingest.ingest_failure(tx, error, began, wait)
            await self.report_timers(may_poll=False)
            return Tick.FAILED
        self.listed = listed if self._keeps_list else None
        if self._authorizations:
            await self._authorizations.apply_success(self._store.appid)
        if self._outages and claimed.is_probe:
            async with self._store.begin() as tx:
                await self._outages.apply_answer(tx, await self._outages.lock(tx))
        digest = None
        if listed.complete:
            digest = rows_digest(listed.accounts, self._recorder.policy, self._recorder.appid, began)
        if digest and digest == claimed.rows_digest and await self._record_unchanged(claimed, listed, digest):
            self._count("poll", "unchanged")
            log.log(self._unchanged_level, LogEvent("poll", outcome="ok", accounts=len(listed.accounts)))
            self._log_unreadable_deadlines(listed)
            return Tick.UNCHANGED
        self._count("poll", "ok")
        past = await self._recovery.read(self._store.appid) if claimed.is_first else ()
        if past is None:
            await self._wait_for_slack()
            return Tick.WAITS
        log.info(LogEvent("poll", outcome="ok", accounts=len(listed.accounts)))
        self._log_unreadable_deadlines(listed)
        await self._apply(listed, began, past, first=claimed.is_first, is_claimed=True, digest=digest)
        return Tick.GOOD

    async def _record_unchanged(self, claimed: ClaimedPoll, listed: KfList, digest: str) -> bool:
        """Record a poll that found the list of the last one. Return False if it must be evaluated after all."""
        wait = self._cadence.wait(idle=claimed.is_idle)
        unchanged = UnchangedPoll(claimed.appid, claimed.began, listed.served_at, wait, digest)
        return await self._unchanged_polls.record(unchanged)

    def _log_unreadable_deadlines(self, listed: KfList) -> None:
        """Log each unreadable deadline once, for as long as WeChat repeats it."""
        deadlines = frozenset(listed.unreadable_deadlines)
        for key, text in sorted(deadlines - self._unreadable_deadlines):
            log.warning(LogEvent("deadline not readable", account=masked(key), value=text))
        self._unreadable_deadlines = deadlines

    async def _wait_for_slack(self) -> None:
        """Record why the history cannot be read, and schedule the next attempt: nothing is posted before that."""
        obstacle = self._recovery.obstacle
        error = obstacle.error if obstacle else None
        log.info(LogEvent("first poll waits for channel history", error=error))
        async with self._store.begin() as tx:
            now = tx.now
            wait = min(self._cadence.poll, REFUSED_WAIT if isinstance(obstacle, Blocked) else TIMER_PASS)
            await poll_state.schedule_poll(tx, now + max(wait, self._recovery.wait))
            if isinstance(obstacle, Blocked):
                await slack_state.record_refusal(tx, obstacle.error, now, reading=True)
            elif obstacle:
                await slack_state.record_silence(tx, obstacle.error, now, reading=True)

    async def report_timers(self, *, may_poll: bool = True) -> None:
        """Report the reminders and deadlines that are due. If the last poll is old, poll again first."""
        async with self._store.begin() as tx:
            now = tx.now
            due = await episodes.with_due_timers(tx, now)
            last_read_at = (await poll_state.load(tx)).last_read_at
            if due and self._outages and await circuit_breaker_row.is_open(tx):
                may_poll = False
        if not due:
            return
        stale = last_read_at is None or now - last_read_at > max(FRESH, self._cadence.poll)
        if stale and may_poll and await self._verify(now):
            return
        async with self._store.begin() as tx:
            known = await poll_state.load(tx, lock=True)
            await self._ingest.apply_timers(tx, known, confirmed_at=last_read_at if stale else None)

    async def _verify(self, began: datetime) -> bool:
        """Poll before timers are reported. Return whether it succeeded: then it has applied the timers, too."""
        try:
            listed = await self._accounts.kf_list(within=VERIFY_SECONDS, attempts=1)
        except KfError as error:
            log.info(LogEvent("verification poll", outcome="failed", **error_fields(error)))
            self._count("poll", "failed")
            return False
        self._count("poll", "ok")
        await self._apply(listed, began)
        return True

    async def _apply(
        self,
        listed: KfList,
        began: datetime,
        past: Sequence[HistoryMessage] = (),
        *,
        first: bool = False,
        is_claimed: bool = False,
        digest: str | None = None,
    ) -> None:
        async with self._recording, self._store.begin() as tx:
            await self._ingest.ingest(tx, listed, began, past, is_claimed=is_claimed, rows_digest=digest)
            if first:
                await slack_state.record_success(tx, reading=True)
                if self._recovery.refusal:
                    await slack_state.record_refusal(tx, self._recovery.refusal, tx.now)
        if first:
            await self._release_first_runs()

    async def _release_first_runs(self) -> None:
        """Let the first runs of the channel be posted, if this account was the last one to be polled.

        This needs a transaction of its own: of two last polls that end at once, neither would see the other's.
        """
        async with self._recording, self._store.begin() as tx:
            others = self._recorder.channel_appids
            if others and not await poll_state.any_unpolled(tx, others):
                await shared_channel_rows.make_due(tx, tx.now, [MessageKind.FIRST_RUN])
