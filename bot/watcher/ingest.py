"""Apply one poll: update episodes and incidents, and queue messages, in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from bot.alerting import incidents
from bot.alerting.cadence import Cadence, is_idle, is_requested
from bot.alerting.deadlines import advance
from bot.alerting.episode import AccountStatus, Change, Episode, account_status
from bot.alerting.incidents import Cause, Incident
from bot.alerting.lifecycle import observe, unmatched_invitations
from bot.outbox.messages import InitialSnapshot
from bot.ports import HistoryMessage
from bot.recorder import Recorder
from bot.runtime.logs import LogEvent, fault_words
from bot.store import episodes, incident_rows, poll_state, published
from bot.store.database import Tx
from bot.store.isolation import isolated
from bot.store.poll_state import FailingRow, PollState
from bot.store.sanitizing import sanitize_account, sanitize_text
from bot.text import masked
from bot.watcher.incident_reporting import queue_notice, queue_shared_notice
from bot.watcher.recovery import recover_history
from bot.watcher.shared_outages import SharedOutages
from wechat_kf import KfAccount, KfError, KfList

log = logging.getLogger(__name__)


class _Evaluation(NamedTuple):
    """What the evaluation of a list found."""

    is_unchanged: bool  # no episode, and no failing account
    is_idle: bool


class Ingest:
    """The application of polls, failures and timers to the stored state. The caller opens the transaction."""

    def __init__(self, recorder: Recorder, cadence: Cadence, outages: SharedOutages | None = None) -> None:
        """Take the dependencies. `outages` are those that several accounts share; None for a single account."""
        self._recorder = recorder
        self._cadence = cadence
        self._outages = outages
        self.has_changed = False  # an episode has changed since `Watcher.take_change`

    async def ingest(
        self,
        tx: Tx,
        listed: KfList,
        began: datetime,
        past: Sequence[HistoryMessage] = (),
        *,
        is_claimed: bool = False,
        rows_digest: str | None = None,
    ) -> None:
        """Apply a good poll: save states, events and messages.

        Args:
            past: the bot's own messages in the channel, if the store has lost them.
            is_claimed: it was claimed, so the next one is to be scheduled.
            rows_digest: of the list, if it is complete.
        """
        known = await poll_state.load(tx, lock=True)
        now = tx.now
        if known.last_read_at and began <= known.last_read_at <= now:  # another process has applied a newer one
            if wait := self._wait(is_claimed=is_claimed):
                await poll_state.schedule_poll(tx, now + wait, wait=wait, began=began)
            return
        is_healthy = await self._record_health(tx, known, listed, began, now)
        empty_polls = 0 if listed.accounts else known.empty_polls + (1 if listed.complete else 0)
        if not self._is_accepted(known, listed, empty_polls):
            wait = self._wait(is_claimed=is_claimed)
            await poll_state.record_empty(tx, empty_polls, began=began, now=now, wait=wait)
            await self.apply_timers(tx, known)
            return
        found = await self._observe(tx, known, listed, now, max(1, empty_polls), past)
        is_settled = found.is_unchanged and is_healthy and listed.complete and known.watching_since is not None
        idle = is_settled and found.is_idle
        wait = self._wait(is_claimed=is_claimed, idle=idle and not is_requested(known.requested_at, now))
        await poll_state.record_read(
            tx,
            known,
            began=began,
            now=now,
            accounts=len(listed.accounts),
            empty_polls=empty_polls,
            wait=wait,
            rows_digest=rows_digest if is_settled else None,
            idle=idle,
        )

    async def ingest_failure(self, tx: Tx, error: KfError, began: datetime, wait: timedelta | None = None) -> None:
        """Record a failed poll and schedule the next one. No episode changes.

        Args:
            wait: until the next one, if this failure is not the account's.
        """
        if wait:
            await poll_state.schedule_poll(tx, tx.now + wait, wait=wait, began=began)
            return
        breaker = await self._outages.lock(tx) if self._outages else None
        known = await poll_state.load(tx, lock=True)
        now = tx.now
        if self._outages and breaker and await self._outages.apply_failure(tx, breaker, known.health, error):
            await poll_state.schedule_poll(tx, now)  # it stays due until the outage is over
            return
        after = incidents.on_poll_failure(known.health, error, now, appid=self._recorder.appid)
        await poll_state.record_health(tx, known.health, after)
        wait = incidents.backoff(error, after.failed_polls, self._cadence.poll, now)
        await poll_state.schedule_poll(tx, now + wait, wait=wait, began=began)
        await self._notify(tx, known.health.incident, after.incident)

    async def apply_timers(self, tx: Tx, known: PollState, *, confirmed_at: datetime | None = None) -> None:
        """Record the leads and deadlines that have passed, and queue their messages."""
        now = tx.now
        due = await episodes.with_due_timers(tx, now)

        async def write(keys: Collection[str]) -> Sequence[Change]:
            changes = advance(_of_accounts(due, keys), now, self._recorder.policy, confirmed_at=confirmed_at)
            await self._recorder.record(tx, changes, now)
            return changes

        await self._write_isolated(tx, known, [episode.account_key for episode in due], write, now)

    def _wait(self, *, is_claimed: bool, idle: bool = False) -> timedelta | None:
        """Return the time until the next poll, if this one schedules it."""
        return self._cadence.wait(idle=idle) if is_claimed else None

    async def _record_health(
        self, tx: Tx, known: PollState, listed: KfList, began: datetime, now: datetime
    ) -> bool:
        """Record a success, and the difference of the clocks. Return whether all is well and as before."""
        after = incidents.on_poll_success(known.health, now)
        await poll_state.record_health(tx, known.health, after)
        await self._notify(tx, known.health.incident, after.incident)
        served_at, appid = listed.served_at, self._recorder.appid
        is_skewed = incidents.is_skewed(served_at, began, now)
        is_reported = is_skewed and await incident_rows.is_clock_reported(tx)
        clock = incidents.on_clock_sample(known.clock, served_at, began, now, appid=appid, is_reported=is_reported)
        await poll_state.record_clock(tx, known.clock, clock)
        await self._notify(tx, known.clock.incident, clock.incident)
        is_well = not any(one and one.resolved_at is None for one in (after.incident, clock.incident))
        return is_well and after == known.health and clock == known.clock and clock.skewed_polls == 0

    async def _notify(self, tx: Tx, before: Incident | None, after: Incident | None) -> None:
        if self._outages and not (after and after.cause is Cause.CLOCK_PROBLEM):
            await queue_shared_notice(tx, self._recorder, self._outages.notices, before, after)
        else:
            await queue_notice(tx, self._recorder, before, after)

    def _is_accepted(self, known: PollState, listed: KfList, empty_polls: int) -> bool:
        """Check whether a list is accepted. An empty one after a full one needs several agreeing polls.

        A list whose rows were all unreadable is never accepted.
        """
        if listed.accounts:
            return True
        enough = empty_polls >= self._recorder.policy.agreeing_empty_polls
        return listed.complete and (known.accounts == 0 or enough)

    async def _observe(
        self, tx: Tx, known: PollState, listed: KfList, now: datetime, reads: int, past: Sequence[HistoryMessage]
    ) -> _Evaluation:
        policy, first = self._recorder.policy, known.watching_since is None
        accounts, failures = sanitize(listed.accounts)
        latest = await episodes.latest(tx, [account.key for account in accounts])
        complete = listed.complete and not failures
        no_longer_listed = known.failing if complete else ()
        keys = [
            *(account.key for account in accounts),
            *(episode.account_key for episode in latest),
            *no_longer_listed,
        ]

        async def write(keys: Collection[str]) -> Sequence[Change]:
            rows = [account for account in accounts if account.key in keys]
            known = _of_accounts(latest, keys)
            known += await episodes.previous(tx, unmatched_invitations(known, rows, policy))
            for one in tx.unreadable.values():
                if one.account_key in keys:
                    raise one.error  # without its stored events, this poll would report them again
            changes = observe(
                known,
                rows,
                now,
                policy,
                appid=self._recorder.appid,
                complete=complete,
                reads=reads,
                first_run=first,
            )
            if first and past:
                changes = await self._recover(tx, changes, past, now)
            snapshot = self._initial_snapshot(rows, now) if first else None
            await self._recorder.record(tx, changes, now, first=snapshot)
            return changes

        is_unchanged = await self._write_isolated(tx, known, keys, write, now, failures)
        return _Evaluation(is_unchanged, is_idle(latest, now))

    async def _recover(
        self, tx: Tx, changes: Sequence[Change], past: Sequence[HistoryMessage], now: datetime
    ) -> list[Change]:
        """Remove the events that the channel already shows, and store the messages that show them."""
        recovered = recover_history(changes, past, self._recorder.event_keys, self._recorder.policy)
        async with tx.savepoint():
            adopted = {
                episode_id: await published.adopt(tx, episode_id, alert)
                for episode_id, alert in recovered.alerts.items()
            }
            await episodes.record_emitted(tx, {key: adopted.get(key[0]) for key in recovered.posted}, now)
        return recovered.changes

    async def _write_isolated(
        self,
        tx: Tx,
        known: PollState,
        keys: Sequence[str],
        write: Callable[[Collection[str]], Awaitable[Sequence[Change]]],
        now: datetime,
        failures: Mapping[str, Exception] | None = None,
    ) -> bool:
        """Write for all accounts but those that fail. A new error is logged, and stored for `/kf status`.

        Return whether nothing changed and nothing fails.

        Args:
            failures: by account key, the errors of accounts that failed before this.
        """
        unreadable = {one.account_key: one.error for one in tx.unreadable.values() if one.account_key}
        readable = [key for key in dict.fromkeys(keys) if key not in unreadable]
        written, rejected = await isolated(tx, readable, write)
        self.has_changed = self.has_changed or any(written)
        for change in (change for changes in written for change in changes):
            log.info(
                LogEvent(
                    "change", episode=change.after.id, state=change.after.state.value, news=len(change.new_events)
                )
            )
        failing = {key: one for key, one in known.failing.items() if key not in keys}
        for key, exc in {**(failures or {}), **unreadable, **rejected}.items():
            before = known.failing.get(key)
            failing[key] = FailingRow(fault_words(exc), before.since if before else now)
            if before is None or before.error != failing[key].error:
                log.error(LogEvent("row failed", account=masked(key), error=failing[key].error))
        for key in known.failing.keys() - failing:
            log.info(LogEvent("row recovered", account=masked(key)))
        await poll_state.record_failing(tx, known.failing, failing)
        return not any(written) and not failing and not known.failing

    def _initial_snapshot(self, accounts: Sequence[KfAccount], now: datetime) -> InitialSnapshot:
        counts = dict.fromkeys(AccountStatus, 0)
        for account in accounts:
            counts[account_status(account, now, self._recorder.policy)] += 1
        appid = self._recorder.appid if self._recorder.channel_appids else ""
        return InitialSnapshot(total=len(accounts), counts=counts, appid=appid)


def sanitize(accounts: Iterable[KfAccount]) -> tuple[list[KfAccount], dict[str, Exception]]:
    """Sanitize the accounts for the store. Return the accounts, and by key the errors of the others."""
    storable, failures = [], dict[str, Exception]()
    for account in accounts:
        try:
            storable.append(sanitize_account(account))
        except Exception as exc:
            failures[sanitize_text(account.key)] = exc
    return storable, failures


def _of_accounts(found: Iterable[Episode], keys: Collection[str]) -> list[Episode]:
    return [episode for episode in found if episode.account_key in keys]
