"""Gather the pending messages of the accounts that share a channel. `outbox.shared_channels` has the rules."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from bot.outbox import shared_channels
from bot.outbox.coalescing import GROUPED, as_channel_message, link_to, union
from bot.outbox.messages import LAST_CALL, DropReason, MessageKind, MessageStatus, OutboxRow
from bot.outbox.shared_channels import JOINS_WITHIN, KINDS, MOST, may_be_gathered
from bot.store import channels, episodes, merge_pending, outbox
from bot.store.database import Tx, batches
from bot.store.outbox import rows_of
from bot.store.published import KEPT_UP_TO_DATE
from bot.store.stats import UNSENT
from bot.store.tables import emitted_event, message

MOST_GATHERED = 1000  # messages at once, so that a transaction stays short; the others are the next digest

MayPost = Callable[[OutboxRow], bool]


async def gather(
    tx: Tx, row: OutboxRow, accounts: Collection[str], may_post: MayPost, now: datetime
) -> OutboxRow | None:
    """Gather what waits for the channel of a claimed message.

    Return the message to post; None if it was merged into another one.

    Args:
        accounts: the AppIDs of those that post to the channel.
        may_post: returns whether a message of another account could be posted now.
    """
    if row.kind is MessageKind.FIRST_RUN and row.of_several:
        return await _gather_first_runs(tx, row, accounts, may_post, now)
    return None if await _gather_into_digest(tx, row, may_post, now) else row


async def make_due(tx: Tx, now: datetime, kinds: Collection[MessageKind] = (*KINDS, MessageKind.FIRST_RUN)) -> None:
    """Make messages due that wait for other accounts of the channel, when no other account will add to them."""
    await channels.lock(tx)
    untried = sa.and_(message.c.post_attempts == 0, message.c.error.is_(None), message.c.not_before > now)
    await tx.run(sa.update(message).where(_pending(tx, *kinds), untried).values(not_before=now))


async def hand_over(tx: Tx, targets: Mapping[str, str]) -> None:
    """Reassign each message about several accounts whose own account has left the channel to another one of them.

    Also those being posted, whose outcome the account that has them looks up if it stays unknown, and those that
    are kept up to date.

    Args:
        targets: the channels by AppID, of the accounts that are watched.
    """
    unsent = message.c.status.in_(UNSENT)
    grouped = sa.select(message).where(message.c.kind.in_(GROUPED), sa.or_(unsent, KEPT_UP_TO_DATE))
    found = rows_of(tx, (await tx.run(grouped.order_by(message.c.id))).mappings())
    orphans = [row for row in found if row.of_several and targets.get(row.appid) != row.target]
    for target in sorted({row.target for row in orphans}):
        await channels.lock(tx.of("", target))
    for row in orphans:
        appids = (await episodes.appids_of(tx, row.episode_ids)).values()
        if heir := min((one for one in appids if targets.get(one) == row.target), default=""):
            lists = sa.and_(message.c.parent_id == row.id, message.c.kind == MessageKind.MEMBER_LIST, unsent)
            handed = sa.or_(message.c.id == row.id, lists)
            await tx.run(sa.update(message).where(handed).values(appid=heir))


async def _gather_into_digest(tx: Tx, row: OutboxRow, may_post: MayPost, now: datetime) -> bool:
    """Put a digest in the place of the messages that wait, if there are too many. Return whether it was done."""
    if not may_be_gathered(row):
        return False
    waiting = sa.and_(_pending(tx, *KINDS), message.c.priority != LAST_CALL, sa.not_(message.c.text_only))
    number = (await tx.run(sa.select(sa.func.count()).where(waiting))).scalar_one()
    if number < MOST:
        return False
    found = sa.select(message).where(waiting).order_by(message.c.created_at, message.c.id).limit(MOST_GATHERED)
    others = rows_of(tx, (await tx.run(found.with_for_update())).mappings())
    rows = [row, *(other for other in others if may_be_gathered(other) and may_post(other))]
    if len(rows) <= MOST:
        return False
    parent, *lists = shared_channels.digest(rows, now)
    keys = tuple(union((key for one in rows for key in one.event_keys), ()))
    await outbox.enqueue(tx, [parent, *lists], {parent.id: keys}, now)
    await _cover(tx, rows, parent.id, 0)
    await merge_pending.link(tx, [parent], {parent.id: parent.id})
    return True


async def _gather_first_runs(
    tx: Tx, row: OutboxRow, accounts: Collection[str], may_post: MayPost, now: datetime
) -> OutboxRow | None:
    """Add the summaries of first runs that wait to the one that the channel has, else to the claimed one.

    Return the message to post; None if that of the channel shows them.
    """
    found = sa.select(message).where(_pending(tx, MessageKind.FIRST_RUN)).limit(MOST_GATHERED)
    waiting = rows_of(tx, (await tx.run(found.with_for_update())).mappings())
    others = [other for other in waiting if other.of_several and may_post(other)]
    known = await _first_run_of_channel(tx, row, accounts, now)
    if known is None:
        await outbox.update(tx, row.id, **shared_channels.first_run(row, others))
        await _cover(tx, others, row.id, row.post_attempts - 1)
        return await outbox.get(tx, row.id)
    others = [row, *(other for other in others if other.id != known.id)]
    await outbox.update(tx, known.id, **shared_channels.first_run(known, others))
    await _cover(tx, others, known.id, known.post_attempts)
    return None


async def _first_run_of_channel(
    tx: Tx, row: OutboxRow, accounts: Collection[str], now: datetime
) -> OutboxRow | None:
    """Return the summary of first runs in the channel, posted or being posted, to which later ones are added."""
    there = message.c.status.in_((MessageStatus.SENDING, MessageStatus.SENT))
    query = sa.select(message).where(
        message.c.target == tx.channel_id,
        message.c.kind == MessageKind.FIRST_RUN,
        there,
        sa.not_(message.c.is_deleted),
        message.c.id != row.id,
        message.c.created_at > now - JOINS_WITHIN,
    )
    found = rows_of(tx, (await tx.run(query.order_by(message.c.created_at).with_for_update())).mappings())
    # That of an account which has left the channel is not edited any more.
    return next((one for one in found if one.of_several and one.appid in accounts), None)


async def _cover(tx: Tx, rows: Sequence[OutboxRow], group_id: str, posts: int) -> None:
    """Let a group message report the events of these messages, and take their replies over.

    Pending reports of operations become messages of the channel instead.
    """
    gone = sa.update(message).where(message.c.id == sa.bindparam("row_id"))
    gone = gone.values(
        status=MessageStatus.DEAD,
        reason=DropReason.MERGED,
        payload=sa.bindparam("linked"),
        post_attempts=sa.bindparam("posts"),
    )
    for row in rows:
        attempts = row.post_attempts - (row.status is MessageStatus.SENDING)  # the claim has counted one
        linked = link_to(row, group_id, posts)
        await tx.run(gone, {"row_id": row.id, "linked": linked, "posts": attempts})
    for ids in batches(row.id for row in rows):
        await tx.run(
            sa.update(emitted_event).where(emitted_event.c.message_id.in_(ids)).values(message_id=group_id)
        )
        in_threads = await tx.run(sa.select(message).where(message.c.parent_id.in_(ids)))
        for reply in rows_of(tx, in_threads.mappings()):
            values = {"parent_id": group_id, "payload": {**reply.payload, "root_posts": posts}}
            if reply.kind is MessageKind.MEMBER_LIST:
                values |= {"status": MessageStatus.DEAD, "reason": DropReason.MERGED}
            elif "operation" in reply.payload and reply.status is MessageStatus.PENDING:
                values = as_channel_message(reply)  # in a thread of several it would not name the account
            await outbox.update(tx, reply.id, **values)


def _pending(tx: Tx, *kinds: MessageKind) -> sa.ColumnElement[bool]:
    return sa.and_(
        message.c.target == tx.channel_id,
        message.c.status == MessageStatus.PENDING,
        message.c.parent_id.is_(None),
        message.c.kind.in_(kinds),
    )
