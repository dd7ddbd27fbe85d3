"""Statistics of the queue, for the status, the heartbeat and the metrics."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from bot.outbox.messages import DropReason, MessageStatus
from bot.store.database import Tx
from bot.store.tables import message
from bot.store.unconfirmed import CLOCK_WRONG

LOST_RECENTLY = timedelta(days=1)
OVERDUE = timedelta(minutes=5)
UNSENT = (MessageStatus.PENDING, MessageStatus.SENDING)


@dataclass(frozen=True, slots=True)
class QueueStats:
    """Statistics of the queue for `/kf status`."""

    pending: int = 0
    oldest: datetime | None = None
    refused: int = 0
    unconfirmed: int = 0
    failed: int = 0  # could not be rendered, or changed in the database
    stale: int = 0  # messages in the channel that cannot be updated
    lost_since: datetime | None = None
    held_unconfirmed: int = 0  # unknown outcomes that are not posted again while the server's clock is wrong


@dataclass(frozen=True, slots=True)
class OverdueStats:
    """The messages that have waited for too long."""

    count: int = 0
    since: datetime | None = None  # when the oldest was queued


async def queue_stats(tx: Tx, now: datetime) -> QueueStats:
    """Count the unsent messages, and those dropped in the last day."""
    mine = message.c.appid == tx.appid
    unsent = sa.and_(mine, message.c.status.in_(UNSENT))
    found = await tx.run(
        sa.select(
            sa.func.count().label("number"),
            sa.func.min(message.c.created_at).label("oldest"),
            sa.func.count(sa.case((message.c.error == CLOCK_WRONG, 1))).label("held"),
        ).where(unsent)
    )
    queued = found.one()
    lost = await tx.run(
        sa.select(
            message.c.reason, sa.func.count().label("number"), sa.func.min(message.c.created_at).label("oldest")
        )
        .where(mine, message.c.status == MessageStatus.DEAD, message.c.created_at > now - LOST_RECENTLY)
        .group_by(message.c.reason)
    )
    by_reason = {
        row.reason: row
        for row in lost
        if row.reason in (DropReason.REFUSED, DropReason.UNCONFIRMED, DropReason.FAILED)
    }
    numbers = {reason: row.number for reason, row in by_reason.items()}
    stale = await tx.run(
        sa.select(sa.func.count()).where(
            mine,
            message.c.status == MessageStatus.SENT,
            sa.not_(message.c.is_final),
            sa.not_(message.c.is_deleted),
            message.c.error.is_not(None),
        )
    )
    return QueueStats(
        queued.number,
        queued.oldest,
        refused=numbers.get(DropReason.REFUSED, 0),
        unconfirmed=numbers.get(DropReason.UNCONFIRMED, 0),
        failed=numbers.get(DropReason.FAILED, 0),
        stale=int(stale.scalar_one()),
        lost_since=min((row.oldest for row in by_reason.values()), default=None),
        held_unconfirmed=queued.held,
    )


async def is_any_unsent(tx: Tx) -> bool:
    """Check whether any message is pending or has an unknown outcome."""
    unsent = sa.select(message.c.id).where(message.c.appid == tx.appid, message.c.status.in_(UNSENT))
    return (await tx.run(unsent.limit(1))).first() is not None


async def overdue(tx: Tx, now: datetime, *, audible_since: datetime | None = None) -> OverdueStats:
    """Count the messages unsent for more than five minutes. Those that quiet hours held count from their end.

    Args:
        audible_since: the end of the last quiet hours, or of the current ones, in the future.
    """
    since = now - OVERDUE
    late = sa.and_(message.c.appid == tx.appid, message.c.status.in_(UNSENT), message.c.created_at < since)
    if audible_since and audible_since >= since:
        late = sa.and_(late, message.c.breakthrough)
    counted = sa.select(sa.func.count().label("number"), sa.func.min(message.c.created_at).label("oldest"))
    found = (await tx.run(counted.where(late))).one()
    return OverdueStats(found.number, found.oldest)


async def by_state(tx: Tx, appids: Collection[str]) -> Mapping[str, int]:
    """Count the messages of these accounts in each state."""
    counted = sa.select(message.c.status, sa.func.count().label("number")).where(message.c.appid.in_(appids))
    numbers = {row.status: row.number for row in await tx.run(counted.group_by(message.c.status))}
    return {status.value: numbers.get(status, 0) for status in MessageStatus}
