"""Save state changes, and the outbox messages that they produce, in one transaction. No rules, no sending."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.alerting.episode import AlertPolicy, Change
from bot.outbox.event_keys import EventKeys
from bot.outbox.messages import InitialSnapshot, NewMessage
from bot.outbox.planner import plan
from bot.outbox.shared_channels import delay
from bot.store import channels, episodes, merge_pending, outbox
from bot.store.database import Tx


@dataclass(frozen=True, slots=True)
class Recorder:
    """The writer of changes and messages of one Official Account."""

    policy: AlertPolicy
    event_keys: EventKeys
    appid: str
    channel_appids: Collection[str] = ()  # of all accounts that post to its channel; empty for the only one

    async def record(
        self, tx: Tx, changes: Sequence[Change], now: datetime, *, first: InitialSnapshot | None = None
    ) -> None:
        """Save changes and the messages for their events, all of them or none.

        The caller has locked the account's row, so that no other process makes the same decision at the same time.

        Raises:
            sqlalchemy.exc.IntegrityError: one of the events was emitted before; no event is reported twice.
        """
        if not changes and first is None:
            return  # as after nearly every poll
        async with tx.savepoint():
            parents = await episodes.parents(tx, [change.after.id for change in changes])
            messages = plan(changes, parents, self.policy, now, first=first)
            row_ids = await self.enqueue(tx, messages, changes, now)
            carriers = {reported: row_ids[message.id] for message in messages for reported in message.events}
            await episodes.save(tx, changes, carriers, self.policy, now)

    async def enqueue(
        self, tx: Tx, messages: Sequence[NewMessage], changes: Sequence[Change], now: datetime
    ) -> Mapping[str, str]:
        """Save messages without changes. Return, by message id, the id of the row that carries it."""
        if messages:
            await channels.lock(tx)
        delays = {one.id: delay(one) for one in messages} if self.channel_appids else {}
        keys = self.event_keys.keys_of(messages, changes)
        carriers = await outbox.enqueue(tx, messages, keys, now, delays=delays)
        await merge_pending.link(tx, messages, carriers)
        return carriers
