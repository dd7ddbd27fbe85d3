"""Perform what a user asks for by a click on an alert. The rules are in `alerting.acknowledgements`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from bot.actions import AlertAction
from bot.alerting.acknowledgements import ActionKind, acknowledge, snooze, unacknowledge, unsnooze
from bot.alerting.episode import Change, Episode, UserAction
from bot.outbox.messages import MessageKind
from bot.outbox.planner import user_action_reply
from bot.ports import BlockAction
from bot.recorder import Recorder
from bot.runtime.logs import LogEvent, fault_words
from bot.store import episodes, outbox, poll_state, published
from bot.store.database import Store, Tx
from bot.store.isolation import isolated
from bot.store.sanitizing import sanitize_text

log = logging.getLogger(__name__)

LONGEST_NAME = 200  # characters of a person's name that are kept


@dataclass(frozen=True, slots=True)
class ActionResult:
    """The result of a click. If `changed` is empty, `found` has the episodes as they were already."""

    changed: tuple[Episode, ...] = ()
    found: tuple[Episode, ...] = ()
    is_shown: bool = True  # a message in the channel will show it


class AlertActions:
    """Performs actions. A click that comes twice, or too late, changes nothing."""

    def __init__(self, store: Store, *, recorder: Recorder, zone: ZoneInfo) -> None:
        """Keep what actions need. `zone` is the time zone of "tomorrow 9:00"."""
        self._store = store
        self._recorder = recorder
        self._zone = zone

    async def perform(self, action: AlertAction, click: BlockAction) -> ActionResult:
        """Perform an action.

        Raises:
            bot.store.store_errors.StoreError: the store cannot be reached; nothing was done.
        """
        async with self._store.begin() as tx:
            await poll_state.load(tx, lock=True)
            user_action = self._user_action(action, click, tx.now)
            found = await self._episodes(tx, action)
            changes = [
                Change(before, after) for before in found if (after := self._act(action, before, user_action))
            ]
            changed = await self._save_each(tx, action, changes, user_action)
            shown = await published.any_editable(
                tx, [action.id] if action.batch else episodes.parents_of([action.id])
            )
        return ActionResult(changed, tuple(found), shown)

    def _user_action(self, action: AlertAction, click: BlockAction, now: datetime) -> UserAction:
        user_id = sanitize_text(click.user_id)
        name = sanitize_text(click.user_name)[:LONGEST_NAME] or user_id
        until = action.snooze.until(now, self._zone) if action.snooze else None
        return UserAction(user_id, name, now, until, batch=action.id if action.batch else "")

    async def _episodes(self, tx: Tx, action: AlertAction) -> list[Episode]:
        ids: Sequence[str] = [action.id]
        if action.batch:
            message = await outbox.get(tx, action.id)
            ids = (
                message.episode_ids
                if message and message.kind in (MessageKind.DIGEST, MessageKind.QUIET_SUMMARY)
                else ()
            )
        members = await episodes.get_many(tx, ids)
        return [members[one] for one in ids if one in members]

    def _act(self, action: AlertAction, episode: Episode, user_action: UserAction) -> Episode | None:
        match action.kind:
            case ActionKind.ACKNOWLEDGED:
                return acknowledge(episode, user_action)
            case ActionKind.SNOOZED:
                return snooze(episode, user_action, self._recorder.policy)
            case ActionKind.UNACKNOWLEDGED:
                return unacknowledge(episode, batch=user_action.batch)
            case ActionKind.UNSNOOZED:
                return unsnooze(episode)

    async def _save_each(
        self, tx: Tx, action: AlertAction, changes: Sequence[Change], user_action: UserAction
    ) -> tuple[Episode, ...]:
        """Save the changes that the database accepts, and return the changed episodes.

        Raises:
            Exception: the database accepts none of them.
        """

        async def write(ids: Sequence[str]) -> Sequence[Change]:
            these = [change for change in changes if change.after.id in ids]
            async with tx.savepoint():
                await self._save(tx, action, these, user_action)
            return these

        if not changes:
            return ()
        written, refused = await isolated(tx, [change.after.id for change in changes], write)
        for episode_id, exc in refused.items():
            log.warning(LogEvent("action not performed", episode=episode_id, error=fault_words(exc)))
        if not written:
            raise next(iter(refused.values()))
        return tuple(change.after for these in written for change in these)

    async def _save(self, tx: Tx, action: AlertAction, changes: Sequence[Change], user_action: UserAction) -> None:
        """Save the action and post it to the thread. Timers that are due now are handled by the next tick."""
        after = [change.after for change in changes]
        if root_id := await self._thread(tx, action):
            until = after[0].snoozed.until if after[0].snoozed else None
            reply = user_action_reply(after, action.kind, replace(user_action, until=until), root_id)
            await self._recorder.enqueue(tx, [reply], [], user_action.at)
        await episodes.save(tx, changes, {}, self._recorder.policy, user_action.at)
        await published.edit_now(tx, episodes.parents_of([episode.id for episode in after]), user_action.at)

    async def _thread(self, tx: Tx, action: AlertAction) -> str | None:
        """Return the ID of the clicked message, whose thread gets the reply; None if there is no such thread."""
        if action.batch:
            return action.id
        parent = (await episodes.parents(tx, [action.id])).get(action.id)
        return parent.id if parent and parent.kind is MessageKind.ALERT and not parent.is_deleted else None
