"""Posts: claim a row, send it with exactly one request, record what became of it."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Any

from bot.delivery.dependencies import HOLD, DeliveryDependencies
from bot.delivery.item import OutboxItem, content_hash, load_items, log_fields, outcome_label
from bot.outbox.coalescing import Rivals, Send, Withhold, decide, drop_reason, without_parent
from bot.outbox.messages import DEMOTED, DropReason, OutboxRow
from bot.ports import Blocked, Message, NotFound, Outcome, OutcomeUnknown, Refused, RetryLater, Sent, Unlisted
from bot.runtime.logs import LogEvent, fault_words
from bot.store import merge_pending, outbox, published, slack_state
from bot.store.database import Tx
from bot.store.isolation import RowFaultError, is_row_fault
from bot.store.store_errors import StoreError, waiting_for

log = logging.getLogger(__name__)

GAP = timedelta(seconds=1)  # between posts: Slack takes about one a second in a channel
MOST_FAULTS = 3  # attempts to post that raise, before a message is given up
RECORD_PAUSES = (0.1, 0.5, 2.0)  # seconds


class Sender:
    """Brings messages into the channel. Leases and fences let any number of processes do so."""

    def __init__(self, means: DeliveryDependencies) -> None:
        self._means = means

    async def send_next(self) -> bool:
        """Send the next message that is worth it. False when none is ready, or when the channel rests."""
        means, began = self._means, self._means.stopwatch()
        subject = await self._claim()
        if subject is None:
            return False
        row = subject.row
        try:
            applied_hash = content_hash(subject.render(means.context, means.faults))
            message = subject.render(means.context, means.faults, posting=True)
        except Exception as exc:
            await self._give_up(row.id, exc)
            return True
        if not means.has_time_left(began):
            return True  # too late: the row waits out its lease, and is looked up
        outcome = await self._post(subject, message)
        means.count("post", outcome_label(outcome))
        log.info(LogEvent("post", message=row.id, attempt=row.attempt, **log_fields(outcome)))
        await self._record_outcome(subject, outcome, applied_hash)
        return True

    async def _post(self, subject: OutboxItem, message: Message) -> Outcome:
        row, means = subject.row, self._means
        try:
            return await means.channel.post(
                message,
                metadata=means.event_keys.metadata(row.id, row.kind, row.event_keys),
                thread_ts=subject.parent.ts if subject.parent else None,
                broadcast=row.broadcast,
                within=means.within,
            )
        except Exception as exc:
            if row.post_attempts >= MOST_FAULTS:
                await self._give_up(row.id, exc)
            return OutcomeUnknown(fault_words(exc))

    async def _claim(self) -> OutboxItem | None:
        means, hours = self._means, self._means.context.policy.quiet
        while True:
            left = means.faults.left_alone(means.stopwatch())
            try:
                async with means.store.begin() as tx:
                    now = tx.now
                    quiet = hours is not None and hours.covers(now)
                    row = await outbox.claim(tx, now, means.lease, GAP, breakthrough_only=quiet, without=left)
                    if row is None:
                        return None
                    if subject := await self._load(tx, row, now):
                        return subject
            except RowFaultError as exc:
                await self._give_up(exc.row_id, exc.__cause__)

    async def _load(self, tx: Tx, row: OutboxRow, now: datetime) -> OutboxItem | None:
        """Return what a claimed row is about; None when it is not posted now.

        Raises:
            RowFaultError: it cannot be looked up, and is still to be posted.
        """
        try:
            subject = (await load_items(tx, [await merge_pending.merge_pending_digests(tx, row)]))[0]
            decision = await self._decide(tx, subject, now)
            if isinstance(decision, Send):
                return subject
            await merge_pending.carry_out(tx, subject.row, decision, now)
            await outbox.pause_queue(tx, now)  # nothing was posted, so the next need not wait
        except Exception as exc:
            if is_row_fault(exc):
                raise RowFaultError(row.id) from exc
            raise
        return None

    async def _decide(self, tx: Tx, subject: OutboxItem, now: datetime) -> Send | Withhold:
        row, about = subject.row, (subject.episodes, subject.incident, subject.parent)
        # Unread for a message that is dropped anyway: a rival that cannot be read must not make it a failed one.
        rivals = Rivals() if drop_reason(row, *about) else await merge_pending.rivals_of(tx, row)
        means = self._means
        quiet, channel_id = means.context.policy.quiet, means.channel.id
        return decide(row, *about, rivals, now=now, quiet=quiet, channel_id=channel_id)

    async def _give_up(self, message_id: str, exc: BaseException | None) -> None:
        """Give up a message that cannot be posted, and queue again what it was to show. The others go on."""
        fault = exc if isinstance(exc, Exception) else RowFaultError(message_id)
        faults = self._means.faults
        if faults.is_new(fault, message_id):
            log.error(LogEvent("message failed, given up", message=message_id, error=fault_words(fault)))
        try:
            async with self._means.store.begin() as tx:
                await outbox.mark_failed(tx, message_id, fault_words(fault))
                await merge_pending.restore_covered(tx, message_id)
        except Exception as refused:
            if not is_row_fault(refused):
                raise
            faults.leave_alone(message_id, self._means.stopwatch())

    async def _record_outcome(self, subject: OutboxItem, outcome: Outcome, applied_hash: str) -> None:
        """Record an outcome, more than once if the store stumbles: a message whose ts is lost is told again."""
        for pause in (*RECORD_PAUSES, None):
            try:
                async with self._means.store.begin() as tx:
                    await self._record(tx, subject, outcome, applied_hash)
            except Exception as exc:
                if is_row_fault(exc):  # another attempt would be refused too
                    self._note_refusal(subject.row, exc)
                    return
                if pause is None or not isinstance(exc, StoreError):
                    raise
                words = waiting_for(exc) or type(exc).__name__
                log.warning(LogEvent("outcome not recorded", message=subject.row.id, error=words))
                await asyncio.sleep(pause)
            else:
                return

    def _note_refusal(self, row: OutboxRow, exc: Exception) -> None:
        """Leave a message alone whose outcome the database refuses: its lookups find it when that is over."""
        if self._means.faults.is_new(exc, row.id):
            log.warning(LogEvent("outcome not recorded", message=row.id, error=fault_words(exc)))
        self._means.faults.leave_alone(row.id, self._means.stopwatch())

    async def _block(self, tx: Tx, row: OutboxRow, error: str, now: datetime, **values: Any) -> None:
        """Post nothing for some minutes: a person must act."""
        await outbox.pause_queue(tx, now + HOLD)
        await slack_state.record_refusal(tx, error, now)
        await outbox.reschedule(tx, row, now + HOLD, error, **values)

    async def _suspect(self, tx: Tx, row: OutboxRow, error: str, now: datetime) -> None:
        """Handle an unknown error code: it is about this message, unless no other was sent since it was written.

        The others go first, then this one as text. Only if nothing gets through, the queue is blocked.
        """
        demoted = {"priority": row.base_priority + DEMOTED}
        if not row.text_only:
            log.warning(LogEvent("unknown error code of Slack, repeated as text", message=row.id, error=error))
            await outbox.reschedule(tx, row, now, error, text_only=True, **demoted)
        elif await outbox.has_sent_since(tx, row.id):
            await outbox.reschedule(tx, row, now + HOLD, error, **demoted)
        else:
            await self._block(tx, row, error, now, **demoted)

    async def _record(self, tx: Tx, subject: OutboxItem, outcome: Outcome, applied_hash: str) -> None:
        row, now = subject.row, tx.now
        match outcome:
            case Sent(channel_id, ts):
                await outbox.mark_sent(tx, row, channel_id=channel_id, ts=ts, applied_hash=applied_hash, now=now)
            case RetryLater(seconds, error):
                until = now + timedelta(seconds=seconds)
                await outbox.pause_queue(tx, until)
                await slack_state.record_silence(tx, error, now)
                await outbox.reschedule(tx, row, until, error)
            case Blocked(error):
                await self._block(tx, row, error, now)
            case Unlisted(error):
                await self._suspect(tx, row, error, now)
            case Refused(error) if "metadata" in error and row.event_keys:  # too many marks: it goes without
                await outbox.reschedule(tx, row, now, error, event_keys=[])
            case Refused(error) if row.text_only:
                log.error(LogEvent("message rejected by Slack", message=row.id, error=error))
                if await outbox.mark_dead(tx, row, DropReason.REFUSED, error):
                    await merge_pending.restore_covered(tx, row.id)
            case Refused(error):
                await outbox.reschedule(tx, row, now, error, text_only=True)
            case NotFound(of="thread") if subject.parent:
                await merge_pending.carry_out(tx, row, without_parent(row), now)
            case NotFound() if subject.parent:
                await published.update(tx, subject.parent, is_deleted=True)
                await merge_pending.carry_out(tx, row, without_parent(row), now)
            case NotFound(error) | OutcomeUnknown(error):
                if isinstance(outcome, OutcomeUnknown):
                    await slack_state.record_silence(tx, error, now)
                # Left as it is: a sending row whose lease ran out is the unknown outcome.
                log.warning(LogEvent("outcome unknown", message=row.id, error=error))
