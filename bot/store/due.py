"""Which Official Accounts have something to do: one query for all of them, however many there are."""

from __future__ import annotations

import sqlalchemy as sa

from bot.store.database import Tx
from bot.store.operations import UNFINISHED
from bot.store.published import KEPT_UP_TO_DATE
from bot.store.stats import UNSENT
from bot.store.tables import episode, message, operation, poll_state


async def to_poll(tx: Tx) -> frozenset[str]:
    """Return the AppIDs whose poll is due, or one of whose timers."""
    polls = sa.select(poll_state.c.appid).where(poll_state.c.next_poll_at <= tx.now)
    timers = sa.select(episode.c.appid).where(episode.c.is_latest, episode.c.next_timer_at <= tx.now)
    return await _appids(tx, sa.union(polls, timers))


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
