"""Send messages: claim a row, post it with exactly one request, record the outcome.

If Slack's response is lost, the outcome is unknown: `reconciler` looks the message up before it is posted again.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Any

from bot.delivery.blocked_channels import report_blocked
from bot.delivery.dependencies import HOLD, DeliveryDependencies
from bot.delivery.item import OutboxItem, content_hash, load_items, log_fields, outcome_label
from bot.outbox.coalescing import Rivals, Send, Withhold, decide, drop_reason, without_parent
from bot.outbox.messages import DEMOTED, LAST, DropReason, OutboxRow
from bot.ports import Blocked, Message, NotFound, Outcome, OutcomeUnknown, Refused, RetryLater, Sent, Unlisted
from bot.runtime.logs import LogEvent, fault_words
from bot.store import channels, merge_pending, outbox, published, shared_channel_rows, slack_state
from bot.store.channels import NotItsTurnError
from bot.store.database import Tx
from bot.store.isolation import RowFaultError, is_row_fault
from bot.store.store_errors import StoreError, waiting_for

log = logging.getLogger(__name__)

MOST_FAULTS = 3  # attempts to post that raise, before a message is given up
RECORD_PAUSES = (0.1, 0.5, 2.0)  # seconds


class Sender:
    """Posts messages to the channel. Leases and fencing tokens allow any number of processes."""

    def __init__(self, dependencies: DeliveryDependencies) -> None:
        self._dependencies = dependencies

    async def send_next(self) -> bool:
        """Send the next pending message, if the channel and the workspace may get one now.

        Return False if none is ready, or while its channel is paused; True also if one has to wait for its turn.
        """
        dependencies, began = self._dependencies, self._dependencies.stopwatch()
        try:
            item = await self._claim()
        except NotItsTurnError:
            return True
        if item is None:
            return False
        row = item.row
        try:
            applied_hash = content_hash(dependencies.render(item))
            message = dependencies.render(item, posting=True)
        except Exception as exc:
            await self._give_up(row.id, exc)
            return True
        if not dependencies.has_time_left(began):
            return True  # too late to post: the row is looked up after its lease
        outcome = await self._post(item, message)
        dependencies.count("post", outcome_label(outcome))
        log.info(LogEvent("post", message=row.id, attempt=row.attempt, **log_fields(outcome)))
        await self._record_outcome(item, outcome, applied_hash)
        return True

    async def _post(self, item: OutboxItem, message: Message) -> Outcome:
        row, dependencies = item.row, self._dependencies
        try:
            return await dependencies.channel.post(
                dependencies.labelled(row, message),
                channel_id=row.target,
                metadata=dependencies.keys_of(row).metadata(row.id, row.kind, row.event_keys),
                thread_ts=item.parent.ts if item.parent else None,
                broadcast=row.broadcast,
                within=dependencies.within,
            )
        except Exception as exc:
            if row.post_attempts >= MOST_FAULTS:
                await self._give_up(row.id, exc)
            return OutcomeUnknown(fault_words(exc))

    async def _claim(self) -> OutboxItem | None:
        dependencies, hours = self._dependencies, self._dependencies.context.policy.quiet
        while True:
            left = dependencies.faults.left_alone(dependencies.stopwatch())
            try:
                async with dependencies.store.begin() as tx:
                    now = tx.now
                    quiet = hours is not None and hours.covers(now)
                    row = await outbox.claim(
                        tx,
                        now,
                        dependencies.lease,
                        breakthrough_only=quiet,
                        without=left,
                    )
                    if row is None:
                        return None
                    if item := await self._load(tx, row, now):
                        if not await channels.may_post(tx, now, is_last=item.row.priority >= LAST):
                            raise NotItsTurnError
                        return item
            except RowFaultError as exc:
                await self._give_up(exc.row_id, exc.__cause__)

    async def _load(self, tx: Tx, row: OutboxRow, now: datetime) -> OutboxItem | None:
        """Load a claimed row; return None if it is not posted now.

        Raises:
            RowFaultError: it cannot be loaded, and is still to be posted.
        """
        try:
            if gathered := await self._gather(tx, row, now):
                item = (await load_items(tx, [await merge_pending.merge_pending_digests(tx, gathered)]))[0]
                decision = await self._decide(tx, item, now)
                if isinstance(decision, Send):
                    return item
                await merge_pending.carry_out(tx, item.row, decision, now)
            await channels.pause(tx.of(tx.appid, row.target), now)  # nothing was posted: the next may take the turn
        except Exception as exc:
            if is_row_fault(exc):
                raise RowFaultError(row.id) from exc
            raise
        return None

    async def _gather(self, tx: Tx, row: OutboxRow, now: datetime) -> OutboxRow | None:
        """Gather what other accounts have for the channel. Return None if another message shows this one now."""
        accounts = self._dependencies.channel_accounts
        if len(accounts) < 2:
            return row
        return await shared_channel_rows.gather(
            tx, row, accounts, lambda one: self._dependencies.may_post(one, now), now
        )

    async def _decide(self, tx: Tx, item: OutboxItem, now: datetime) -> Send | Withhold:
        row, about = item.row, (item.episodes, item.incident, item.parent)
        # Not read for a message that is dropped anyway: a rival that cannot be read would make it a failed one.
        rivals = Rivals() if drop_reason(row, *about) else await merge_pending.rivals_of(tx, row)
        dependencies = self._dependencies
        quiet, channel_id = dependencies.context.policy.quiet, dependencies.channel.id
        return decide(row, *about, rivals, now=now, quiet=quiet, channel_id=channel_id)

    async def _give_up(self, message_id: str, exc: BaseException | None) -> None:
        """Give up a message that cannot be posted, and requeue the messages that it covered."""
        fault = exc if isinstance(exc, Exception) else RowFaultError(message_id)
        faults = self._dependencies.faults
        if faults.is_new(fault, message_id):
            log.error(LogEvent("message failed, given up", message=message_id, error=fault_words(fault)))
        try:
            async with self._dependencies.store.begin() as tx:
                await channels.lock(tx)
                await outbox.mark_failed(tx, message_id, fault_words(fault))
                await merge_pending.restore_covered(tx, message_id)
        except Exception as refused:
            if not is_row_fault(refused):
                raise
            faults.leave_alone(message_id, self._dependencies.stopwatch())

    async def _record_outcome(self, item: OutboxItem, outcome: Outcome, applied_hash: str) -> None:
        """Record an outcome, again if the store fails: a message whose `ts` is lost would be posted again."""
        for pause in (*RECORD_PAUSES, None):
            try:
                async with self._dependencies.store.begin() as tx:
                    await self._record(tx, item, outcome, applied_hash)
            except Exception as exc:
                if is_row_fault(exc):  # another attempt would be refused too
                    self._note_refusal(item.row, exc)
                    return
                if pause is None or not isinstance(exc, StoreError):
                    raise
                words = waiting_for(exc) or type(exc).__name__
                log.warning(LogEvent("outcome not recorded", message=item.row.id, error=words))
                await asyncio.sleep(pause)
            else:
                return

    def _note_refusal(self, row: OutboxRow, exc: Exception) -> None:
        """Skip a message whose outcome the database refuses: a lookup finds it when the database accepts it."""
        if self._dependencies.faults.is_new(exc, row.id):
            log.warning(LogEvent("outcome not recorded", message=row.id, error=fault_words(exc)))
        self._dependencies.faults.leave_alone(row.id, self._dependencies.stopwatch())

    async def _block(self, tx: Tx, row: OutboxRow, error: str, now: datetime, **values: Any) -> None:
        """Pause posts to the channel for some minutes: a person must act."""
        await channels.pause(tx, now + HOLD)
        await slack_state.record_refusal(tx, error, now)
        await report_blocked(tx, self._dependencies.default_channel, now)
        await outbox.reschedule(tx, row, now + HOLD, error, **values)

    async def _handle_unlisted(self, tx: Tx, row: OutboxRow, error: str, now: datetime) -> None:
        """Handle an unknown error code: assume that it concerns this message as long as others can be sent.

        The others go first, then this one as text. If none was sent since it was stored, the channel is blocked.
        """
        demoted = {"priority": row.base_priority + DEMOTED}
        if not row.text_only:
            log.warning(LogEvent("unknown error code of Slack, repeated as text", message=row.id, error=error))
            await outbox.reschedule(tx, row, now, error, text_only=True, **demoted)
        elif await outbox.has_sent_since(tx, row.id):
            await outbox.reschedule(tx, row, now + HOLD, error, **demoted)
        else:
            await self._block(tx, row, error, now, **demoted)

    async def _record(self, tx: Tx, item: OutboxItem, outcome: Outcome, applied_hash: str) -> None:
        row, now, own_channel = item.row, tx.now, tx.channel_id
        tx = tx.of(tx.appid, row.target)
        await channels.lock(tx)
        if isinstance(outcome, Blocked) and outcome.of == "channel" and item.parent and row.target != own_channel:
            outcome = NotFound(outcome.error, of="thread")  # in a channel that alerts no longer go to
        match outcome:
            case Sent(channel_id, ts):
                await outbox.mark_sent(tx, row, channel_id=channel_id, ts=ts, applied_hash=applied_hash, now=now)
            case RetryLater(seconds, error):
                until = now + timedelta(seconds=seconds)
                await channels.pause(tx, until)
                await slack_state.record_silence(tx, error, now)
                await outbox.reschedule(tx, row, until, error)
            case Blocked(error):
                await self._block(tx, row, error, now)
            case Unlisted(error):
                await self._handle_unlisted(tx, row, error, now)
            case Refused(error) if "metadata" in error and row.event_keys:  # too many keys: post it without
                await outbox.reschedule(tx, row, now, error, event_keys=[])
            case Refused(error) if row.text_only:
                log.error(LogEvent("message rejected by Slack", message=row.id, error=error))
                if await outbox.mark_dead(tx, row, DropReason.REFUSED, error):
                    await merge_pending.restore_covered(tx, row.id)
            case Refused(error):
                await outbox.reschedule(tx, row, now, error, text_only=True)
            case NotFound(of="thread") if item.parent:
                await merge_pending.carry_out(tx, row, without_parent(row), now)
            case NotFound() if item.parent:
                await published.update(tx, item.parent, is_deleted=True)
                await merge_pending.carry_out(tx, row, without_parent(row), now)
            case NotFound(error) | OutcomeUnknown(error):
                if isinstance(outcome, OutcomeUnknown):
                    await slack_state.record_silence(tx, error, now)
                # The row is left `sending`, which is how `reconciler` finds it after the lease.
                log.warning(LogEvent("outcome unknown", message=row.id, error=error))
