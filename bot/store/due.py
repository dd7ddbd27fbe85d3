"""Which Official Accounts have something to do: one or two queries for all of them, however many there are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa

from bot.outbox.messages import MessageStatus
from bot.store.database import Tx
from bot.store.operation_rows import UNFINISHED
from bot.store.published import KEPT_UP_TO_DATE
from bot.store.slack_state import TROUBLED
from bot.store.tables import Moment, channel, episode, message, operation, poll_state

# Built once, as in `outbox`: they run every few seconds.
_NOW: sa.BindParameter[datetime] = sa.bindparam("now", type_=Moment())
_LEFT_OUT = sa.or_(
    poll_state.c.paused,
    sa.func.coalesce(poll_state.c.due_at, poll_state.c.next_poll_at).between(
        sa.bindparam("since", type_=Moment()), _NOW
    ),
)
_WITH_TIMERS = (
    sa.select(episode.c.appid)
    .where(
        episode.c.next_timer_at <= _NOW,
        episode.c.is_latest,
        sa.not_(sa.exists().where(poll_state.c.appid == episode.c.appid, _LEFT_OUT)),
    )
    .distinct()
)
_IS_DUE = sa.and_(message.c.status == MessageStatus.PENDING, message.c.not_before <= _NOW)
_IN_SLACK = sa.or_(message.c.status == MessageStatus.SENDING, KEPT_UP_TO_DATE)
_TO_DELIVER = sa.select(message.c.appid).where(sa.or_(_IS_DUE, _IN_SLACK)).distinct()
_FAILED = sa.select(channel.c.id).where(TROUBLED)
_TO_SETTLE = sa.select(operation.c.appid).where(UNFINISHED).distinct()


async def with_timers(tx: Tx, polled_within: timedelta) -> frozenset[str]:
    """Return the AppIDs with a lead or a deadline that has passed.

    Args:
        polled_within: leave out accounts whose poll has been due for less: it reports them, with fresh states.
    """
    now = tx.now
    return await _appids(tx, _WITH_TIMERS, now=now, since=now - polled_within)


async def to_deliver(tx: Tx, channels: Mapping[str, str]) -> frozenset[str]:
    """Return the AppIDs with messages to post now, to look up or to keep up to date.

    A message that waits for others of its channel is left out: at a first run there is one for each account.

    Args:
        channels: by their IDs, an account that posts there: it asks Slack about a channel that has failed.
    """
    failed = (await tx.run(_FAILED)).scalars()
    return await _appids(tx, _TO_DELIVER, now=tx.now) | {channels[one] for one in failed if one in channels}


async def to_settle(tx: Tx) -> frozenset[str]:
    """Return the AppIDs with operations whose outcome, or whose report, is open."""
    return await _appids(tx, _TO_SETTLE)


async def _appids(tx: Tx, query: sa.Executable, **parameters: datetime) -> frozenset[str]:
    return frozenset((await tx.run(query, parameters)).scalars())
