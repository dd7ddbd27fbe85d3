"""Link and merge unsent messages that report the same events, and drop those that others cover.

This module loads the rows for `outbox.coalescing`, which decides, and applies its decisions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bot.outbox.coalescing import (
    GROUPED,
    LINK,
    Drop,
    Postpone,
    PromoteToChannel,
    Rivals,
    Withhold,
    YieldTo,
    episodes_left_to_list,
    link_to,
    may_be_postponed,
    merged,
    taken_over,
)
from bot.outbox.grouping import member_lists
from bot.outbox.messages import LAST, DropReason, MessageKind, MessageStatus, NewMessage, OutboxRow
from bot.store import outbox
from bot.store.database import Tx
from bot.store.outbox import rows_of
from bot.store.tables import emitted_event, message

# A group message of another account may be about several. Built once, as in `outbox`.
_MINE = sa.or_(
    message.c.appid == sa.bindparam("appid"),
    sa.and_(message.c.target == sa.bindparam("channel"), message.c.kind.in_(GROUPED)),
)
_UNSENT = sa.select(message).where(_MINE, message.c.status.in_((MessageStatus.PENDING, MessageStatus.SENDING)))
_ALERTS_AND_BROADCASTS = _UNSENT.where(sa.or_(message.c.kind == MessageKind.ALERT, message.c.broadcast))
_GROUPS = _UNSENT.where(message.c.kind.in_(GROUPED))
_DIGESTS = _UNSENT.where(message.c.kind == MessageKind.DIGEST)


async def link(tx: Tx, messages: Sequence[NewMessage], row_ids: Mapping[str, str]) -> None:
    """Link new and unsent messages that mention people to the group messages that may cover them.

    Args:
        row_ids: by message id, the id of the row that carries it.
    """
    for new in (one for one in messages if one.episode_ids):
        row_id = row_ids[new.id]
        if new.kind in GROUPED:
            group = await outbox.get(tx, row_id)
            for row in await _unsent(tx, _ALERTS_AND_BROADCASTS, new.episode_ids):
                if group and row.parent_id != group.id:
                    await outbox.update(tx, row.id, payload=link_to(row, group.id, group.post_attempts))
        elif new.kind is MessageKind.ALERT or new.broadcast:
            alert = await outbox.get(tx, row_id)
            for one in await _unsent(tx, _GROUPS, new.episode_ids):
                if alert and one.id != new.parent_id:
                    await outbox.update(tx, alert.id, payload=link_to(alert, one.id, one.post_attempts))


async def rivals_of(tx: Tx, row: OutboxRow) -> Rivals:
    """Read the messages that may report the events of a claimed one, and lock the one that it is linked to."""
    link = row.payload.get(LINK)
    return Rivals(
        linked=await outbox.get(tx, link["root"], lock=True) if link else None,
        groups=await _unsent(tx, _GROUPS, row.episode_ids) if may_be_postponed(row) else (),
    )


async def carry_out(tx: Tx, row: OutboxRow, decision: Withhold, now: datetime) -> None:
    """Record that a claimed message is not posted now."""
    match decision:
        case Drop():  # its precise reason is not stored
            await outbox.mark_dead(tx, row, DropReason.OBSOLETE)
        case YieldTo(group):
            await yield_to(tx, row, group, now)
        case Postpone(until, reason, changes):
            await outbox.release(tx, row, until, reason, **changes)
        case PromoteToChannel():
            await outbox.promote_to_channel(tx, row)


async def yield_to(tx: Tx, row: OutboxRow, group: OutboxRow, now: datetime) -> None:
    """Leave the events of a message to a group message. A thread reply is still posted, without mentions."""
    if columns := taken_over(group, row, now):
        await outbox.update(tx, group.id, **columns)
    not_attempted = {"post_attempts": row.post_attempts - 1}
    if row.parent_id is None:
        await outbox.complete_attempt(tx, row, status=MessageStatus.DEAD, reason=DropReason.MERGED, **not_attempted)
        return
    # A pending group message has taken over the event keys; a key must be in one message only.
    events = [] if group.status is MessageStatus.PENDING else list(row.event_keys)
    payload = {name: value for name, value in row.payload.items() if name not in (LINK, "call")}
    quiet = {"broadcast": False, "priority": LAST, "payload": payload, "event_keys": events}
    await outbox.complete_attempt(tx, row, status=MessageStatus.PENDING, **quiet, **not_attempted)


async def restore_covered(tx: Tx, group_id: str) -> None:
    """Requeue the messages that yielded to a dropped group message, or were merged into it, and what they covered.

    Each gets back its events and replies, which the group message had taken over, and its lists of accounts. The
    rows are read once: a digest may cover a thousand.
    """
    covered = sa.and_(message.c.status == MessageStatus.DEAD, message.c.reason == DropReason.MERGED)
    mine = sa.or_(message.c.appid == tx.appid, message.c.target == tx.channel_id)  # a digest may be of several
    by_group: dict[str, list[OutboxRow]] = {}
    for row in rows_of(tx, (await tx.run(sa.select(message).where(mine, covered))).mappings()):
        by_group.setdefault(row.payload.get(LINK, {}).get("root", ""), []).append(row)
    restored: list[tuple[str, OutboxRow]] = []  # each with the group message that covered it
    groups = [group_id]
    while groups:
        group = groups.pop()
        rows = by_group.pop(group, [])
        restored += ((group, row) for row in rows)
        groups += (row.id for row in rows)
    in_threads = message.c.parent_id.in_({group for group, _ in restored})
    found = await tx.run(sa.select(message).where(in_threads, message.c.kind != MessageKind.MEMBER_LIST))
    replies = rows_of(tx, found.mappings())
    for group, row in restored:
        await outbox.update(tx, row.id, status=MessageStatus.PENDING, reason=None)
        replies = await _give_back(tx, group, row, replies)


async def _give_back(tx: Tx, group_id: str, row: OutboxRow, replies: Sequence[OutboxRow]) -> list[OutboxRow]:
    """Give a restored message the events about its episodes, and their replies, that a group message took over.

    Its lists of accounts are requeued. Return the replies with their new parents.
    """
    about = sa.and_(emitted_event.c.message_id == group_id, emitted_event.c.episode_id.in_(row.episode_ids))
    await tx.run(sa.update(emitted_event).where(about).values(message_id=row.id))
    if row.kind is MessageKind.DIGEST:
        for one in member_lists(row):
            listed = {"parent_id": row.id, "episode_ids": list(one.episode_ids)}
            await outbox.update(tx, one.id, status=MessageStatus.PENDING, reason=None, **listed)
    placed = []
    for reply in replies:
        if reply.parent_id == group_id and reply.episode_ids and {*reply.episode_ids} <= {*row.episode_ids}:
            payload = {**reply.payload, "root_posts": row.post_attempts}
            await outbox.update(tx, reply.id, parent_id=row.id, payload=payload)
            reply = replace(reply, parent_id=row.id)
        placed.append(reply)
    return placed


async def merge_pending_digests(tx: Tx, row: OutboxRow) -> OutboxRow:
    """Merge pending digests that share episodes into this claimed digest or summary of quiet hours.

    A digest that waits for the end of quiet hours is posted with their summary, which mentions people anyway. A
    digest that Slack refused is not merged, so that it cannot take others with it: it is only linked to `row`, if
    `row` has all its episodes.
    """
    if row.kind not in (MessageKind.DIGEST, MessageKind.QUIET_SUMMARY) or row.was_rejected:
        return row
    # A merged digest may share episodes with further ones.
    while others := [other for other in await _pending_digests(tx, row) if not other.was_rejected]:
        row = await _merge(tx, row, others[0])
    for other in await _pending_digests(tx, row):
        if set(other.episode_ids) <= set(row.episode_ids):
            await outbox.update(tx, other.id, payload=link_to(other, row.id, row.post_attempts - 1))
    return row


async def _pending_digests(tx: Tx, row: OutboxRow) -> list[OutboxRow]:
    found = await _unsent(tx, _DIGESTS, row.episode_ids)
    return [one for one in found if one.status is MessageStatus.PENDING]


async def _merge(tx: Tx, row: OutboxRow, other: OutboxRow) -> OutboxRow:
    """Merge one digest, its events, replies and links into another."""
    reported = await tx.run(
        sa.select(emitted_event.c.episode_id, emitted_event.c.kind).where(emitted_event.c.message_id == other.id)
    )
    one = merged(row, other, [(event.episode_id, event.kind) for event in reported])
    columns = {"episode_ids": list(one.episode_ids), "event_keys": list(one.event_keys), "payload": one.payload}
    await outbox.update(tx, row.id, **columns, priority=one.priority, breakthrough=one.breakthrough)
    before = row.post_attempts - 1  # the present attempt will show what is pending now
    payload = link_to(other, row.id, before)
    await outbox.update(tx, other.id, status=MessageStatus.DEAD, reason=DropReason.MERGED, payload=payload)
    await tx.run(sa.update(emitted_event).where(emitted_event.c.message_id == other.id).values(message_id=row.id))
    for reply in rows_of(tx, (await tx.run(sa.select(message).where(message.c.parent_id == other.id))).mappings()):
        await outbox.update(tx, reply.id, parent_id=row.id, payload={**reply.payload, "root_posts": before})
        if reply.kind is MessageKind.MEMBER_LIST:
            remaining = episodes_left_to_list(reply, row)
            values = (
                {"episode_ids": remaining}
                if remaining
                else {"status": MessageStatus.DEAD, "reason": DropReason.MERGED}
            )
            await outbox.update(tx, reply.id, **values)
    for alert in await _unsent(tx, _ALERTS_AND_BROADCASTS, one.episode_ids):
        if alert.parent_id != row.id:
            await outbox.update(tx, alert.id, payload=link_to(alert, row.id, before))
    return one


async def _unsent(tx: Tx, statement: sa.Select[Any], episode_ids: Sequence[str]) -> list[OutboxRow]:
    """Read the messages that one of the statements above selects, and that show one of these episodes."""
    found = await tx.run(statement, {"appid": tx.appid, "channel": tx.channel_id})
    rows = rows_of(tx, found.mappings())
    return [row for row in rows if not set(episode_ids).isdisjoint(row.episode_ids)]
