"""Writes down, in one transaction, what changed and what there is to tell of it. No rules, and nothing is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.alerting.episode import AlertPolicy, Change
from bot.outbox.event_keys import EventKeys
from bot.outbox.messages import InitialSnapshot, NewMessage
from bot.outbox.planner import plan
from bot.store import episodes, merge_pending, outbox
from bot.store.database import Tx


@dataclass(frozen=True, slots=True)
class Recorder:
    """What every writer of one Official Account shares."""

    policy: AlertPolicy
    marks: EventKeys
    appid: str

    async def write(
        self, tx: Tx, changes: Sequence[Change], now: datetime, *, first: InitialSnapshot | None = None
    ) -> None:
        """Write down changes and the messages that follow from their news, all of it or nothing.

        The account's row is locked by the caller, so that no other process decides the same at once.

        Raises:
            sqlalchemy.exc.IntegrityError: one of the events was emitted before. Nothing may be told twice.
        """
        if not changes and first is None:
            return  # as after nearly every look
        async with tx.savepoint():
            roots = await episodes.parents(tx, [change.after.id for change in changes])
            drafts = plan(changes, roots, self.policy, now, first=first)
            written = await self.add(tx, drafts, changes, now)
            tellers = {told: written[draft.id] for draft in drafts for told in draft.tells}
            await episodes.save(tx, changes, tellers, self.policy, now)

    async def add(
        self, tx: Tx, drafts: Sequence[NewMessage], changes: Sequence[Change], now: datetime
    ) -> Mapping[str, str]:
        """Write down messages alone. By draft id, the id of the row that tells it."""
        tellers = await outbox.enqueue(tx, drafts, self.marks.of_drafts(drafts, changes), now)
        await merge_pending.link(tx, drafts, tellers)
        return tellers
