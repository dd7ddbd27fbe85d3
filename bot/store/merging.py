"""Digests that wait and tell of the same go out as one: whichever has its turn first takes the others up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from bot.outbox import Dead, OutboxRow, Shape, Status
from bot.store import Tx, queue
from bot.store.gathering import CALLS, LINK, WAITS, link_to, waiting
from bot.store.queue import rows_of
from bot.store.tables import message, told


async def take_up(tx: Tx, row: OutboxRow) -> OutboxRow:
    """Let a digest, or the root of quiet hours, tell what digests that wait would tell of the same.

    What waits for the end of quiet hours is told with it: the channel is called anyway. What Slack has refused
    goes alone, lest it take the others with it; or not at all, if all that it tells is shown by then.
    """
    if row.shape not in (Shape.DIGEST, Shape.QUIET) or row.is_suspect:
        return row
    # What it takes up may have members in common with still others.
    while others := [one for one in await _digests(tx, row) if not one.is_suspect]:
        row = await _merge(tx, row, others[0])
    for other in await _digests(tx, row):
        if set(other.members) <= set(row.members):
            await link_to(tx, other, row.id, row.posts - 1)
    return row


async def _digests(tx: Tx, row: OutboxRow) -> list[OutboxRow]:
    found = await waiting(tx, message.c.shape == Shape.DIGEST, row.members)
    return [one for one in found if one.status is Status.PENDING]


async def _merge(tx: Tx, row: OutboxRow, other: OutboxRow) -> OutboxRow:
    """Everything that belongs to the other is this one's from now on: members, marks, threads, links."""
    one = replace(
        row,
        rank=min(row.rank, other.rank),
        members=tuple(dict.fromkeys([*row.members, *other.members])),
        events=tuple(dict.fromkeys([*row.events, *other.events])),
        facts={**_own(other), **row.facts, **await _held(tx, row, other)},
        breakthrough=row.breakthrough or other.breakthrough,
    )
    grown = {"members": list(one.members), "events": list(one.events), "facts": one.facts}
    await queue.change(tx, row.id, **grown, rank=one.rank, breakthrough=one.breakthrough)
    before = row.posts - 1  # it has not gone out yet: what waits now, it shows
    left = {**other.facts, LINK: {"root": row.id, "posts": before}}
    await queue.change(tx, other.id, status=Status.DEAD, reason=Dead.TOLD, facts=left)
    await tx.run(sa.update(told).where(told.c.message_id == other.id).values(message_id=row.id))
    for line in rows_of(tx, (await tx.run(sa.select(message).where(message.c.root_id == other.id))).mappings()):
        await queue.change(tx, line.id, root_id=row.id, facts={**line.facts, "root_posts": before})
        if line.shape is Shape.NAMES:
            await _name_once(tx, line, row)
    for caller in await waiting(tx, CALLS, one.members):
        if caller.root_id != row.id:
            await link_to(tx, caller, row.id, before)
    return one


def _own(row: OutboxRow) -> dict[str, Any]:
    return {name: value for name, value in row.facts.items() if name not in (LINK, WAITS)}


async def _held(tx: Tx, row: OutboxRow, other: OutboxRow) -> dict[str, Any]:
    """For the root of quiet hours: what the other would have told, as if it had come in them."""
    if row.shape is not Shape.QUIET:
        return {}
    held = {member: list(kinds) for member, kinds in row.facts["held"].items()}
    for news in await tx.run(sa.select(told).where(told.c.message_id == other.id)):
        held[news.episode_id] = [news.kind, *held.get(news.episode_id, ())]  # it had come before
    return {"held": held}


async def _name_once(tx: Tx, names: OutboxRow, row: OutboxRow) -> None:
    """The thread of a digest names its own members already; the root of quiet hours has none for names."""
    named = names.members if row.shape is Shape.QUIET else row.members
    if left := [member for member in names.members if member not in named]:
        await queue.change(tx, names.id, members=left)
    else:
        await queue.change(tx, names.id, status=Status.DEAD, reason=Dead.TOLD)
