"""A person acts on an alert: the click is checked, carried out, written down. What people may do is in `hands`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from bot.deadlines import advance
from bot.episodes import Change, Episode, Hand
from bot.hands import Deed, Snooze, acknowledge, snooze, undo
from bot.ledger import Ledger
from bot.outbox import Root, Shape
from bot.outbox.planning import by_hand
from bot.ports import Click, Clock
from bot.store import Store, Tx, memory, queue, rows, views

# A value of ours: `v1:EPISODE`, `v1:EPISODE:1h`, `v1:batch:MESSAGE`.
_VALUE = re.compile(r"v1:(?P<batch>batch:)?(?P<id>[0-9A-Za-z_-]{1,100})(?::(?P<snooze>1h|4h|morning))?", re.ASCII)
_ACTIONS = ("alert.ack", "alert.snooze", "alert.undo")
LONGEST_NAME = 200  # characters of a person's name that are kept


@dataclass(frozen=True, slots=True)
class Order:
    """What a click asks for."""

    action_id: str
    id: str  # of an episode, or of a message
    batch: bool = False
    snooze: Snooze | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a click: nothing changed when `changed` is empty, and `found` says how things stand."""

    changed: tuple[Episode, ...] = ()
    found: tuple[Episode, ...] = ()


def order_of(click: Click) -> Order | None:
    """Read a click on an alert. None for anything odd: it may be forged, or older than a release."""
    match = _VALUE.fullmatch(click.value)
    if match is None or click.action_id not in _ACTIONS:
        return None
    chosen = Snooze(match["snooze"]) if match["snooze"] else None
    if (click.action_id == "alert.snooze") != (chosen is not None) or (match["batch"] and chosen):
        return None
    return Order(click.action_id, match["id"], batch=bool(match["batch"]), snooze=chosen)


class Acts:
    """Carries out what people ask for. A click that comes twice, or too late, changes nothing."""

    def __init__(self, store: Store, *, ledger: Ledger, zone: ZoneInfo, clock: Clock) -> None:
        """`zone`: where "tomorrow 9:00" is."""
        self._store = store
        self._ledger = ledger
        self._zone = zone
        self._clock = clock

    async def do(self, order: Order, click: Click) -> Done:
        """Carry out a click.

        Raises:
            bot.store.StoreError: the store cannot be reached; nothing was done.
        """
        async with self._store.begin() as tx:
            await memory.recall(tx, lock=True)
            now = self._clock()
            found = await self._members(tx, order)
            name = rows.plain(click.user_name)[:LONGEST_NAME] or click.user_id
            hand = Hand(
                rows.plain(click.user_id), name, now, order.snooze.until(now, self._zone) if order.snooze else None
            )
            acted = [(before, *act) for before in found if (act := self._act(order, before, hand))]
            for deed in dict.fromkeys(deed for _, _, deed in acted):
                after = [episode for _, episode, done in acted if done is deed]
                await self._say(tx, order, after, deed, hand)
            await self._write(tx, [Change(before, after) for before, after, _ in acted], now)
        return Done(tuple(after for _, after, _ in acted), tuple(found))

    async def _members(self, tx: Tx, order: Order) -> list[Episode]:
        ids: Sequence[str] = [order.id]
        if order.batch:
            message = await queue.get(tx, order.id)
            ids = message.members if message and message.shape in (Shape.DIGEST, Shape.QUIET) else ()
        members = await rows.with_ids(tx, ids)
        return [members[one] for one in ids if one in members]

    def _act(self, order: Order, episode: Episode, hand: Hand) -> tuple[Episode, Deed] | None:
        if order.action_id == "alert.undo":
            return undo(episode)
        if order.action_id == "alert.snooze":
            after, deed = snooze(episode, hand, self._ledger.policy), Deed.SNOOZED
        else:
            after, deed = acknowledge(episode, hand), Deed.ACKNOWLEDGED
        return (after, deed) if after else None

    async def _say(self, tx: Tx, order: Order, after: Sequence[Episode], deed: Deed, hand: Hand) -> None:
        """A line in the thread of the message that was clicked."""
        if order.batch:
            root_id: str | None = order.id
        else:
            root: Root | None = (await rows.roots(tx, [order.id])).get(order.id)
            root_id = root.id if root and root.shape is Shape.PROBLEM and not root.gone else None
        if root_id:
            until = after[0].snoozed.until if after[0].snoozed else None
            line = by_hand(after, deed, Hand(hand.user_id, hand.name, hand.at, until), root_id)
            await self._ledger.add(tx, [line], [], hand.at)

    async def _write(self, tx: Tx, changes: Sequence[Change], now: datetime) -> None:
        """Write down what people did; then the clock may have something to say that they had stopped."""
        policy, after = self._ledger.policy, [change.after for change in changes]
        await rows.save(tx, changes, {}, policy, now)
        await self._ledger.write(tx, advance(after, now, policy), now)
        await views.hasten(tx, rows.roots_of([episode.id for episode in after]), now)
