"""Delete old rows in small batches: ended operations, closed invitations, resolved incidents, their messages.

Each batch examines one page of a table, in the order of the ids, so that rows that stay never hold up the others.
A row that cannot be deleted is left out. Nothing is deleted that an unfinished message shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from bot.alerting.episode import Episode, EpisodeState
from bot.outbox.messages import MessageStatus
from bot.store import episodes
from bot.store.channels import CLOCK_TOLERANCE
from bot.store.conditions import among
from bot.store.database import Tx, batches
from bot.store.episodes import INVITATION
from bot.store.incident_rows import HEALTH
from bot.store.isolation import isolated
from bot.store.published import CHANNEL_KINDS
from bot.store.tables import emitted_event, episode, message, operation, poll_state
from bot.store.tenants import WATCHED

CLOSED = tuple(state for state in EpisodeState if state.closed)
# Not sent, or sent and still to be edited.
_UNFINISHED = sa.or_(
    message.c.status.in_((MessageStatus.PENDING, MessageStatus.SENDING)),
    sa.and_(
        message.c.status == MessageStatus.SENT,
        message.c.kind.in_(CHANNEL_KINDS),
        sa.not_(message.c.is_final),
        sa.not_(message.c.is_deleted),
    ),
)


class Batch(NamedTuple):
    """The result of one batch."""

    deleted: Counter[str]  # rows by their name in the log
    after: str | None  # the id after which the next batch begins; None if this was the last
    failures: Mapping[str, Exception]  # by id


async def is_due(tx: Tx, every: timedelta) -> bool:
    """Check whether the last run began at least `every` ago."""
    found = await tx.run(sa.select(poll_state.c.appid).where(poll_state.c.appid == tx.appid, _due(tx.now, every)))
    return found.first() is not None


async def claim(tx: Tx, every: timedelta) -> bool:
    """Claim the run that is due. Return False if another process has claimed it."""
    now = tx.now
    claiming = sa.update(poll_state).where(poll_state.c.appid == tx.appid, _due(now, every)).values(pruned_at=now)
    return (await tx.run(claiming)).rowcount == 1


def _due(now: datetime, every: timedelta) -> sa.ColumnElement[bool]:
    began = poll_state.c.pruned_at
    set_by_wrong_clock = began > now + CLOCK_TOLERANCE
    return sa.or_(began.is_(None), began <= now - every, set_by_wrong_clock)


async def choose(tx: Tx, every: timedelta, before: datetime, most: int) -> list[str]:
    """Return, of at most so many accounts whose run is due, those with old rows. The others have had theirs.

    They are chosen at random, so that those whose list cannot be read do not keep the others from their turn.
    """
    is_ready = sa.and_(poll_state.c.watching_since.is_not(None), poll_state.c.failed_polls == 0)
    candidates = sa.select(poll_state.c.appid).where(WATCHED, is_ready, _due(tx.now, every))
    appids = (await tx.run(candidates.order_by(sa.func.random()).limit(most))).scalars().all()
    old = sa.union(
        sa.select(episode.c.appid).where(among(tx, episode.c.appid, appids), episode.c.state_since < before),
        sa.select(operation.c.appid).where(among(tx, operation.c.appid, appids), operation.c.ended_at < before),
        sa.select(message.c.appid).where(among(tx, message.c.appid, appids), message.c.created_at < before),
    )
    found = set((await tx.run(old)).scalars())
    without = among(tx, poll_state.c.appid, [appid for appid in appids if appid not in found])
    await tx.run(sa.update(poll_state).where(without).values(pruned_at=tx.now))
    return sorted(found)


async def prune_operations(tx: Tx, before: datetime, after: str, size: int) -> Batch:
    """Delete the operations of the next page that ended before a moment."""
    ids, position = await _page(tx, operation, operation.c.ended_at < before, after, size)

    async def delete(ids: Sequence[str]) -> Counter[str]:
        async with tx.savepoint():
            return Counter(operations=await _delete(tx, operation.c.id, ids))

    return await _batch(tx, ids, delete, position)


async def prune_episodes(
    tx: Tx, before: datetime, after: str, size: int, *, is_shown: Callable[[Episode], bool]
) -> Batch:
    """Delete the invitations of the next page that were closed before a moment, with their events; and incidents.

    Args:
        is_shown: returns whether the account still shows the invitation; then it stays.
    """
    over = sa.or_(episode.c.kind == HEALTH, sa.and_(episode.c.kind == INVITATION, episode.c.state.in_(CLOSED)))
    ids, position = await _page(tx, episode, sa.and_(episode.c.state_since < before, over), after, size)
    if not ids:
        return Batch(Counter(), position, {})
    kept = await _lock(tx) | await _shown_by_messages(tx)

    async def delete(ids: Sequence[str]) -> Counter[str]:
        ids = [one for one in ids if one not in kept]
        async with tx.savepoint():
            found = (await episodes.get_many(tx, ids)).values()
            closed = [
                one.id for one in found if one.state.closed and one.state_since < before and not is_shown(one)
            ]
            resolved = await _resolved_incidents(tx, ids)
            await _delete(tx, emitted_event.c.episode_id, closed)
            return Counter(
                invitations=await _delete(tx, episode.c.id, closed),
                incidents=await _delete(tx, episode.c.id, resolved),
            )

    return await _batch(tx, ids, delete, position)


async def prune_messages(tx: Tx, before: datetime, after: str, size: int) -> Batch:
    """Delete the threads of the next page that are older than a moment, and of whose episodes none is left.

    A thread is deleted as a whole: while one of its replies stays, so does its parent.
    """
    old = sa.and_(message.c.parent_id.is_(None), message.c.created_at < before, sa.not_(_UNFINISHED))
    ids, position = await _page(tx, message, old, after, size)
    if ids:
        await _lock(tx)

    async def delete(ids: Sequence[str]) -> Counter[str]:
        async with tx.savepoint():
            return Counter(messages=await _delete(tx, message.c.id, await _finished_threads(tx, ids, before)))

    return await _batch(tx, ids, delete, position)


async def _lock(tx: Tx) -> set[str]:
    """Hold off changes of episodes, and new messages, until this transaction ends. Return the current incidents."""
    columns = sa.select(poll_state.c.incident, poll_state.c.clock_incident)
    row = (await tx.run(columns.where(poll_state.c.appid == tx.appid).with_for_update())).one()
    return {*filter(None, row)}


async def _page(
    tx: Tx, table: sa.Table, is_old: sa.ColumnElement[bool], after: str, size: int
) -> tuple[list[str], str | None]:
    """Examine the next rows of a table. Return the ids of the old ones, and the last id that was examined."""
    examined = (
        sa.select(table.c.id, is_old.label("is_old"))
        .where(table.c.appid == tx.appid, table.c.id > after)
        .order_by(table.c.id)
        .limit(size)
    )
    rows = (await tx.run(examined)).all()
    return [row.id for row in rows if row.is_old], rows[-1].id if len(rows) == size else None


async def _batch(
    tx: Tx, ids: Sequence[str], delete: Callable[[Sequence[str]], Awaitable[Counter[str]]], position: str | None
) -> Batch:
    done, failures = await isolated(tx, ids, delete) if ids else ([], {})
    return Batch(sum(done, Counter()), position, failures)


async def _shown_by_messages(tx: Tx) -> set[str]:
    """Return the ids of the episodes and incidents that unfinished messages show, and of the successors shown."""
    mine = sa.or_(message.c.appid == tx.appid, message.c.target == tx.channel_id)  # it may be about several
    unfinished = await tx.run(
        sa.select(message.c.id, message.c.parent_id, message.c.episode_ids).where(mine, _UNFINISHED)
    )
    shown = set[str]()
    for row in unfinished:
        listed = row.episode_ids if isinstance(row.episode_ids, list) else ()  # else damaged: it is not edited
        shown |= {row.id, row.parent_id or row.id, *listed}  # the id of an incident is that of its message
    newest = shown
    while newest:
        followed = set[str]()
        for ids in batches(newest):
            replaced = sa.and_(episode.c.id.in_(ids), episode.c.state == EpisodeState.REPLACED)
            followed |= set((await tx.run(sa.select(episode.c.successor_id).where(replaced))).scalars())
        newest = followed - shown
        shown |= newest
    return shown


async def _resolved_incidents(tx: Tx, ids: Sequence[str]) -> list[str]:
    incidents = sa.select(episode.c.id, episode.c.detail).where(episode.c.id.in_(ids), episode.c.kind == HEALTH)
    return [row.id for row in await tx.run(incidents) if row.detail["over"]]


async def _finished_threads(tx: Tx, ids: Sequence[str], before: datetime) -> list[str]:
    """Return the ids of all messages of those threads, by their parents' ids, that nothing needs any more."""
    in_threads = sa.or_(message.c.id.in_(ids), message.c.parent_id.in_(ids))
    live = sa.or_(_UNFINISHED, message.c.created_at >= before).label("is_live")
    query = sa.select(message.c.id, message.c.parent_id, message.c.episode_ids, live).where(in_threads)
    rows = (await tx.run(query)).all()
    kept = await _existing(tx, episode.c.id, {*ids, *(one for row in rows for one in row.episode_ids)})
    reporting = await _existing(tx, emitted_event.c.message_id, {row.id for row in rows})
    needed = {
        row.parent_id or row.id
        for row in rows
        if row.is_live or row.id in reporting or row.id in kept or not kept.isdisjoint(row.episode_ids)
    }
    return [row.id for row in rows if (row.parent_id or row.id) not in needed]


async def _existing(tx: Tx, column: sa.Column[str], values: Collection[str]) -> set[str]:
    """Return those of the values that a column has."""
    found = set[str]()
    for some in batches(values):
        found |= set((await tx.run(sa.select(column).where(column.in_(some)))).scalars())
    return found


async def _delete(tx: Tx, column: sa.Column[str], values: Collection[str]) -> int:
    """Delete the rows whose column has one of the values. Return their number."""
    deleted = 0
    for some in batches(values):
        deleted += (await tx.run(sa.delete(column.table).where(column.in_(some)))).rowcount
    return deleted
