"""Update sent messages: render each again at every pass, and edit it in Slack if it differs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bot.delivery.backoffs import RequestKind
from bot.delivery.dependencies import HOLD, DeliveryDependencies
from bot.delivery.item import OutboxItem, content_hash, load_items, log_fields, outcome_label
from bot.outbox.messages import MessageKind, OutboxRow
from bot.ports import Blocked, Message, NotFound, Outcome, OutcomeUnknown, Refused, RetryLater, Sent, Unlisted
from bot.runtime.logs import LogEvent, fault_words
from bot.store import channels, poll_state, published, slack_state
from bot.store.isolation import is_row_fault

log = logging.getLogger(__name__)

EDIT_GAP = timedelta(seconds=10)  # between edits of one message
PASS_SECONDS = 5.0  # after which posts have priority again
EDIT_SECONDS = 3  # three requests fit into EDIT_GAP, so that two edits of one message never overlap


class Updater:
    """Keeps sent messages up to date. Edits are safe to repeat, so they need no queue."""

    def __init__(self, dependencies: DeliveryDependencies) -> None:
        self._dependencies = dependencies

    async def update_all(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Render every editable message again, and edit those that differ from what Slack shows."""
        dependencies = self._dependencies
        if dependencies.backoffs.lasts(RequestKind.EDITS, dependencies.channel.id, dependencies.stopwatch()):
            return
        async with self._dependencies.store.begin() as tx:
            now = tx.now
            items = await load_items(tx, await published.editable(tx, now), self._dependencies.faults)
        for row_id, one in tx.unreadable.items():
            if self._dependencies.faults.is_new(one.error, row_id):
                log.error(LogEvent("stored row cannot be read", row=row_id, error=fault_words(one.error)))
        began = dependencies.stopwatch()
        for item in items:
            if stopping() or dependencies.stopwatch() - began > PASS_SECONDS or not await self._try(item, now):
                return

    async def _try(self, item: OutboxItem, now: datetime) -> bool:
        """Update one message. One that fails stays as it is, and the others are updated."""
        row = item.row
        try:
            goes_on = await self._edit(item, now)
            if row.error:
                await self._note_error(row, None)
        except Exception as exc:
            if not is_row_fault(exc):
                raise
            words = fault_words(exc)
            if self._dependencies.faults.is_new(exc, row.id):
                log.error(LogEvent("message cannot be updated", message=row.id, error=words))
            if row.error != words:
                await self._note_error(row, words)
            return True
        return goes_on

    async def _note_error(self, row: OutboxRow, words: str | None) -> None:
        """Store why a message is not updated, for `/kf status`. The log has it in any case."""
        try:
            async with self._dependencies.store.begin() as tx:
                await published.update(tx, row, error=words)
        except Exception as exc:
            if not is_row_fault(exc):
                raise

    async def _edit(self, item: OutboxItem, now: datetime) -> bool:
        """Update one message. Return False if Slack accepts no edits at present."""
        row, message = item.row, self._dependencies.render(item)
        applied = content_hash(message)
        if applied == row.applied_hash:
            if item.is_final:
                await self._settle(item)
            return True
        async with self._dependencies.store.begin() as tx:
            if not await channels.may_edit(tx, tx.now):
                return False
            # Claimed only if unchanged since this pass began: an edit by another process would be newer.
            if not await published.claim(tx, row, now, tx.now + EDIT_GAP):
                return True
        outcome = await self._update(row, message, keys=_gains_events(row))
        if isinstance(outcome, Refused) and "metadata" in outcome.error:  # too many keys
            outcome = await self._update(row, message)
        if isinstance(outcome, Refused | Unlisted):
            outcome = await self._update(row, replace(message, blocks=()))
        if (
            isinstance(outcome, Blocked)
            and outcome.of == "channel"
            and row.channel_id != self._dependencies.channel.id
        ):
            outcome = NotFound(outcome.error)  # it is in a channel that alerts no longer go to
        self._dependencies.count("edit", outcome_label(outcome))
        log.info(LogEvent("edit", message=row.id, **log_fields(outcome)))
        self._back_off_after(outcome)
        if not isinstance(outcome, RetryLater | OutcomeUnknown):  # an unknown outcome is repeated, which is safe
            async with self._dependencies.store.begin() as tx:
                if isinstance(outcome, Blocked):  # a post would be refused, too
                    await slack_state.record_refusal(tx, outcome.error, tx.now)
                await published.update(tx, row, **_noted(outcome, applied, tx.now))
        return isinstance(outcome, Sent | Refused | Unlisted | NotFound)

    def _back_off_after(self, outcome: Outcome) -> None:
        """Back off if Slack asks for it; it limits the method, whatever the channel."""
        backoffs, now = self._dependencies.backoffs, self._dependencies.stopwatch()
        match outcome:
            case RetryLater(seconds, _):
                backoffs.begin(RequestKind.EDITS, now + seconds)
            case Blocked():
                backoffs.begin(RequestKind.EDITS, now + HOLD.total_seconds(), self._dependencies.channel.id)

    async def _settle(self, item: OutboxItem) -> None:
        """Stop updating this message, unless one of its episodes has changed again just now."""
        row = item.row
        async with self._dependencies.store.begin() as tx:
            await poll_state.lock(tx, {tx.appid, *item.appids.values()})  # holds off changes of episodes
            item = (await load_items(tx, [row]))[0]
            if item.is_final and content_hash(self._dependencies.render(item)) == row.applied_hash:
                await published.update(tx, row, is_final=True)

    async def _update(self, row: OutboxRow, message: Message, *, keys: bool = False) -> Outcome:
        """Edit a message, and with `keys` the keys of its events as well."""
        dependencies = self._dependencies
        metadata = dependencies.keys_of(row).metadata(row.id, row.kind, row.event_keys) if keys else None
        return await dependencies.channel.update(
            dependencies.labelled(row, message),
            channel_id=row.channel_id or "",
            ts=row.ts or "",
            metadata=metadata,
            within=EDIT_SECONDS,
        )


def _gains_events(row: OutboxRow) -> bool:
    """Check whether a message may report more events than when it was posted.

    The first run of a channel takes up those of further accounts. Without their keys in Slack, a lost store would
    report them again.
    """
    return row.kind is MessageKind.FIRST_RUN and row.of_several


def _noted(outcome: Outcome, applied: str, now: datetime) -> Mapping[str, Any]:
    """Return the columns that record the outcome of an edit."""
    match outcome:
        case Sent() | Refused():  # refused even as text alone: asking again would not help
            return {"applied_hash": applied}
        case NotFound():
            return {"is_deleted": True}
        case Blocked() | Unlisted():
            return {"next_edit_at": now + HOLD}
    return {}
