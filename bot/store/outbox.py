"""Message rows: `pending -> sending(lease, attempt) -> sent | dead`. Conditional updates decide who acts.

The views of messages that were sent are in `views`, looks at unknown outcomes in `looking`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.outbox.coalescing import brought_forward, extended
from bot.outbox.messages import DropReason, MessageKind, MessageStatus, NewMessage, OutboxRow
from bot.store import slack_state
from bot.store.database import Tx, UnreadableRow
from bot.store.isolation import RowFaultError, is_row_fault
from bot.store.tables import message, meta

LONGEST_PAUSE = timedelta(days=1)
AHEAD = timedelta(minutes=5)  # a moment that was written this far in the future was written by a wrong clock
LOOKUP_AFTER = 4  # the first look at an unknown outcome comes a fourth of the lease after it ran out
Ids = Sequence[str] | sa.Select[tuple[str]]


async def enqueue(
    tx: Tx, drafts: Sequence[NewMessage], marks: Mapping[str, tuple[str, ...]], now: datetime
) -> Mapping[str, str]:
    """Write down what there is to tell.

    Args:
        marks: by draft id, the marks of its events for Slack's metadata.

    Returns, by draft id, the id of the row that tells it: that of a night may wait already.

    Raises:
        sqlalchemy.exc.IntegrityError: it was written down before. Nothing may be told twice.
    """
    tellers = {draft.id: draft.id for draft in drafts}
    for place, draft in enumerate(drafts):
        events = marks.get(draft.id, ())
        if draft.shape is MessageKind.QUIET and (standing := await _pending_quiet_summary(tx, draft)):
            await update(tx, standing.id, **extended(standing, draft, events))
            tellers[draft.id] = standing.id
            continue
        await tx.run(
            sa.insert(message).values(
                id=draft.id,
                appid=tx.appid,
                shape=draft.shape,
                rank=draft.rank,
                members=list(draft.members),
                events=list(events),
                facts={**draft.facts, **await _parent_attempts(tx, draft)},
                root_id=draft.root_id,
                broadcast=draft.broadcast,
                breakthrough=draft.breakthrough,
                status=MessageStatus.PENDING,
                created_at=now + timedelta(microseconds=place),  # keeps their order inside a rank
                not_before=now,
            )
        )
        await _bring_parent_forward(tx, draft, events)
    return tellers


async def _bring_parent_forward(tx: Tx, draft: NewMessage, events: Sequence[str]) -> None:
    parent = await get(tx, draft.root_id) if draft.root_id else None
    if parent and parent.status in (MessageStatus.PENDING, MessageStatus.SENDING):
        await update(tx, parent.id, **brought_forward(parent, draft, events))


async def _pending_quiet_summary(tx: Tx, draft: NewMessage) -> OutboxRow | None:
    """The root of the same quiet hours that is still to be posted."""
    waiting = sa.select(message).where(
        message.c.appid == tx.appid, message.c.shape == MessageKind.QUIET, message.c.status == MessageStatus.PENDING
    )
    rows = rows_of(tx, (await tx.run(waiting)).mappings())
    return next((row for row in rows if row.facts["ends"] == draft.facts["ends"]), None)


async def requeue_dropped(tx: Tx, ids: Ids) -> None:
    """Queue again what was dropped as untrue or failed, names of a digest too: its episodes have moved."""
    names = sa.and_(message.c.root_id.in_(ids), message.c.shape == MessageKind.NAMES)
    dropped = sa.and_(
        message.c.status == MessageStatus.DEAD, message.c.reason.in_((DropReason.UNTRUE, DropReason.FAILED))
    )
    await tx.run(
        sa.update(message)
        .where(sa.or_(message.c.id.in_(ids), names), dropped)
        .values(status=MessageStatus.PENDING, reason=None)
    )


async def claim(
    tx: Tx,
    now: datetime,
    lease: timedelta,
    gap: timedelta,
    *,
    breakthrough_only: bool = False,
    without: Collection[str] = (),
) -> OutboxRow | None:
    """Take the message that is to be posted next, if there is one and the channel is not resting.

    Args:
        breakthrough_only: these are quiet hours.
        without: the ids of messages that are left alone.

    Raises:
        RowFaultError: the message cannot be taken, and is still to be posted.
    """
    root = message.alias("root")
    due = sa.or_(
        message.c.not_before <= now, message.c.created_at > now + AHEAD, message.c.started_at > now + AHEAD
    )
    ready = sa.and_(message.c.status == MessageStatus.PENDING, due)
    if breakthrough_only:
        ready = sa.and_(ready, message.c.breakthrough)
    candidate = (
        sa.select(message)
        .outerjoin(root, root.c.id == message.c.root_id)
        .where(message.c.appid == tx.appid, ready, message.c.id.not_in(without))
        .where(sa.or_(message.c.root_id.is_(None), root.c.status.in_((MessageStatus.SENT, MessageStatus.DEAD))))
        .order_by(message.c.rank, message.c.created_at, message.c.id)
        .limit(1)
    )
    found = (await tx.run(candidate)).mappings().first()
    if found is None:
        return None
    far = sa.or_(meta.c.next_post_at > now + LONGEST_PAUSE, meta.c.rested_at > now + AHEAD)
    rested = sa.and_(meta.c.appid == tx.appid, sa.or_(meta.c.next_post_at <= now, far))
    if not (await tx.run(sa.update(meta).where(rested).values(next_post_at=now + gap, rested_at=now))).rowcount:
        return None
    take = (
        sa.update(message)
        .where(message.c.id == found["id"], message.c.attempt == found["attempt"], ready)
        .values(
            status=MessageStatus.SENDING,
            attempt=message.c.attempt + 1,
            posts=message.c.posts + 1,
            started_at=now,
            lease_until=now + lease,
            lookable_from=now + lease,
            looks=0,
            look_at=now + lease + lease / LOOKUP_AFTER,
        )
    )
    return await taken(tx, found["id"], take)


async def taken(tx: Tx, message_id: str, take: sa.Update) -> OutboxRow | None:
    """Claim one message by an update. None: another process was faster.

    Raises:
        RowFaultError: the database refuses the update, or this release cannot read the row.
    """
    try:
        claimed = (await tx.run(take.returning(*message.c))).mappings().first()
        return row_of(claimed) if claimed else None
    except Exception as exc:
        if is_row_fault(exc):
            raise RowFaultError(message_id) from exc
        raise


async def mark_failed(tx: Tx, message_id: str, error: str) -> None:
    """Give up a message that cannot be rendered or claimed. `/kf status` counts it."""
    unsent = message.c.status.in_((MessageStatus.PENDING, MessageStatus.SENDING))
    values = {"status": MessageStatus.DEAD, "reason": DropReason.FAILED, "error": error}
    await tx.run(sa.update(message).where(message.c.id == message_id, unsent).values(**values))


async def mark_sent(
    tx: Tx, row: OutboxRow, *, channel_id: str, ts: str, applied_hash: str | None, now: datetime, held: bool = False
) -> bool:
    """It stands in Slack. False: somebody else has claimed the row since.

    Args:
        applied_hash: of what it shows; None when that is not known.
        held: what holds the queue is not over by this: the message was found, not posted.
    """
    values = {"status": MessageStatus.SENT, "channel_id": channel_id, "ts": ts, "sent_at": now, "error": None}
    edit = {"applied_hash": applied_hash, "next_edit_at": now}
    if not held:
        await slack_state.record_success(tx)
    return await complete_attempt(tx, row, **values, **edit)


async def reschedule(tx: Tx, row: OutboxRow, until: datetime, error: str, **values: Any) -> bool:
    """Surely not sent: it goes back into the queue, not before `until`."""
    return await complete_attempt(tx, row, status=MessageStatus.PENDING, not_before=until, error=error, **values)


async def release(tx: Tx, row: OutboxRow, until: datetime, why: str, **values: Any) -> bool:
    """Not even tried: as if it had not been claimed."""
    return await reschedule(tx, row, until, why, posts=row.posts - 1, **values)


async def mark_dead(tx: Tx, row: OutboxRow, reason: DropReason, error: str = "") -> bool:
    """Given up. Refused and unconfirmed ones are shown by `/kf status`."""
    return await complete_attempt(tx, row, status=MessageStatus.DEAD, reason=reason, error=error)


async def promote_to_channel(tx: Tx, row: OutboxRow) -> bool:
    """The root of this thread message was given up: it goes to the channel by itself."""
    return await complete_attempt(
        tx, row, status=MessageStatus.PENDING, root_id=None, shape=MessageKind.PROBLEM, broadcast=False
    )


async def pause_queue(tx: Tx, until: datetime) -> None:
    """Post nothing before `until`."""
    await tx.run(sa.update(meta).where(meta.c.appid == tx.appid).values(next_post_at=until))


async def has_sent_since(tx: Tx, message_id: str) -> bool:
    """Check whether another message was sent after this one was written."""
    created_at = sa.select(message.c.created_at).where(message.c.id == message_id).scalar_subquery()
    sent_later = sa.select(message.c.id).where(message.c.appid == tx.appid, message.c.sent_at > created_at)
    return (await tx.run(sent_later.limit(1))).first() is not None


async def complete_attempt(tx: Tx, row: OutboxRow, **values: Any) -> bool:
    """Record what became of a claimed row. False: somebody else has claimed it since."""
    mine = sa.and_(
        message.c.id == row.id, message.c.attempt == row.attempt, message.c.status == MessageStatus.SENDING
    )
    return (await tx.run(sa.update(message).where(mine).values(**values))).rowcount == 1


async def update(tx: Tx, message_id: str, **values: Any) -> None:
    """Change a row, whoever has claimed it."""
    await tx.run(sa.update(message).where(message.c.id == message_id).values(**values))


async def get(tx: Tx, message_id: str, *, lock: bool = False) -> OutboxRow | None:
    """One row. `lock` lets nobody else change it before this transaction ends."""
    query = sa.select(message).where(message.c.id == message_id)
    found = (await tx.run(query.with_for_update() if lock else query)).mappings().first()
    return row_of(found) if found else None


async def _parent_attempts(tx: Tx, draft: NewMessage) -> dict[str, int]:
    """How often its root had been tried: sent at a later try, the root has shown this line's news itself."""
    found = await tx.run(sa.select(message.c.posts).where(message.c.id == draft.root_id))
    return {"root_posts": posts} if (posts := found.scalar()) is not None else {}


def rows_of(tx: Tx, found: Iterable[sa.RowMapping]) -> list[OutboxRow]:
    """Read message rows. `tx.unreadable` gets those that this release cannot read."""
    rows = []
    for one in found:
        try:
            rows.append(row_of(one))
        except (TypeError, ValueError, KeyError) as exc:
            tx.unreadable[one["id"]] = UnreadableRow("", exc)
    return rows


def row_of(found: sa.RowMapping) -> OutboxRow:
    values = {name: found[name] for name in OutboxRow.__slots__}
    return OutboxRow(
        **values
        | {
            "shape": MessageKind(found["shape"]),
            "status": MessageStatus(found["status"]),
            "members": tuple(found["members"]),
            "events": tuple(found["events"]),
            "facts": dict(found["facts"]),
        }
    )
