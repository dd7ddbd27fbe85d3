"""The pace of posts and edits: of each channel, and of the workspace as a whole, for all processes on this store.

https://docs.slack.dev/apis/web-api/rate-limits
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from bot.store.database import Tx, insert_new
from bot.store.tables import Moment, channel

WORKSPACE = "*"  # the row of all channels together
GAP = timedelta(seconds=1)  # between posts: Slack takes about one a second in a channel
WORKSPACE_GAP = timedelta(seconds=0.5)  # between posts to any channel, on average: 120 a minute
WORKSPACE_EDIT_GAP = timedelta(seconds=1.5)  # between edits: 40 a minute
BURST = 10  # posts, or edits, that the workspace takes at once after a pause
BURST_OF_LAST = 5  # of these, the turns for messages that come after all others
LONGEST_PAUSE = timedelta(days=1)
CLOCK_TOLERANCE = timedelta(minutes=5)  # a stored time this far in the future was written by a wrong clock

# Built once, as in `outbox`.
_NOW: sa.BindParameter[datetime] = sa.bindparam("now", type_=Moment())
_ID: sa.BindParameter[str] = sa.bindparam("channel")
_UPDATE = sa.update(channel).where(channel.c.id == _ID)
_SET_BY_WRONG_CLOCK = sa.or_(
    channel.c.next_post_at > sa.bindparam("after_pause", type_=Moment()),
    channel.c.paused_at > sa.bindparam("too_far", type_=Moment()),
)
_TAKE_TURN = _UPDATE.where(sa.or_(channel.c.next_post_at <= _NOW, _SET_BY_WRONG_CLOCK))
_NEXT_POST = sa.select(channel.c.next_post_at).where(channel.c.id == _ID)
_WORKSPACE_ROW = sa.select(channel).where(channel.c.id == WORKSPACE).with_for_update()


class NotItsTurnError(Exception):
    """Another message was posted a moment ago. The transaction must be rolled back."""


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
    values = {"next_post_at": now + GAP, "paused_at": now}
    moments = {"now": now, "after_pause": now + LONGEST_PAUSE, "too_far": now + CLOCK_TOLERANCE}
    if (await tx.run(_TAKE_TURN, {"channel": tx.channel_id, **moments, **values})).rowcount:
        return True
    first = insert_new(tx, channel).values(id=tx.channel_id, **values)
    if (await tx.run(first.returning(channel.c.id))).first():
        return True
    until = await tx.run(_NEXT_POST, {"channel": tx.channel_id})
    if until.scalar_one() <= now + GAP:
        raise NotItsTurnError
    return False


async def may_post(tx: Tx, now: datetime, *, is_last: bool = False) -> bool:
    """Take a turn of the workspace for a post. Return False if there were too many, in all channels.

    Args:
        is_last: the post comes after all others. In a storm over many channels it leaves its turn to them: each of
            their digests has a reply that names people, and would otherwise wait for those of other channels.
    """
    return await _take_turn_of_workspace(
        tx, "next_post_at", now, WORKSPACE_GAP, BURST_OF_LAST if is_last else BURST
    )


async def may_edit(tx: Tx, now: datetime) -> bool:
    """Take a turn of the workspace for an edit. Return False if there were too many, in all channels."""
    return await _take_turn_of_workspace(tx, "next_edit_at", now, WORKSPACE_EDIT_GAP)


async def _take_turn_of_workspace(tx: Tx, column: str, now: datetime, gap: timedelta, burst: int = BURST) -> bool:
    """Take a turn. After a pause `burst` of them are free at once; then one after each gap."""
    row = (await tx.run(_WORKSPACE_ROW)).mappings().first()
    if row is None:
        await tx.run(insert_new(tx, channel).values(**{"id": WORKSPACE, "next_post_at": now, column: now + gap}))
        return True
    latest = now + (burst - 1) * gap
    free_from: datetime = row[column] or now
    if latest < free_from <= latest + CLOCK_TOLERANCE:
        return False
    since = free_from if now < free_from <= latest else now
    await tx.run(_UPDATE, {"channel": WORKSPACE, column: since + gap})
    return True


async def pause(tx: Tx, until: datetime) -> None:
    """Pause the queue of the channel: no message is claimed before `until`."""
    await tx.run(_UPDATE, {"channel": tx.channel_id, "next_post_at": until})
