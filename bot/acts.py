"""A person acts on an alert: the click is checked, carried out, written down. What people may do is in `hands`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from bot.actions import AlertAction
from bot.episodes import Change, Episode, Hand
from bot.hands import Deed, acknowledge, snooze, unacknowledge, unsnooze
from bot.ledger import Ledger
from bot.logs import Line, fault_words
from bot.outbox import Shape
from bot.outbox.planning import by_hand
from bot.ports import Click
from bot.store import Store, Tx, memory, queue, rows, views
from bot.store.isolation import isolated

log = logging.getLogger(__name__)

LONGEST_NAME = 200  # characters of a person's name that are kept


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a click: nothing changed when `changed` is empty, and `found` says how things stand."""

    changed: tuple[Episode, ...] = ()
    found: tuple[Episode, ...] = ()
    shown: bool = True  # a message in the channel will show it


class Acts:
    """Carries out what people ask for. A click that comes twice, or too late, changes nothing."""

    def __init__(self, store: Store, *, ledger: Ledger, zone: ZoneInfo) -> None:
        """`zone`: where "tomorrow 9:00" is."""
        self._store = store
        self._ledger = ledger
        self._zone = zone

    async def do(self, action: AlertAction, click: Click) -> Done:
        """Carry out a click.

        Raises:
            bot.store.StoreError: the store cannot be reached; nothing was done.
        """
        async with self._store.begin() as tx:
            await memory.recall(tx, lock=True)
            hand = self._hand(action, click, tx.now)
            found = await self._members(tx, action)
            changes = [Change(before, after) for before in found if (after := self._act(action, before, hand))]
            changed = await self._write_each(tx, action, changes, hand)
            shown = await views.stand(tx, [action.id] if action.batch else rows.roots_of([action.id]))
        return Done(changed, tuple(found), shown)

    def _hand(self, action: AlertAction, click: Click, now: datetime) -> Hand:
        user_id = rows.plain(click.user_id)
        name = rows.plain(click.user_name)[:LONGEST_NAME] or user_id
        until = action.snooze.until(now, self._zone) if action.snooze else None
        return Hand(user_id, name, now, until, batch=action.id if action.batch else "")

    async def _members(self, tx: Tx, action: AlertAction) -> list[Episode]:
        ids: Sequence[str] = [action.id]
        if action.batch:
            message = await queue.get(tx, action.id)
            ids = message.members if message and message.shape in (Shape.DIGEST, Shape.QUIET) else ()
        members = await rows.with_ids(tx, ids)
        return [members[one] for one in ids if one in members]

    def _act(self, action: AlertAction, episode: Episode, hand: Hand) -> Episode | None:
        match action.kind:
            case Deed.ACKNOWLEDGED:
                return acknowledge(episode, hand)
            case Deed.SNOOZED:
                return snooze(episode, hand, self._ledger.policy)
            case Deed.UNACKNOWLEDGED:
                return unacknowledge(episode, batch=hand.batch)
            case Deed.UNSNOOZED:
                return unsnooze(episode)

    async def _write_each(
        self, tx: Tx, action: AlertAction, changes: Sequence[Change], hand: Hand
    ) -> tuple[Episode, ...]:
        """Save the changes that the database accepts, and return the changed episodes.

        Raises:
            Exception: it takes none.
        """

        async def write(ids: Sequence[str]) -> Sequence[Change]:
            these = [change for change in changes if change.after.id in ids]
            async with tx.savepoint():
                await self._write(tx, action, these, hand)
            return these

        if not changes:
            return ()
        written, refused = await isolated(tx, [change.after.id for change in changes], write)
        for episode_id, exc in refused.items():
            log.warning(Line("a click was not carried out", episode=episode_id, error=fault_words(exc)))
        if not written:
            raise next(iter(refused.values()))
        return tuple(change.after for these in written for change in these)

    async def _write(self, tx: Tx, action: AlertAction, changes: Sequence[Change], hand: Hand) -> None:
        """Write down what a person did, and say so in the thread. What the clock has to say now, a tick says."""
        after = [change.after for change in changes]
        if root_id := await self._thread(tx, action):
            until = after[0].snoozed.until if after[0].snoozed else None
            line = by_hand(after, action.kind, replace(hand, until=until), root_id)
            await self._ledger.add(tx, [line], [], hand.at)
        await rows.save(tx, changes, {}, self._ledger.policy, hand.at)
        await views.hasten(tx, rows.roots_of([episode.id for episode in after]), hand.at)

    async def _thread(self, tx: Tx, action: AlertAction) -> str | None:
        """The message in whose thread it is said: the one that was clicked."""
        if action.batch:
            return action.id
        root = (await rows.roots(tx, [action.id])).get(action.id)
        return root.id if root and root.shape is Shape.PROBLEM and not root.gone else None
