"""Edits: a told message is a view, rendered again at each pass and changed in Slack when it differs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from bot.blocks.channel import Look
from bot.delivery.posts import HOLD
from bot.delivery.subject import Subject, brief, digest_of, subjects
from bot.ports import Channel, Clock, Gone, Held, Later, Message, Outcome, Refused, Sent, Unknown
from bot.store import Store, memory, queue
from bot.store.queue import Row

log = logging.getLogger(__name__)

EDIT_GAP = timedelta(seconds=10)  # between edits of one message
EDIT_SECONDS = 4  # two requests fit into EDIT_GAP, so that two edits of one message never overlap


class Edits:
    """Keeps told messages true. They are safe to repeat, so they need no queue."""

    def __init__(self, channel: Channel, store: Store, *, look: Look, clock: Clock) -> None:
        self._channel = channel
        self._store = store
        self._look = look
        self._clock = clock

    async def due(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Render every living root again, and edit those that Slack shows differently."""
        now = self._clock()
        async with self._store.begin() as tx:
            living = await subjects(tx, await queue.views(tx, now))
        for subject in living:
            if stopping() or not await self._edit(subject, now):
                return

    async def _edit(self, subject: Subject, now: datetime) -> bool:
        """Bring one root up to date. False when Slack takes no edits at present."""
        row, message = subject.row, subject.message(self._look)
        applied = digest_of(message)
        if applied == row.applied_hash:
            if subject.final:
                await self._settle(row)
            return True
        async with self._store.begin() as tx:
            # Free since this pass began: what somebody else edited meanwhile is newer than this rendering.
            if not await queue.claim_edit(tx, row, now, self._clock() + EDIT_GAP):
                return True
        outcome = await self._update(row, message)
        if isinstance(outcome, Refused):
            outcome = await self._update(row, Message(message.text))
        log.info("edit message=%s outcome=%s", row.id, brief(outcome))
        noted, go_on = _after_edit(outcome, applied, self._clock())
        if noted:
            async with self._store.begin() as tx:
                await queue.note_view(tx, row, **noted)
        return go_on

    async def _settle(self, row: Row) -> None:
        """Render this root no more, unless it has begun to live again just now."""
        async with self._store.begin() as tx:
            await memory.recall(tx, lock=True)  # nobody changes an episode meanwhile
            subject = (await subjects(tx, [row]))[0]
            if subject.final and digest_of(subject.message(self._look)) == row.applied_hash:
                await queue.note_view(tx, row, settled=True)

    async def _update(self, row: Row, message: Message) -> Outcome:
        return await self._channel.update(
            message, channel_id=row.channel_id or "", ts=row.ts or "", within=EDIT_SECONDS
        )


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
