"""Posts: claim a row, send it with exactly one request, record what became of it."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Any

from bot.delivery.means import HOLD, Means
from bot.delivery.subject import Subject, brief, digest_of, lose_root, subjects, word_of
from bot.logs import Line, fault_words
from bot.outbox import LATE, Dead, Shape, Status
from bot.ports import Gone, Held, Later, Message, Outcome, Refused, Sent, Unknown, Unlisted
from bot.store import StoreError, Tx, gathering, merging, queue, slack_state, views
from bot.store.errors import waiting_for
from bot.store.isolation import RowFaultError, is_row_fault
from bot.store.queue import Row

log = logging.getLogger(__name__)

GAP = timedelta(seconds=1)  # between posts: Slack takes about one a second in a channel
MOST_FAULTS = 3  # attempts to post that raise, before a message is given up
RECORD_PAUSES = (0.1, 0.5, 2.0)  # seconds


class Posts:
    """Brings messages into the channel. Leases and fences let any number of processes do so."""

    def __init__(self, means: Means) -> None:
        self._means = means

    async def next(self) -> bool:
        """Send the next message that is worth it. False when none is ready, or when the channel rests."""
        means, began = self._means, self._means.stopwatch()
        subject = await self._claim()
        if subject is None:
            return False
        row = subject.row
        try:
            applied_hash = digest_of(subject.render(means.context, means.faults))
            message = subject.render(means.context, means.faults, posting=True)
        except Exception as exc:
            await self._give_up(row.id, exc)
            return True
        if not means.may_begin(began):
            return True  # too late: the row waits out its lease, and is looked up
        outcome = await self._post(subject, message)
        means.count("post", word_of(outcome))
        log.info(Line("post", message=row.id, attempt=row.attempt, **brief(outcome)))
        await self._note(subject, outcome, applied_hash)
        return True

    async def _post(self, subject: Subject, message: Message) -> Outcome:
        row, means = subject.row, self._means
        try:
            return await means.channel.post(
                message,
                metadata=means.marks.metadata(row.id, row.shape, row.events),
                thread_ts=subject.root.ts if subject.root else None,
                broadcast=row.broadcast,
                within=means.within,
            )
        except Exception as exc:
            if row.posts >= MOST_FAULTS:
                await self._give_up(row.id, exc)
            return Unknown(fault_words(exc))

    async def _claim(self) -> Subject | None:
        means, hours = self._means, self._means.context.policy.quiet
        while True:
            left = means.faults.left_alone(means.stopwatch())
            try:
                async with means.store.begin() as tx:
                    now = tx.now
                    quiet = hours is not None and hours.covers(now)
                    row = await queue.claim(tx, now, means.lease, GAP, breakthrough_only=quiet, without=left)
                    if row is None:
                        return None
                    if subject := await self._look_up(tx, row, now, at_night=quiet):
                        return subject
            except RowFaultError as exc:
                await self._give_up(exc.row_id, exc.__cause__)

    async def _look_up(self, tx: Tx, row: Row, now: datetime, *, at_night: bool) -> Subject | None:
        """Return what a claimed row is about; None when it is not posted now.

        Raises:
            RowFaultError: it cannot be looked up, and is still to be posted.
        """
        try:
            subject = (await subjects(tx, [await merging.take_up(tx, row)]))[0]
            return None if await self._drop(tx, subject, now, at_night=at_night) else subject
        except Exception as exc:
            if is_row_fault(exc):
                raise RowFaultError(row.id) from exc
            raise

    async def _give_up(self, message_id: str, exc: BaseException | None) -> None:
        """Give up a message that cannot be posted, and queue again what it was to show. The others go on."""
        fault = exc if isinstance(exc, Exception) else RowFaultError(message_id)
        faults = self._means.faults
        if faults.is_new(fault, message_id):
            log.error(Line("message failed, given up", message=message_id, error=fault_words(fault)))
        try:
            async with self._means.store.begin() as tx:
                await queue.fail(tx, message_id, fault_words(fault))
                await gathering.give_back(tx, message_id)
        except Exception as refused:
            if not is_row_fault(refused):
                raise
            faults.leave_alone(message_id, self._means.stopwatch())

    async def _note(self, subject: Subject, outcome: Outcome, applied_hash: str) -> None:
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
                log.warning(Line("outcome not recorded", message=subject.row.id, error=words))
                await asyncio.sleep(pause)
            else:
                return

    def _note_refusal(self, row: Row, exc: Exception) -> None:
        """Leave a message alone whose outcome the database refuses: its lookups find it when that is over."""
        if self._means.faults.is_new(exc, row.id):
            log.warning(Line("outcome not recorded", message=row.id, error=fault_words(exc)))
        self._means.faults.leave_alone(row.id, self._means.stopwatch())

    async def _drop(self, tx: Tx, subject: Subject, now: datetime, *, at_night: bool) -> bool:
        """Give up what need not be sent any more, or not yet. A broadcast line whose root died goes by itself."""
        row, root = subject.row, subject.root
        if not subject.still_true or subject.told_by_root:
            await queue.dead(tx, row, Dead.UNTRUE)
        elif await gathering.shown_elsewhere(tx, row, at_night=at_night):
            await gathering.leave(tx, row, now)
        elif await gathering.should_wait(tx, row, at_night=at_night):
            await gathering.wait(tx, row, now)
        elif ends := self._too_late(row, now):
            await queue.put_back(tx, row, ends, "quiet hours", breakthrough=False)
        elif root and (root.status is Status.DEAD or root.gone or root.channel_id != self._means.channel.id):
            await lose_root(tx, subject.row)
        else:
            return False
        await queue.rest(tx, now)  # nothing was posted, so the next need not wait
        return True

    def _too_late(self, row: Row, now: datetime) -> datetime | None:
        """When quiet hours end, if what was to be heard at their beginning comes too far into them."""
        quiet = self._means.context.policy.quiet
        window = quiet.window_of(now) if quiet else None
        if quiet is None or window is None or row.shape not in (Shape.PROBLEM, Shape.DIGEST, Shape.LINE):
            return None
        awake = "deed" in row.facts or (quiet.breakthrough and row.own_rank == 1)
        return None if awake or now - window.begins <= LATE else window.ends

    async def _block(self, tx: Tx, row: Row, error: str, now: datetime, **values: Any) -> None:
        """Post nothing for some minutes: a person must act."""
        await queue.rest(tx, now + HOLD)
        await slack_state.record_refusal(tx, error, now)
        await queue.later(tx, row, now + HOLD, error, **values)

    async def _suspect(self, tx: Tx, row: Row, error: str, now: datetime) -> None:
        """Handle an unknown error code: it is about this message, unless no other was sent since it was written.

        The others go first, then this one as text. Only if nothing gets through, the queue is blocked.
        """
        demoted = {"rank": row.own_rank + queue.DEMOTED}
        if not row.text_only:
            log.warning(Line("unknown error code of Slack, repeated as text", message=row.id, error=error))
            await queue.later(tx, row, now, error, text_only=True, **demoted)
        elif await queue.has_sent_since(tx, row.id):
            await queue.later(tx, row, now + HOLD, error, **demoted)
        else:
            await self._block(tx, row, error, now, **demoted)

    async def _record(self, tx: Tx, subject: Subject, outcome: Outcome, applied_hash: str) -> None:
        row, now = subject.row, tx.now
        match outcome:
            case Sent(channel_id, ts):
                await queue.sent(tx, row, channel_id=channel_id, ts=ts, applied_hash=applied_hash, now=now)
            case Later(seconds, error):
                until = now + timedelta(seconds=seconds)
                await queue.rest(tx, until)
                await slack_state.record_silence(tx, error, now)
                await queue.later(tx, row, until, error)
            case Held(error):
                await self._block(tx, row, error, now)
            case Unlisted(error):
                await self._suspect(tx, row, error, now)
            case Refused(error) if "metadata" in error and row.events:  # too many marks: it goes without
                await queue.later(tx, row, now, error, events=[])
            case Refused(error) if row.text_only:
                log.error(Line("Slack refuses the message, given up", message=row.id, error=error))
                if await queue.dead(tx, row, Dead.REFUSED, error):
                    await gathering.give_back(tx, row.id)
            case Refused(error):
                await queue.later(tx, row, now, error, text_only=True)
            case Gone(of="thread") if subject.root:
                await lose_root(tx, row)
            case Gone() if subject.root:
                await views.note(tx, subject.root, gone=True)
                await lose_root(tx, row)
            case Gone(error) | Unknown(error):
                if isinstance(outcome, Unknown):
                    await slack_state.record_silence(tx, error, now)
                # Left as it is: a sending row whose lease ran out is the unknown outcome.
                log.warning(Line("outcome unknown", message=row.id, error=error))
