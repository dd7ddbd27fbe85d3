"""Which Official Accounts have something to do: one query for all of them, however many there are."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from bot.store.database import Tx
from bot.store.operations import UNFINISHED
from bot.store.published import KEPT_UP_TO_DATE
from bot.store.stats import UNSENT
from bot.store.tables import episode, message, operation, poll_state


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


async def to_deliver(tx: Tx) -> frozenset[str]:
    """Return the AppIDs with messages to post, to look up or to keep up to date, and those that Slack refuses."""
    messages = sa.select(message.c.appid).where(sa.or_(message.c.status.in_(UNSENT), KEPT_UP_TO_DATE))
    refused = sa.or_(poll_state.c.blocked_by.is_not(None), poll_state.c.slack_error.is_not(None))
    return await _appids(tx, sa.union(messages, sa.select(poll_state.c.appid).where(refused)))


async def to_settle(tx: Tx) -> frozenset[str]:
    """Return the AppIDs with operations whose outcome, or whose report, is open."""
    return await _appids(tx, sa.select(operation.c.appid).where(UNFINISHED).distinct())


async def _appids(tx: Tx, query: sa.Executable) -> frozenset[str]:
    return frozenset((await tx.run(query)).scalars())
