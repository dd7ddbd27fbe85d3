"""Unsent messages that would show the same news: linked, merged, and left to one another.

`outbox.coalescing` decides. Here are the rows that it needs, and what its decisions change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

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
    link_to,
    may_be_postponed,
    merged,
    names_left,
    taken_over,
)
from bot.outbox.messages import LAST, DropReason, MessageKind, MessageStatus, NewMessage, OutboxRow
from bot.store import outbox
from bot.store.database import Tx
from bot.store.outbox import rows_of
from bot.store.tables import message, told

CALLS = sa.or_(message.c.shape == MessageKind.PROBLEM, message.c.broadcast)


async def link(tx: Tx, drafts: Sequence[NewMessage], tellers: Mapping[str, str]) -> None:
    """Link new and unsent messages that mention people to the group messages that may cover them.

    Args:
        tellers: by draft id, the row that it became.
    """
    for draft in drafts:
        teller = tellers[draft.id]
        if draft.shape in GROUPED:
            group = await outbox.get(tx, teller)
            for row in await _unsent(tx, CALLS, draft.members):
                if group and row.root_id != group.id:
                    await outbox.update(tx, row.id, facts=link_to(row, group.id, group.posts))
        elif draft.shape is MessageKind.PROBLEM or draft.broadcast:
            caller = await outbox.get(tx, teller)
            for one in await _unsent(tx, message.c.shape.in_(GROUPED), draft.members):
                if caller and one.id != draft.root_id:
                    await outbox.update(tx, caller.id, facts=link_to(caller, one.id, one.posts))


async def rivals_of(tx: Tx, row: OutboxRow) -> Rivals:
    """Read the messages that may show the news of a claimed one, and lock the one that it is linked to."""
    link = row.facts.get(LINK)
    groups = message.c.shape.in_(GROUPED)
    return Rivals(
        linked=await outbox.get(tx, link["root"], lock=True) if link else None,
        groups=await _unsent(tx, groups, row.members) if may_be_postponed(row) else (),
    )


async def carry_out(tx: Tx, row: OutboxRow, decision: Withhold, now: datetime) -> None:
    """Record that a claimed message is not posted now."""
    match decision:
        case Drop():
            await outbox.mark_dead(tx, row, DropReason.UNTRUE)
        case YieldTo(group):
            await yield_to(tx, row, group, now)
        case Postpone(until, reason, changes):
            await outbox.release(tx, row, until, reason, **changes)
        case PromoteToChannel():
            await outbox.promote_to_channel(tx, row)


async def yield_to(tx: Tx, row: OutboxRow, group: OutboxRow, now: datetime) -> None:
    """Leave the news of a message to a group message. A thread reply is still posted, without mentioning anyone."""
    if columns := taken_over(group, row, now):
        await outbox.update(tx, group.id, **columns)
    untried = {"posts": row.posts - 1}
    if row.root_id is None:
        await outbox.complete_attempt(tx, row, status=MessageStatus.DEAD, reason=DropReason.TOLD, **untried)
        return
    events = (
        [] if group.status is MessageStatus.PENDING else list(row.events)
    )  # one event key is in one message only
    facts = {name: value for name, value in row.facts.items() if name not in (LINK, "call")}
    quiet = {"broadcast": False, "rank": LAST, "facts": facts, "events": events}
    await outbox.complete_attempt(tx, row, status=MessageStatus.PENDING, **quiet, **untried)


async def restore_covered(tx: Tx, group_id: str) -> None:
    """Queue again the messages that yielded to a group message which was given up."""
    covered = sa.and_(message.c.status == MessageStatus.DEAD, message.c.reason == DropReason.TOLD)
    found = await tx.run(sa.select(message).where(message.c.appid == tx.appid, covered))
    for row in rows_of(tx, found.mappings()):
        if row.facts.get(LINK, {}).get("root") == group_id:
            await outbox.update(tx, row.id, status=MessageStatus.PENDING, reason=None)
            await restore_covered(tx, row.id)  # it may cover others itself


async def merge_pending_digests(tx: Tx, row: OutboxRow) -> OutboxRow:
    """Merge pending digests that share members into this claimed digest or summary of quiet hours.

    A digest that waits for the end of quiet hours is posted with their summary, which mentions people anyway. A
    digest that Slack refused is not merged, so that it cannot take others with it. It is linked instead if this one
    has all its members.
    """
    if row.shape not in (MessageKind.DIGEST, MessageKind.QUIET) or row.is_suspect:
        return row
    # A merged digest may share members with still others.
    while others := [other for other in await _digests(tx, row) if not other.is_suspect]:
        row = await _merge(tx, row, others[0])
    for other in await _digests(tx, row):
        if set(other.members) <= set(row.members):
            await outbox.update(tx, other.id, facts=link_to(other, row.id, row.posts - 1))
    return row


async def _digests(tx: Tx, row: OutboxRow) -> list[OutboxRow]:
    found = await _unsent(tx, message.c.shape == MessageKind.DIGEST, row.members)
    return [one for one in found if one.status is MessageStatus.PENDING]


async def _merge(tx: Tx, row: OutboxRow, other: OutboxRow) -> OutboxRow:
    """Merge one digest, its events, replies and links into another."""
    reported = await tx.run(sa.select(told.c.episode_id, told.c.kind).where(told.c.message_id == other.id))
    one = merged(row, other, [(news.episode_id, news.kind) for news in reported])
    grown = {"members": list(one.members), "events": list(one.events), "facts": one.facts}
    await outbox.update(tx, row.id, **grown, rank=one.rank, breakthrough=one.breakthrough)
    before = row.posts - 1  # this attempt has not posted it yet, and it will show what is pending now
    facts = link_to(other, row.id, before)
    await outbox.update(tx, other.id, status=MessageStatus.DEAD, reason=DropReason.TOLD, facts=facts)
    await tx.run(sa.update(told).where(told.c.message_id == other.id).values(message_id=row.id))
    for reply in rows_of(tx, (await tx.run(sa.select(message).where(message.c.root_id == other.id))).mappings()):
        await outbox.update(tx, reply.id, root_id=row.id, facts={**reply.facts, "root_posts": before})
        if reply.shape is MessageKind.NAMES:
            left = names_left(reply, row)
            values = {"members": left} if left else {"status": MessageStatus.DEAD, "reason": DropReason.TOLD}
            await outbox.update(tx, reply.id, **values)
    for caller in await _unsent(tx, CALLS, one.members):
        if caller.root_id != row.id:
            await outbox.update(tx, caller.id, facts=link_to(caller, row.id, before))
    return one


async def _unsent(tx: Tx, kind: sa.ColumnElement[bool], members: Sequence[str]) -> list[OutboxRow]:
    """Read the messages of a kind that are pending or being posted and have one of these members."""
    unsent = message.c.status.in_((MessageStatus.PENDING, MessageStatus.SENDING))
    found = await tx.run(sa.select(message).where(message.c.appid == tx.appid, unsent, kind))
    rows = rows_of(tx, found.mappings())
    return [row for row in rows if not set(members).isdisjoint(row.members)]
