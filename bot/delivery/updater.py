"""Edits: a told message is a view, rendered again at each pass and changed in Slack when it differs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from bot.delivery.dependencies import HOLD, DeliveryDependencies
from bot.delivery.item import OutboxItem, content_hash, load_items, log_fields, outcome_label
from bot.outbox.messages import OutboxRow
from bot.ports import Blocked, Message, NotFound, Outcome, OutcomeUnknown, Refused, RetryLater, Sent, Unlisted
from bot.runtime.logs import LogEvent, fault_words
from bot.store import poll_state, published
from bot.store.isolation import is_row_fault

log = logging.getLogger(__name__)

EDIT_GAP = timedelta(seconds=10)  # between edits of one message
PASS = 5.0  # seconds; then posts have their turn again
EDIT_SECONDS = 4  # two requests fit into EDIT_GAP, so that two edits of one message never overlap


class Updater:
    """Keeps told messages true. They are safe to repeat, so they need no queue."""

    def __init__(self, means: DeliveryDependencies) -> None:
        self._means = means
        self._rest_until = 0.0  # by the stopwatch

    async def due(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Render every living root again, and edit those that Slack shows differently."""
        if self._means.stopwatch() < self._rest_until:
            return
        async with self._means.store.begin() as tx:
            now = tx.now
            living = await load_items(tx, await published.editable(tx, now), self._means.faults)
        for row_id, one in tx.unreadable.items():
            if self._means.faults.is_new(one.error, row_id):
                log.error(LogEvent("stored row cannot be read", row=row_id, error=fault_words(one.error)))
        began = self._means.stopwatch()
        for subject in living:
            if stopping() or self._means.stopwatch() - began > PASS or not await self._try(subject, now):
                return

    async def _try(self, subject: OutboxItem, now: datetime) -> bool:
        """Bring one root up to date. A root that fails stays as it is, and the others go on."""
        row = subject.row
        try:
            goes_on = await self._edit(subject, now)
            if row.error:
                await self._note_error(row, None)
        except Exception as exc:
            if not is_row_fault(exc):
                raise
            words = fault_words(exc)
            if self._means.faults.is_new(exc, row.id):
                log.error(LogEvent("message cannot be updated", message=row.id, error=words))
            if row.error != words:
                await self._note_error(row, words)
            return True
        return goes_on

    async def _note_error(self, row: OutboxRow, words: str | None) -> None:
        """Write down why a message is not kept true, for `/kf status`. The log has it in any case."""
        try:
            async with self._means.store.begin() as tx:
                await published.update(tx, row, error=words)
        except Exception as exc:
            if not is_row_fault(exc):
                raise

    async def _edit(self, subject: OutboxItem, now: datetime) -> bool:
        """Bring one root up to date. False when Slack takes no edits at present."""
        row, message = subject.row, subject.render(self._means.context, self._means.faults)
        applied = content_hash(message)
        if applied == row.applied_hash:
            if subject.final:
                await self._settle(row)
            return True
        async with self._means.store.begin() as tx:
            # Free since this pass began: what somebody else edited meanwhile is newer than this rendering.
            if not await published.claim(tx, row, now, tx.now + EDIT_GAP):
                return True
        outcome = await self._update(row, message)
        if isinstance(outcome, Refused | Unlisted):
            outcome = await self._update(row, Message(message.text))
        if isinstance(outcome, Blocked) and outcome.of == "channel" and row.channel_id != self._means.channel.id:
            outcome = NotFound(outcome.error)  # it stands where alerts no longer go
        self._means.count("edit", outcome_label(outcome))
        log.info(LogEvent("edit", message=row.id, **log_fields(outcome)))
        if rest := _rest_after(outcome):
            self._rest_until = self._means.stopwatch() + rest.total_seconds()
        if not isinstance(outcome, RetryLater | OutcomeUnknown):  # what is not known is repeated, which is safe
            async with self._means.store.begin() as tx:
                await published.update(tx, row, **_noted(outcome, applied, tx.now))
        return isinstance(outcome, Sent | Refused | Unlisted | NotFound)

    async def _settle(self, row: OutboxRow) -> None:
        """Render this root no more, unless it has begun to live again just now."""
        async with self._means.store.begin() as tx:
            await poll_state.load(tx, lock=True)  # nobody changes an episode meanwhile
            subject = (await load_items(tx, [row]))[0]
            if subject.final and content_hash(subject.render(self._means.context)) == row.applied_hash:
                await published.update(tx, row, settled=True)

    async def _update(self, row: OutboxRow, message: Message) -> Outcome:
        return await self._means.channel.update(
            message, channel_id=row.channel_id or "", ts=row.ts or "", within=EDIT_SECONDS
        )


def _noted(outcome: Outcome, applied: str, now: datetime) -> Mapping[str, Any]:
    """Return the columns that record the outcome of an edit."""
    match outcome:
        case Sent() | Refused():  # refused even as text alone: asking again would not help
            return {"applied_hash": applied}
        case NotFound():
            return {"gone": True}
        case Blocked() | Unlisted():
            return {"next_edit_at": now + HOLD}
    return {}


def _rest_after(outcome: Outcome) -> timedelta | None:
    """How long Slack is left alone with edits; its limits are those of the method, not of a message."""
    match outcome:
        case RetryLater(seconds, _):
            return timedelta(seconds=seconds)
        case Blocked():
            return HOLD
    return None
