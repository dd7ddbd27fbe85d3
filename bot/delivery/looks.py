"""Looks: what became of a post whose reply was lost is read in the channel itself, by the message's mark."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from bot.delivery.subject import Subject, brief, lose_root, subjects
from bot.marks import Marks
from bot.ports import Blind, Channel, Clock, Count, Gone, Held, Later, Page, Past, Unknown
from bot.store import Store, Tx, looking, queue, views

log = logging.getLogger(__name__)

BEFORE = timedelta(seconds=120)  # Slack's clock and ours may differ
LONGEST_REQUEST = 10  # seconds
HOLD = timedelta(minutes=5)  # while the token is refused

Answer = Past | Blind | Later | Held | Gone | Unknown | None  # None: all was read, and it is not there


class Looks:
    """Finds out what became of unknown outcomes. A look only reads, so it is safe to repeat."""

    def __init__(
        self, channel: Channel, store: Store, *, marks: Marks, lease: timedelta, clock: Clock, count: Count
    ) -> None:
        self._channel = channel
        self._store = store
        self._marks = marks
        self._lease = lease
        self._clock = clock
        self._count = count

    async def next(self) -> bool:
        """Look up the next unknown outcome that is due. False when none is."""
        now = self._clock()
        async with self._store.begin() as tx:
            row = await looking.claim(tx, now, self._lease)
            if row is None:
                return False
            subject = (await subjects(tx, [row]))[0]
        answer = await self._search(subject, now)
        word = _word(answer)
        self._count("look", word)
        log.info("look message=%s outcome=%s", row.id, word if answer is None else f"{word} {brief(answer)}")
        async with self._store.begin() as tx:
            await self._record(tx, subject, answer)
        return True

    async def _search(self, subject: Subject, began: datetime) -> Answer:
        """Read what was posted since the attempt began, and find the message."""
        row, wanted = subject.row, self._marks.of_message(subject.row.id)
        oldest = (row.started_at or began) - BEFORE
        cursor = ""
        while self._clock() <= began + self._lease / 2:  # whoever claims next must not look at the same time
            page = await self._channel.history(
                oldest=oldest,
                thread_ts=subject.root.ts if subject.root else None,
                cursor=cursor,
                within=min(LONGEST_REQUEST, self._lease.total_seconds() / 4),
            )
            if not isinstance(page, Page):
                return page
            if found := next((message for message in page.messages if message.key == wanted), None):
                return found
            cursor = page.cursor
            if not cursor:
                return None
        return Unknown("too much to read in the time of a lease")

    async def _record(self, tx: Tx, subject: Subject, answer: Answer) -> None:
        row, now = subject.row, self._clock()
        match answer:
            case None:
                await looking.absent(tx, row, now, self._lease)
            case Past(channel_id, ts):
                await queue.sent(tx, row, channel_id=channel_id, ts=ts, applied_hash=None, now=now, held=True)
            case Blind() if subject.urgent:
                await looking.repeat(tx, row, now)
            case Blind(error):
                log.warning(
                    "given up message=%s: Slack did not confirm it, and its history may not be read", row.id
                )
                await looking.give_up(tx, row, error)
            case Gone() if subject.root:
                await views.note(tx, subject.root, gone=True)
                await lose_root(tx, row)
            case Later(seconds, _):
                await looking.again(tx, row, now + timedelta(seconds=seconds))
            case Held():
                await looking.again(tx, row, now + HOLD)
            case _:
                await looking.again(tx, row, now + self._lease / 2)


def _word(answer: Answer) -> str:
    match answer:
        case None:
            return "absent"
        case Past():
            return "found"
        case Blind():
            return "blind"
    return "failed"
