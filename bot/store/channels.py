"""The pace of posts and edits: of each channel, and of the workspace as a whole, for all processes on this store.

https://docs.slack.dev/apis/web-api/rate-limits
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from bot.store.database import Tx, insert_new
from bot.store.tables import channel

WORKSPACE = "*"  # the row of all channels together
GAP = timedelta(seconds=1)  # between posts: Slack takes about one a second in a channel
WORKSPACE_GAP = timedelta(seconds=0.5)  # between posts to any channel, on average: 120 a minute
WORKSPACE_EDIT_GAP = timedelta(seconds=1.5)  # between edits: 40 a minute
BURST = 10  # posts, or edits, that the workspace takes at once after a rest
LONGEST_PAUSE = timedelta(days=1)
CLOCK_TOLERANCE = timedelta(minutes=5)  # a stored time this far in the future was written by a wrong clock


class NotItsTurnError(Exception):
    """Another message was posted less than a moment ago. Nothing of the transaction may be kept."""


async def lock(tx: Tx) -> None:
    """Let other transactions wait with the messages of the channel until this one ends.

    A transaction that changes several messages locks their channel first. The order of locks is `source`,
    `poll_state` by AppID, `channel`, `message`: a different order could deadlock. Before the first post there is no
    row to lock, and nothing to wait for.
    """
    if tx.connection.dialect.name == "postgresql":
        await tx.run(sa.select(channel.c.id).where(channel.c.id == tx.channel_id).with_for_update())


async def take_turn(tx: Tx, now: datetime) -> bool:
    """Take the turn of a post to the channel. Return False while the channel is paused.

    Raises:
        NotItsTurnError: another post to the channel is too recent.
    """
    set_by_wrong_clock = sa.or_(
        channel.c.next_post_at > now + LONGEST_PAUSE, channel.c.paused_at > now + CLOCK_TOLERANCE
    )
    free = sa.or_(channel.c.next_post_at <= now, set_by_wrong_clock)
    values = {"next_post_at": now + GAP, "paused_at": now}
    if (await tx.run(sa.update(channel).where(channel.c.id == tx.channel_id, free).values(**values))).rowcount:
        return True
    first = insert_new(tx, channel).values(id=tx.channel_id, **values)
    if (await tx.run(first.returning(channel.c.id))).first():
        return True
    until = await tx.run(sa.select(channel.c.next_post_at).where(channel.c.id == tx.channel_id))
    if until.scalar_one() <= now + GAP:
        raise NotItsTurnError
    return False


async def may_post(tx: Tx, now: datetime) -> bool:
    """Take a turn of the workspace for a post. Return False if there were too many, in all channels."""
    return await _take_part(tx, "next_post_at", now, WORKSPACE_GAP)


async def may_edit(tx: Tx, now: datetime) -> bool:
    """Take a turn of the workspace for an edit. Return False if there were too many, in all channels."""
    return await _take_part(tx, "next_edit_at", now, WORKSPACE_EDIT_GAP)


async def _take_part(tx: Tx, column: str, now: datetime, gap: timedelta) -> bool:
    """Take a turn. After a rest several are free at once; then one after each gap."""
    found = sa.select(channel.c[column]).where(channel.c.id == WORKSPACE).with_for_update()
    row = (await tx.run(found)).first()
    if row is None:
        await tx.run(insert_new(tx, channel).values(**{"id": WORKSPACE, "next_post_at": now, column: now + gap}))
        return True
    latest = now + (BURST - 1) * gap
    free_from: datetime = row[0] or now
    if latest < free_from <= latest + CLOCK_TOLERANCE:
        return False
    since = free_from if now < free_from <= latest else now
    await tx.run(sa.update(channel).where(channel.c.id == WORKSPACE).values({column: since + gap}))
    return True


async def pause(tx: Tx, until: datetime) -> None:
    """Pause the queue of the channel: no message is claimed before `until`."""
    await tx.run(sa.update(channel).where(channel.c.id == tx.channel_id).values(next_post_at=until))
