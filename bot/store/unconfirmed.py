"""Unknown outcomes: `sending` rows whose lease ran out, on their way to being found, sent again, or given up."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import sqlalchemy as sa

from bot.outbox.messages import DropReason, MessageStatus, OutboxRow
from bot.store.database import Tx
from bot.store.outbox import AHEAD, complete_attempt, get, mark_dead, reschedule, taken
from bot.store.tables import message

REPEAT_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(hours=6)
LOOKUPS = 2  # that find nothing, before a message is sent again
HOLD_UNCONFIRMED = timedelta(hours=1)
CLOCK_WRONG = "unconfirmed while a clock is wrong"


async def claim(tx: Tx, now: datetime, lease: timedelta, *, without: Collection[str] = ()) -> OutboxRow | None:
    """Take the unknown outcome that is to be looked up next, if there is one.

    The look has a lease and an attempt of its own: whoever is killed during it leaves it to the next.

    Args:
        without: the ids of messages that are left alone.

    Raises:
        RowFaultError: the message cannot be taken, and its outcome is still unknown.
    """
    ahead = message.c.started_at > now + AHEAD
    due = sa.and_(
        message.c.status == MessageStatus.SENDING,
        sa.or_(message.c.lease_until <= now, ahead),
        sa.or_(message.c.look_at.is_(None), message.c.look_at <= now, ahead),
    )
    candidate = (
        sa.select(message.c.id, message.c.attempt)
        .where(message.c.appid == tx.appid, due, message.c.id.not_in(without))
        .order_by(message.c.rank, message.c.created_at, message.c.id)
        .limit(1)
    )
    found = (await tx.run(candidate)).first()
    if found is None:
        return None
    take = (
        sa.update(message)
        .where(message.c.id == found.id, message.c.attempt == found.attempt, due)
        .values(lease_until=now + lease, attempt=message.c.attempt + 1)
    )
    return await taken(tx, found.id, take)


async def record_not_found(
    tx: Tx, row: OutboxRow, now: datetime, lease: timedelta, *, clock_wrong: bool = False
) -> bool:
    """Record a lookup that found nothing. The second is half a lease after the posting lease ran out.

    After it the message is sent again. While the server's clock is known to be wrong, a search may miss a message:
    then lookups go on for an hour from the attempt, and what is sent after it is marked as a possible repeat.
    """
    if row.looks + 1 >= LOOKUPS:
        if not clock_wrong:
            return await reschedule(tx, row, now, "not found", looks=0)
        if now - (row.started_at or now) >= HOLD_UNCONFIRMED:
            return await repost(tx, row, now)
        return await complete_attempt(tx, row, look_at=now + REPEAT_WAIT, lease_until=now, error=CLOCK_WRONG)
    second = (row.lookable_from or now) + lease / 2
    return await complete_attempt(tx, row, looks=row.looks + 1, look_at=second, lease_until=now)


async def retry_lookup(tx: Tx, row: OutboxRow, until: datetime) -> bool:
    """Slack did not let us look: the look is repeated, and does not count."""
    return await complete_attempt(tx, row, look_at=until, lease_until=min(until, row.lookable_from or until))


async def repost(tx: Tx, row: OutboxRow, now: datetime) -> bool:
    """Nobody can tell whether it stands there, and it must not be missed: sent again, and it says so.

    At once the first time. A Slack that never confirms must not fill the channel, so then ever more slowly.
    """
    present = await get(tx, row.id, lock=True) or row
    wait = timedelta(0) if row.posts < 2 else min(REPEAT_WAIT * 2 ** min(row.posts - 2, 9), LONGEST_WAIT)
    return await reschedule(tx, row, now + wait, "possible repeat", facts={**present.facts, "repeat": True})


async def give_up(tx: Tx, row: OutboxRow, error: str) -> bool:
    """Nobody can tell whether it stands there, and it matters little."""
    return await mark_dead(tx, row, DropReason.UNCONFIRMED, error)
