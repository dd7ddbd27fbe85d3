"""Which Official Accounts have something to do: one or two queries for all of them, however many there are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import sqlalchemy as sa

from bot.outbox.messages import MessageStatus
from bot.store.database import Tx
from bot.store.operation_rows import UNFINISHED
from bot.store.published import KEPT_UP_TO_DATE
from bot.store.slack_state import TROUBLED
from bot.store.tables import channel, episode, message, operation, poll_state


async def with_timers(tx: Tx, polled_within: timedelta) -> frozenset[str]:
    """Return the AppIDs with a lead or a deadline that has passed.

    Args:
        polled_within: leave out accounts whose poll has been due for less: it reports them, with fresh states.
    """
    due_at = sa.func.coalesce(poll_state.c.due_at, poll_state.c.next_poll_at)
    left_out = sa.or_(poll_state.c.paused, due_at.between(tx.now - polled_within, tx.now))
    passed = sa.select(episode.c.appid).where(
        episode.c.next_timer_at <= tx.now,
        episode.c.is_latest,
        sa.not_(sa.exists().where(poll_state.c.appid == episode.c.appid, left_out)),
    )
    return await _appids(tx, passed.distinct())


async def to_deliver(tx: Tx, channels: Mapping[str, str]) -> frozenset[str]:
    """Return the AppIDs with messages to post now, to look up or to keep up to date.

    A message that waits for others of its channel is left out: at a first run there is one for each account.

    Args:
        channels: by their IDs, an account that posts there: it asks Slack about a channel that has failed.
    """
    due = sa.and_(message.c.status == MessageStatus.PENDING, message.c.not_before <= tx.now)
    in_slack = sa.or_(message.c.status == MessageStatus.SENDING, KEPT_UP_TO_DATE)
    messages = sa.select(message.c.appid).where(sa.or_(due, in_slack))
    failed = (await tx.run(sa.select(channel.c.id).where(TROUBLED))).scalars()
    return await _appids(tx, messages.distinct()) | {channels[one] for one in failed if one in channels}


async def to_settle(tx: Tx) -> frozenset[str]:
    """Return the AppIDs with operations whose outcome, or whose report, is open."""
    return await _appids(tx, sa.select(operation.c.appid).where(UNFINISHED).distinct())


async def _appids(tx: Tx, query: sa.Executable) -> frozenset[str]:
    return frozenset((await tx.run(query)).scalars())
