"""A person acts on an alert: the click is checked, carried out, written down. What people may do is in `hands`."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from bot.episodes import Change, Episode, Hand
from bot.hands import Deed, Snooze, acknowledge, snooze, unacknowledge, unsnooze
from bot.ledger import Ledger
from bot.logs import Line, fault_words
from bot.outbox import Shape
from bot.outbox.planning import by_hand
from bot.ports import Click
from bot.store import Store, Tx, memory, queue, rows, views
from bot.store.isolation import isolated

log = logging.getLogger(__name__)

# A value of ours: `v1:EPISODE`, `v1:batch:MESSAGE`, and last what is chosen, or undone.
_VALUE = re.compile(r"v1:(?P<batch>batch:)?(?P<id>[0-9A-Za-z_-]{1,100})(?::(?P<choice>[0-9a-z]{1,10}))?", re.ASCII)
LONGEST_NAME = 200  # characters of a person's name that are kept


@dataclass(frozen=True, slots=True)
class Order:
    """What a click asks for."""

    deed: Deed
    id: str  # of an episode, or of a message
    batch: bool = False
    snooze: Snooze | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a click: nothing changed when `changed` is empty, and `found` says how things stand."""

    changed: tuple[Episode, ...] = ()
    found: tuple[Episode, ...] = ()
    shown: bool = True  # a message in the channel will show it


def order_of(click: Click) -> Order | None:
    """Read a click on an alert. None for anything odd: it may be forged, or older than a release."""
    match = _VALUE.fullmatch(click.value)
    if match is None:
        return None
    batch, choice = bool(match["batch"]), match["choice"]
    match click.action_id, choice:
        case "alert.ack", None:
            return Order(Deed.ACKNOWLEDGED, match["id"], batch)
        case "alert.snooze", ("1h" | "4h" | "morning") if not batch:
            return Order(Deed.SNOOZED, match["id"], snooze=Snooze(choice))
        case "alert.undo", "snooze" if not batch:
            return Order(Deed.UNSNOOZED, match["id"])
        # It says what it undoes: a button that is out of date must not take back something else.
        case "alert.undo", ("ack" | None) if batch or choice:
            return Order(Deed.UNACKNOWLEDGED, match["id"], batch)
    return None


class Acts:
    """Carries out what people ask for. A click that comes twice, or too late, changes nothing."""

    def __init__(self, store: Store, *, ledger: Ledger, zone: ZoneInfo) -> None:
        """`zone`: where "tomorrow 9:00" is."""
        self._store = store
        self._ledger = ledger
        self._zone = zone

    async def do(self, order: Order, click: Click) -> Done:
        """Carry out a click.

        Raises:
            bot.store.StoreError: the store cannot be reached; nothing was done.
        """
        async with self._store.begin() as tx:
            await memory.recall(tx, lock=True)
            hand = self._hand(order, click, tx.now)
            found = await self._members(tx, order)
            changes = [Change(before, after) for before in found if (after := self._act(order, before, hand))]
            changed = await self._write_each(tx, order, changes, hand)
            shown = await views.stand(tx, [order.id] if order.batch else rows.roots_of([order.id]))
        return Done(changed, tuple(found), shown)

    def _hand(self, order: Order, click: Click, now: datetime) -> Hand:
        user_id = rows.plain(click.user_id)
        name = rows.plain(click.user_name)[:LONGEST_NAME] or user_id
        until = order.snooze.until(now, self._zone) if order.snooze else None
        return Hand(user_id, name, now, until, batch=order.id if order.batch else "")

    async def _members(self, tx: Tx, order: Order) -> list[Episode]:
        ids: Sequence[str] = [order.id]
        if order.batch:
            message = await queue.get(tx, order.id)
            ids = message.members if message and message.shape in (Shape.DIGEST, Shape.QUIET) else ()
        members = await rows.with_ids(tx, ids)
        return [members[one] for one in ids if one in members]

    def _act(self, order: Order, episode: Episode, hand: Hand) -> Episode | None:
        match order.deed:
            case Deed.ACKNOWLEDGED:
                return acknowledge(episode, hand)
            case Deed.SNOOZED:
                return snooze(episode, hand, self._ledger.policy)
            case Deed.UNACKNOWLEDGED:
                return unacknowledge(episode, batch=hand.batch)
            case Deed.UNSNOOZED:
                return unsnooze(episode)

    async def _write_each(self, tx: Tx, order: Order, changes: Sequence[Change], hand: Hand) -> tuple[Episode, ...]:
        """Save the changes that the database accepts, and return the changed episodes.

        Raises:
            Exception: it takes none.
        """

        async def write(ids: Sequence[str]) -> Sequence[Change]:
            these = [change for change in changes if change.after.id in ids]
            async with tx.savepoint():
                await self._write(tx, order, these, hand)
            return these

        if not changes:
            return ()
        written, refused = await isolated(tx, [change.after.id for change in changes], write)
        for episode_id, exc in refused.items():
            log.warning(Line("a click was not carried out", episode=episode_id, error=fault_words(exc)))
        if not written:
            raise next(iter(refused.values()))
        return tuple(change.after for these in written for change in these)

    async def _write(self, tx: Tx, order: Order, changes: Sequence[Change], hand: Hand) -> None:
        """Write down what a person did, and say so in the thread. What the clock has to say now, a tick says."""
        after = [change.after for change in changes]
        if root_id := await self._thread(tx, order):
            until = after[0].snoozed.until if after[0].snoozed else None
            line = by_hand(after, order.deed, replace(hand, until=until), root_id)
            await self._ledger.add(tx, [line], [], hand.at)
        await rows.save(tx, changes, {}, self._ledger.policy, hand.at)
        await views.hasten(tx, rows.roots_of([episode.id for episode in after]), hand.at)

    async def _thread(self, tx: Tx, order: Order) -> str | None:
        """The message in whose thread it is said: the one that was clicked."""
        if order.batch:
            return order.id
        root = (await rows.roots(tx, [order.id])).get(order.id)
        return root.id if root and root.shape is Shape.PROBLEM and not root.gone else None
