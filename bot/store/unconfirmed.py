"""Messages with an unknown outcome: `sending` rows with an expired lease, to be found, posted again or dropped."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import sqlalchemy as sa

from bot.outbox.messages import DropReason, MessageStatus, OutboxRow
from bot.store.channels import CLOCK_TOLERANCE
from bot.store.database import Tx
from bot.store.outbox import claim_by_id, complete_attempt, get, mark_dead, reschedule
from bot.store.tables import Moment, message

REPEAT_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(hours=6)
LOOKUPS = 2  # without a result, before a message is posted again
HOLD_UNCONFIRMED = timedelta(hours=1)
CLOCK_WRONG = "unconfirmed while a clock is wrong"

# Built once, as in `outbox`.
_NOW: sa.BindParameter[datetime] = sa.bindparam("now", type_=Moment())
_AHEAD = message.c.started_at > sa.bindparam("too_far", type_=Moment())
_IS_DUE = sa.and_(
    message.c.status == MessageStatus.SENDING,
    sa.or_(message.c.lease_until <= _NOW, _AHEAD),
    sa.or_(message.c.next_lookup_at.is_(None), message.c.next_lookup_at <= _NOW, _AHEAD),
)
_NEXT = (
    sa.select(message.c.id, message.c.attempt)
    .where(message.c.appid == sa.bindparam("appid"), _IS_DUE)
    .where(message.c.id.not_in(sa.bindparam("without", expanding=True)))
    .order_by(message.c.priority, message.c.created_at, message.c.id)
    .limit(1)
)
_CLAIM = (
    sa.update(message)
    .where(message.c.id == sa.bindparam("message_id"), message.c.attempt == sa.bindparam("of_attempt"), _IS_DUE)
    .values(lease_until=sa.bindparam("lease_end", type_=Moment()), attempt=message.c.attempt + 1)
    .returning(*message.c)
)


async def claim(tx: Tx, now: datetime, lease: timedelta, *, without: Collection[str] = ()) -> OutboxRow | None:
    """Claim the message whose outcome is to be looked up next; None if no lookup is due.

    A lookup takes its own lease and attempt number, so another process continues it after a crash.

    Args:
        without: the ids of messages to skip.

    Raises:
        RowFaultError: the message cannot be claimed; its outcome is still unknown.
    """
    at = {"now": now, "too_far": now + CLOCK_TOLERANCE}
    found = (await tx.run(_NEXT, {"appid": tx.appid, "without": list(without), **at})).first()
    if found is None:
        return None
    return await claim_by_id(tx, found.id, _CLAIM, {"of_attempt": found.attempt, "lease_end": now + lease, **at})


async def record_not_found(
    tx: Tx, row: OutboxRow, now: datetime, lease: timedelta, *, clock_wrong: bool = False
) -> bool:
    """Record a lookup that found nothing. The second is half a lease after the end of the posting lease.

    After the second the message is posted again. While the server's clock is known to be wrong, a search may miss
    a message: it is looked up for another hour, and the repeat is marked.
    """
    if row.failed_lookups + 1 >= LOOKUPS:
        if clock_wrong:
            return await repost(tx, row, now, clock_wrong=True)
        return await reschedule(tx, row, now, "not found", failed_lookups=0)
    second = (row.posting_lease_until or now) + lease / 2
    return await complete_attempt(
        tx, row, failed_lookups=row.failed_lookups + 1, next_lookup_at=second, lease_until=now
    )


async def retry_lookup(tx: Tx, row: OutboxRow, until: datetime) -> bool:
    """Schedule the lookup again without counting it: it came too early, or Slack rejected or did not answer it."""
    return await complete_attempt(
        tx, row, next_lookup_at=until, lease_until=min(until, row.posting_lease_until or until)
    )


async def repost(tx: Tx, row: OutboxRow, now: datetime, *, clock_wrong: bool = False) -> bool:
    """Post a message with an unknown outcome again, marked as a possible repeat.

    The first repeat is immediate. Later ones wait longer each time, so that they do not fill the channel if Slack
    never confirms. While the server's clock is known to be wrong, lookups continue for an hour after the attempt.
    """
    if clock_wrong and now - (row.started_at or now) < HOLD_UNCONFIRMED:
        return await complete_attempt(tx, row, next_lookup_at=now + REPEAT_WAIT, lease_until=now, error=CLOCK_WRONG)
    current = await get(tx, row.id, lock=True) or row
    wait = (
        timedelta(0)
        if row.post_attempts < 2
        else min(REPEAT_WAIT * 2 ** min(row.post_attempts - 2, 9), LONGEST_WAIT)
    )
    return await reschedule(tx, row, now + wait, "possible repeat", payload={**current.payload, "repeat": True})


async def give_up(tx: Tx, row: OutboxRow, error: str) -> bool:
    """Drop a message with an unknown outcome that is not urgent."""
    return await mark_dead(tx, row, DropReason.UNCONFIRMED, error)
