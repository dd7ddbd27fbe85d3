"""What was written down is told once: claim, send, record; and told messages are kept true by edits."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.blocks.channel import Look, render
from bot.episodes import Episode
from bot.marks import Marks
from bot.outages import Incident
from bot.outbox import Dead, Shape, Status, still_true
from bot.ports import Channel, Clock, Gone, Held, Later, Message, Outcome, Refused, Sent, Unknown
from bot.store import Store, Tx, memory, queue, rows
from bot.store.queue import Row

log = logging.getLogger(__name__)

GAP = timedelta(seconds=1)  # between posts: Slack takes about one a second in a channel
HOLD = timedelta(minutes=5)  # between attempts while the channel or the token is refused
EDIT_GAP = timedelta(seconds=10)  # between edits of one message
EDIT_SECONDS = 8  # less than EDIT_GAP, so that two edits of one message never overlap
LONGEST_REQUEST = 10


@dataclass(frozen=True, slots=True)
class _Subject:
    """A row with all that its rendering needs."""

    row: Row
    members: tuple[Episode, ...] = ()
    incident: Incident | None = None
    root: Row | None = None

    @property
    def still_true(self) -> bool:
        if self.row.shape is Shape.HEALTH:
            return self.incident is not None and self.incident.over_at is None
        return still_true(self.row.shape, self.row.facts, [member.state for member in self.members])

    @property
    def told_by_root(self) -> bool:
        """The root went out after this line was written: it has shown the news itself."""
        if self.row.shape is not Shape.LINE or self.root is None or self.root.status is not Status.SENT:
            return False
        return self.root.started_at is not None and self.root.started_at >= self.row.created_at

    @property
    def final(self) -> bool:
        """Nothing that it shows will change again."""
        if self.row.shape is Shape.HEALTH:
            return self.incident is None or self.incident.over_at is not None
        return all(member.state.closed for member in self.members)


class Delivery:
    """Brings message rows to Slack. Any number of processes may do so on the same store."""

    def __init__(
        self, channel: Channel, store: Store, *, look: Look, marks: Marks, lease: timedelta, clock: Clock
    ) -> None:
        self._channel = channel
        self._store = store
        self._look = look
        self._marks = marks
        self._lease = lease
        self._clock = clock

    async def run(self, stopping: Callable[[], bool] = lambda: False) -> float | None:
        """Post the next message, then bring edits up to date.

        Returns the seconds after which another message may be ready; None when none was.

        Raises:
            bot.store.StoreError: the store cannot be reached; a row in flight waits out its lease.
        """
        if not self._store.migrated:
            return None  # the watcher opens it
        posted = not stopping() and await self.post_next()
        await self.edit_due(stopping)
        return GAP.total_seconds() if posted else None

    async def post_next(self) -> bool:
        """Send the next message that is worth it. False when none is ready, or when the channel rests."""
        now = self._clock()
        subject = await self._claim(now)
        if subject is None:
            return False
        row = subject.row
        if self._clock() > now + self._lease / 2:
            return True  # too late to begin: the row waits out its lease, and is claimed anew
        message = self._message(subject)
        outcome = await self._channel.post(
            message,
            metadata=self._marks.metadata(row.id, row.events),
            thread_ts=subject.root.ts if subject.root else None,
            broadcast=row.broadcast,
            within=min(LONGEST_REQUEST, self._lease.total_seconds() / 4),
        )
        log.info("post message=%s attempt=%s outcome=%s", row.id, row.attempt, _brief(outcome))
        async with self._store.begin() as tx:
            await self._record(tx, subject, outcome, _hash(message))
        return True

    async def _claim(self, now: datetime) -> _Subject | None:
        while True:
            async with self._store.begin() as tx:
                row = await queue.claim(tx, now, self._lease, GAP)
                if row is None:
                    return None
                subject = (await self._subjects(tx, [row]))[0]
                if not await self._drop(tx, subject, now):
                    return subject

    async def _drop(self, tx: Tx, subject: _Subject, now: datetime) -> bool:
        """Give up what need not be sent any more; a broadcast line whose root was given up goes by itself."""
        row, root = subject.row, subject.root
        if not subject.still_true or subject.told_by_root:
            await queue.dead(tx, row, Dead.UNTRUE)
        elif root and (root.status is Status.DEAD or root.gone):
            await self._lose_root(tx, subject)
        else:
            return False
        await queue.rest(tx, now)  # nothing was posted, so the next need not wait
        return True

    async def _lose_root(self, tx: Tx, subject: _Subject) -> None:
        if subject.row.broadcast:
            await queue.as_root(tx, subject.row)
        else:
            await queue.dead(tx, subject.row, Dead.UNTRUE)

    async def _record(self, tx: Tx, subject: _Subject, outcome: Outcome, applied_hash: str) -> None:
        row, now = subject.row, self._clock()
        match outcome:
            case Sent(channel_id, ts):
                await queue.sent(tx, row, channel_id=channel_id, ts=ts, applied_hash=applied_hash, now=now)
            case Later(seconds, error):
                until = now + timedelta(seconds=seconds)
                await queue.later(tx, row, until, error)
                await queue.rest(tx, until)
            case Held(error):
                if (await memory.recall(tx)).held != error:
                    log.error("Slack refuses the channel or the token error=%s: alerts wait", error)
                await queue.later(tx, row, now + HOLD, error)
                await queue.rest(tx, now + HOLD, held=error)
            case Refused(error) if row.text_only:
                log.error("Slack refuses message=%s error=%s: given up", row.id, error)
                await queue.dead(tx, row, Dead.REFUSED, error)
            case Refused(error):
                await queue.later(tx, row, now, error, text_only=True)
            case Gone() if subject.root:
                await queue.note_view(tx, subject.root, gone=True)
                await self._lose_root(tx, subject)
            case Gone(error) | Unknown(error):
                # Left as it is: a sending row whose lease ran out is the unknown outcome.
                log.warning("outcome unknown message=%s error=%s", row.id, error)

    async def edit_due(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Render every living root again, and edit those that Slack shows differently."""
        now = self._clock()
        async with self._store.begin() as tx:
            subjects = await self._subjects(tx, await queue.views(tx, now))
        for subject in subjects:
            if stopping() or not await self._edit(subject, now):
                return

    async def _edit(self, subject: _Subject, now: datetime) -> bool:
        """Bring one root up to date. False when Slack takes no edits at present."""
        row, message = subject.row, self._message(subject)
        applied = _hash(message)
        if applied == row.applied_hash:
            if subject.final:
                await self._settle(row)
            return True
        async with self._store.begin() as tx:
            if not await queue.claim_edit(tx, row, now, now + EDIT_GAP):
                return True
        outcome = await self._update(row, message)
        if isinstance(outcome, Refused):
            outcome = await self._update(row, Message(message.text))
        log.info("edit message=%s outcome=%s", row.id, _brief(outcome))
        noted, go_on = _after_edit(outcome, applied, self._clock())
        if noted:
            async with self._store.begin() as tx:
                await queue.note_view(tx, row, **noted)
        return go_on

    async def _settle(self, row: Row) -> None:
        """Render this root no more, unless it has begun to live again just now."""
        async with self._store.begin() as tx:
            await memory.recall(tx, lock=True)  # nobody changes an episode meanwhile
            subject = (await self._subjects(tx, [row]))[0]
            if subject.final and _hash(self._message(subject)) == row.applied_hash:
                await queue.note_view(tx, row, settled=True)

    async def _update(self, row: Row, message: Message) -> Outcome:
        return await self._channel.update(
            message, channel_id=row.channel_id or "", ts=row.ts or "", within=EDIT_SECONDS
        )

    async def _subjects(self, tx: Tx, found: Sequence[Row]) -> list[_Subject]:
        members = await rows.with_ids(tx, [member for row in found for member in row.members])
        return [
            _Subject(
                row,
                members=tuple(members[member] for member in row.members if member in members),
                incident=await memory.incident(tx, row.id) if row.shape is Shape.HEALTH else None,
                root=await queue.get(tx, row.root_id) if row.root_id else None,
            )
            for row in found
        ]

    def _message(self, subject: _Subject) -> Message:
        row = subject.row
        message = render(row.shape, row.facts, subject.members, subject.incident, self._look)
        return Message(message.text) if row.text_only else message


def _after_edit(outcome: Outcome, applied: str, now: datetime) -> tuple[Mapping[str, Any], bool]:
    """What to note of an edit, and whether to go on with others."""
    match outcome:
        case Sent() | Refused():  # refused even as text alone: asking again would not help
            return {"applied_hash": applied}, True
        case Gone():
            return {"gone": True}, True
        case Later(seconds, _):
            return {"next_edit_at": now + timedelta(seconds=seconds)}, False
        case Held():
            return {"next_edit_at": now + HOLD}, False
        case Unknown():  # safe to repeat
            return {}, True


def _hash(message: Message) -> str:
    content = json.dumps([message.text, list(message.blocks)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()


def _brief(outcome: Outcome) -> str:
    error = getattr(outcome, "error", "")
    return f"{type(outcome).__name__.lower()}{f' error={error}' if error else ''}"
