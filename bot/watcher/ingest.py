"""What a look at WeChat means: taken in by the rules, and written down. All of it inside one transaction."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta

from bot.alerting import incidents
from bot.alerting.deadlines import advance
from bot.alerting.episode import AccountStatus, Change, Episode, account_status
from bot.alerting.incidents import Incident
from bot.alerting.lifecycle import observe, unmatched_invitations
from bot.outbox.messages import LAST, InitialSnapshot, MessageKind, NewMessage
from bot.ports import HistoryMessage
from bot.recorder import Recorder
from bot.runtime.logs import LogEvent, fault_words
from bot.store import episodes, poll_state, published
from bot.store.database import Tx
from bot.store.isolation import isolated
from bot.store.poll_state import FailingRow, PollState
from bot.text import masked
from bot.watcher.recovery import recover_history
from wechat_kf import KfAccount, KfError, KfList

log = logging.getLogger(__name__)


class Ingest:
    """Feeds reads, failures and the clock to the rules. The caller opens the transaction."""

    def __init__(self, ledger: Recorder, poll: timedelta) -> None:
        self._ledger = ledger
        self._poll = poll

    async def take(self, tx: Tx, listed: KfList, began: datetime, past: Sequence[HistoryMessage] = ()) -> None:
        """Take a good read in: states, events and messages.

        Args:
            past: what the bot itself has told the channel, if the store does not know.
        """
        known = await poll_state.load(tx, lock=True)
        now = tx.now
        if known.last_read_at and began <= known.last_read_at <= now:
            return  # another process has taken in a newer one
        await self._note_health(tx, known, listed, began, now)
        empty_reads = 0 if listed.accounts else known.empty_reads + (1 if listed.complete else 0)
        if not self._believable(known, listed, empty_reads):
            await poll_state.record_empty(tx, empty_reads, now)
            await self.by_the_clock(tx, known)
            return
        await poll_state.record_read(
            tx, known, began=began, now=now, accounts=len(listed.accounts), empty_reads=empty_reads
        )
        await self._observe(tx, known, listed, now, max(1, empty_reads), past)

    async def take_failure(self, tx: Tx, error: KfError) -> None:
        """Note a failed read; it says nothing about accounts."""
        known = await poll_state.load(tx, lock=True)
        now = tx.now
        after = incidents.on_poll_failure(known.health, error, now, appid=self._ledger.appid)
        await poll_state.record_health(tx, known.health, after)
        wait = incidents.backoff(error, after.failed_reads, self._poll, now)
        await poll_state.schedule_poll(tx, now + wait, wait=wait)
        await self._tell(tx, known.health.incident, after.incident, now)

    async def by_the_clock(self, tx: Tx, known: PollState, *, confirmed_at: datetime | None = None) -> None:
        """Write down the leads and deadlines that have passed."""
        now = tx.now
        due = await episodes.with_due_timers(tx, now)

        async def write(seats: Collection[str]) -> Sequence[Change]:
            changes = advance(_of(due, seats), now, self._ledger.policy, confirmed_at=confirmed_at)
            await self._ledger.write(tx, changes, now)
            return changes

        await self._contain(tx, known, [episode.seat for episode in due], write, now)

    async def _note_health(self, tx: Tx, known: PollState, listed: KfList, began: datetime, now: datetime) -> None:
        after = incidents.on_poll_success(known.health, now)
        await poll_state.record_health(tx, known.health, after)
        await self._tell(tx, known.health.incident, after.incident, now)
        clock = incidents.on_clock_sample(known.clock, listed.served_at, began, now, appid=self._ledger.appid)
        await poll_state.record_clock(tx, known.clock, clock)
        await self._tell(tx, known.clock.incident, clock.incident, now)

    async def _tell(self, tx: Tx, before: Incident | None, after: Incident | None, now: datetime) -> None:
        await self._ledger.add(tx, _incident_message(before, after, now), [], now)

    def _believable(self, known: PollState, listed: KfList, empty_reads: int) -> bool:
        """Whether a list without accounts is evidence: never when it has unreadable rows, late after a full one."""
        if listed.accounts:
            return True
        enough = empty_reads >= self._ledger.policy.agreeing_empty_reads
        return listed.complete and (known.accounts == 0 or enough)

    async def _observe(
        self, tx: Tx, known: PollState, listed: KfList, now: datetime, reads: int, past: Sequence[HistoryMessage]
    ) -> None:
        policy, first = self._ledger.policy, known.watching_since is None
        accounts, failures = _storable(listed.accounts)
        latest = await episodes.latest(tx, [account.key for account in accounts])
        complete = listed.complete and not failures
        gone = known.failing if complete else ()
        seats = [*(account.key for account in accounts), *(episode.seat for episode in latest), *gone]

        async def write(seats: Collection[str]) -> Sequence[Change]:
            these = [account for account in accounts if account.key in seats]
            known = _of(latest, seats)
            known += await episodes.previous(tx, unmatched_invitations(known, these, policy))
            _check_readable(tx, seats)
            changes = observe(
                known,
                these,
                now,
                policy,
                appid=self._ledger.appid,
                complete=complete,
                reads=reads,
                first_run=first,
            )
            if first and past:
                changes = await self._recover(tx, changes, past, now)
            await self._ledger.write(tx, changes, now, first=self._first_look(these, now) if first else None)
            return changes

        await self._contain(tx, known, seats, write, now, failures)

    async def _recover(
        self, tx: Tx, changes: Sequence[Change], past: Sequence[HistoryMessage], now: datetime
    ) -> list[Change]:
        """Take out what the channel shows already."""
        remembered = recover_history(changes, past, self._ledger.marks, self._ledger.policy)
        async with tx.savepoint():
            adopted = {one: await published.adopt(tx, one, root) for one, root in remembered.roots.items()}
            await episodes.record_emitted(tx, {told: adopted.get(told[0]) for told in remembered.told}, now)
        return remembered.changes

    async def _contain(
        self,
        tx: Tx,
        known: PollState,
        seats: Sequence[str],
        write: Callable[[Collection[str]], Awaitable[Sequence[Change]]],
        now: datetime,
        failures: Mapping[str, Exception] | None = None,
    ) -> None:
        """Write for all seats but those that fail. These are logged once, and kept for `/kf status`.

        Args:
            failures: by seat, what has failed before.
        """
        unreadable = {one.seat: one.error for one in tx.unreadable.values() if one.seat}
        sound = [seat for seat in dict.fromkeys(seats) if seat not in unreadable]
        written, refused = await isolated(tx, sound, write)
        for change in (change for changes in written for change in changes):
            log.info(
                LogEvent("change", episode=change.after.id, state=change.after.state.value, news=len(change.news))
            )
        failing = {seat: one for seat, one in known.failing.items() if seat not in seats}
        for seat, exc in {**(failures or {}), **unreadable, **refused}.items():
            before = known.failing.get(seat)
            failing[seat] = FailingRow(fault_words(exc), before.since if before else now)
            if before is None or before.error != failing[seat].error:
                log.error(LogEvent("row failed", account=masked(seat), error=failing[seat].error))
        for seat in known.failing.keys() - failing:
            log.info(LogEvent("row recovered", account=masked(seat)))
        await poll_state.record_failing(tx, known.failing, failing)

    def _first_look(self, accounts: Sequence[KfAccount], now: datetime) -> InitialSnapshot:
        counts = dict.fromkeys(AccountStatus, 0)
        for account in accounts:
            counts[account_status(account, now, self._ledger.policy.leads)] += 1
        return InitialSnapshot(total=len(accounts), counts=counts)


def _storable(accounts: Iterable[KfAccount]) -> tuple[list[KfAccount], dict[str, Exception]]:
    """Prepare the accounts for the store. Those that cannot be prepared are returned by key."""
    storable, failures = [], dict[str, Exception]()
    for account in accounts:
        try:
            storable.append(episodes.sanitize_account(account))
        except Exception as exc:
            failures[episodes.sanitize_text(account.key)] = exc
    return storable, failures


def _of(episodes: Iterable[Episode], seats: Collection[str]) -> list[Episode]:
    return [episode for episode in episodes if episode.seat in seats]


def _check_readable(tx: Tx, seats: Collection[str]) -> None:
    """Raise the error of a stored row of these seats that could not be read: what it knows must not be repeated."""
    for one in tx.unreadable.values():
        if one.seat in seats:
            raise one.error


def _incident_message(before: Incident | None, after: Incident | None, now: datetime) -> list[NewMessage]:
    """The notice of an incident that has just begun, or a line in its thread when it has changed."""
    if after is None or after == before:
        return []
    if before is None or before.id != after.id:
        return [NewMessage(id=after.id, shape=MessageKind.HEALTH, rank=0)]
    if _essence(before) == _essence(after):
        return []
    return [
        NewMessage(
            id=f"{MessageKind.NOTE}-{after.id}-{now.timestamp()}",
            shape=MessageKind.NOTE,
            rank=LAST,
            facts={
                "cause": after.cause,
                "fault": asdict(after.fault),
                "over": after.over_at is not None,
                "seconds": int((now - after.began_at).total_seconds()),
            },
            root_id=after.id,
        )
    ]


def _essence(incident: Incident) -> tuple[object, ...]:
    """What of an incident is worth a line: each failed read has another `rid`."""
    return incident.cause, incident.fault.kind, incident.fault.errcode, incident.over_at is None
