"""Reconcile posts with an unknown outcome: search the history of the channel for the key of the message.

The outcome is unknown if Slack's response was lost, was unreadable or came too late. `sender` leaves such a row as
`sending`; when its lease has run out, it is looked up here, twice, before it is posted again. If the history cannot
be read, an urgent message is posted again, marked as a possible repeat, and any other is given up.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from bot.delivery.backoffs import RequestKind
from bot.delivery.dependencies import HOLD, DeliveryDependencies
from bot.delivery.item import OutboxItem, load_items
from bot.outbox.coalescing import without_parent
from bot.outbox.messages import OutboxRow
from bot.ports import Blocked, HistoryMessage, HistoryPage, HistoryUnreadable, NotFound, OutcomeUnknown, RetryLater
from bot.runtime.logs import LogEvent, fault_words
from bot.store import channels, merge_pending, outbox, poll_state, published, slack_state, unconfirmed
from bot.store.database import Tx
from bot.store.isolation import RowFaultError, is_row_fault

log = logging.getLogger(__name__)

CLOCK_MARGIN = timedelta(seconds=120)  # a search begins so much earlier, and ends so much later: clocks may be off
STOPWATCH_TOLERANCE = 1.0  # seconds that a clock and a stopwatch may differ by
TOO_MUCH = "too much to read in the time of a lease"

Answer = (
    HistoryMessage | HistoryUnreadable | RetryLater | Blocked | NotFound | OutcomeUnknown | None
)  # None: everything was read, and the message is not there


class Reconciler:
    """Settles posts with an unknown outcome. A lookup only reads, so it is safe to repeat."""

    def __init__(self, dependencies: DeliveryDependencies) -> None:
        self._dependencies = dependencies
        self._first_at: dict[str, float] = {}  # by row, when the first lookup was, by the stopwatch

    async def check_next(self) -> bool:
        """Look up the next unknown outcome that is due. Return False if none is."""
        dependencies, began = self._dependencies, self._dependencies.stopwatch()
        if dependencies.backoffs.lasts(RequestKind.LOOKUPS, dependencies.channel.id, began):
            return False
        try:
            async with dependencies.store.begin() as tx:
                claimed_at = tx.now
                row = await unconfirmed.claim(
                    tx, claimed_at, dependencies.lease, without=dependencies.faults.left_alone(began)
                )
                if row is None:
                    return False
                if wait := self._wait_before_second(row, began):
                    await unconfirmed.retry_lookup(tx, row, claimed_at + wait)
                    return True
        except RowFaultError as exc:
            self._leave_alone(exc.row_id, exc, began)
            return True
        try:
            await self._check(row, claimed_at, began)
        except Exception as exc:
            if not is_row_fault(exc):
                raise
            self._leave_alone(row.id, exc, began)
        return True

    def _leave_alone(self, message_id: str, exc: Exception, now: float) -> None:
        if self._dependencies.faults.is_new(exc, message_id):
            log.error(LogEvent("outcome cannot be looked up", message=message_id, error=fault_words(exc)))
        self._dependencies.faults.leave_alone(message_id, now)

    async def _check(self, row: OutboxRow, claimed_at: datetime, began: float) -> None:
        dependencies = self._dependencies
        async with dependencies.store.begin() as tx:
            item = (await load_items(tx, [row]))[0]
        answer = await self._search(item, claimed_at, began)
        if answer is not None:
            self._first_at.pop(row.id, None)
        word = _outcome_name(answer)
        dependencies.count("lookup", word)
        log.info(LogEvent("delivery lookup", message=row.id, outcome=word, error=getattr(answer, "error", None)))
        async with dependencies.store.begin() as tx:
            await self._record(tx, item, answer)

    def _wait_before_second(self, row: OutboxRow, now: float) -> timedelta | None:
        """Return how long a second lookup still has to wait from the first, by this process's stopwatch.

        A clock that was set meanwhile must not bring it forward: Slack would have had no time to show the message.
        """
        if row.failed_lookups == 0:
            self._first_at[row.id] = now
            return None
        gap = self._dependencies.lease.total_seconds() / 4
        left = gap - (now - self._first_at.get(row.id, now - gap))
        if left <= STOPWATCH_TOLERANCE:
            self._first_at.pop(row.id, None)
            return None
        return timedelta(seconds=left)

    async def _search(self, item: OutboxItem, claimed_at: datetime, began: float) -> Answer:
        """Search the messages posted since the attempt began, and return the one with the key.

        The row has times of the store's clock, the channel those of Slack's: the first response shows how they
        differ.
        """
        while True:
            ahead = self._ahead_of_store(claimed_at, began)
            answer = await self._search_with(item, claimed_at, began, ahead)
            if answer is not None or abs(self._ahead_of_store(claimed_at, began) - ahead) < CLOCK_MARGIN / 4:
                return answer

    def _ahead_of_store(self, claimed_at: datetime, began: float) -> timedelta:
        """Return how far Slack's clock is ahead of the store's; zero before Slack's first response."""
        slack_now = self._dependencies.channel.now()
        if slack_now is None:
            return timedelta(0)
        return slack_now - (claimed_at + timedelta(seconds=self._dependencies.stopwatch() - began))

    async def _search_with(self, item: OutboxItem, claimed_at: datetime, began: float, ahead: timedelta) -> Answer:
        row, dependencies = item.row, self._dependencies
        # An earlier release posted messages about several accounts with the keys of one.
        keys = {one.message_key(row.id) for one in (dependencies.keys_of(row), dependencies.event_keys)}
        cursor = ""
        while dependencies.has_time_left(began):
            page = await dependencies.channel.history(
                channel_id=row.target,
                oldest=(row.started_at or claimed_at) + ahead - CLOCK_MARGIN,
                latest=row.posting_lease_until + ahead + CLOCK_MARGIN if row.posting_lease_until else None,
                thread_ts=item.parent.ts if item.parent else None,
                cursor=cursor,
                within=dependencies.within,
            )
            if not isinstance(page, HistoryPage):
                return page
            if found := next((message for message in page.messages if message.message_key in keys), None):
                return found
            cursor = page.cursor
            if not cursor:
                return None
        return OutcomeUnknown(TOO_MUCH)

    async def _record(self, tx: Tx, item: OutboxItem, answer: Answer) -> None:
        row, now, lease = item.row, tx.now, self._dependencies.lease
        tx = tx.of(tx.appid, row.target or tx.channel_id)
        await channels.lock(tx)
        await _note_slack(tx, answer, now)
        match answer:
            case None:
                await unconfirmed.record_not_found(tx, row, now, lease, clock_wrong=await _is_clock_wrong(tx))
            case HistoryMessage(channel_id, ts):
                await outbox.mark_sent(
                    tx, row, channel_id=channel_id, ts=ts, applied_hash=None, now=now, keep_blocked=True
                )
            case HistoryUnreadable() if item.is_urgent:
                await unconfirmed.repost(tx, row, now, clock_wrong=await _is_clock_wrong(tx))
            case HistoryUnreadable(error):
                words = "Slack did not confirm the message, and its history may not be read: given up"
                log.warning(LogEvent(words, message=row.id, error=error))
                await unconfirmed.give_up(tx, row, error)
            case NotFound() if item.parent:  # a user deleted the parent of the thread
                await published.update(tx, item.parent, is_deleted=True)
                await merge_pending.carry_out(tx, row, without_parent(row), now)
            case RetryLater(seconds, _):
                self._dependencies.backoffs.begin(RequestKind.LOOKUPS, self._dependencies.stopwatch() + seconds)
                await unconfirmed.retry_lookup(tx, row, now + timedelta(seconds=seconds))
            case Blocked():
                await unconfirmed.retry_lookup(tx, row, now + HOLD)
            case _:
                await unconfirmed.retry_lookup(tx, row, now + lease / 2)


async def _is_clock_wrong(tx: Tx) -> bool:
    clock = (await poll_state.load(tx)).clock.incident
    return clock is not None and clock.resolved_at is None


async def _note_slack(tx: Tx, answer: Answer, now: datetime) -> None:
    """Record whether Slack answered: a token that may not read may not post either."""
    match answer:
        case Blocked(error) | HistoryUnreadable(error, refuses_posts=True):
            await slack_state.record_refusal(tx, error, now)
        case RetryLater(_, error) | OutcomeUnknown(error) if error != TOO_MUCH:
            await slack_state.record_silence(tx, error, now)
        case None | HistoryMessage():
            await slack_state.record_success(tx, reading=True)


def _outcome_name(answer: Answer) -> str:
    match answer:
        case None:
            return "not_found"
        case HistoryMessage():
            return "found"
        case HistoryUnreadable():
            return "unreadable"
    return "failed"
