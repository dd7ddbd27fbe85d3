"""Writes down, in one transaction, what changed and what there is to tell of it. No rules, and nothing is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.episodes import AlertPolicy, Change
from bot.marks import Marks
from bot.outbox import Draft, FirstLook
from bot.outbox.planning import plan
from bot.store import Tx, merge_pending, queue, rows


@dataclass(frozen=True, slots=True)
class Ledger:
    """What every writer of one Official Account shares."""

    policy: AlertPolicy
    marks: Marks
    appid: str

    async def write(
        self, tx: Tx, changes: Sequence[Change], now: datetime, *, first: FirstLook | None = None
    ) -> None:
        """Write down changes and the messages that follow from their news, all of it or nothing.

        The account's row is locked by the caller, so that no other process decides the same at once.

        Raises:
            sqlalchemy.exc.IntegrityError: one of the events was emitted before. Nothing may be told twice.
        """
        if not changes and first is None:
            return  # as after nearly every look
        async with tx.savepoint():
            roots = await rows.roots(tx, [change.after.id for change in changes])
            drafts = plan(changes, roots, self.policy, now, first=first)
            written = await self.add(tx, drafts, changes, now)
            tellers = {told: written[draft.id] for draft in drafts for told in draft.tells}
            await rows.save(tx, changes, tellers, self.policy, now)

    async def add(
        self, tx: Tx, drafts: Sequence[Draft], changes: Sequence[Change], now: datetime
    ) -> Mapping[str, str]:
        """Write down messages alone. By draft id, the id of the row that tells it."""
        tellers = await queue.add(tx, drafts, self.marks.of_drafts(drafts, changes), now)
        await merge_pending.link(tx, drafts, tellers)
        return tellers
