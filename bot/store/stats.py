"""Statistics of the queue, for the status, the heartbeat and the metrics."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.outbox.messages import DropReason, MessageStatus
from bot.store.conditions import among
from bot.store.database import Tx
from bot.store.tables import Moment, message
from bot.store.unconfirmed import CLOCK_WRONG

LOST_RECENTLY = timedelta(days=1)
OVERDUE = timedelta(minutes=5)
UNSENT = (MessageStatus.PENDING, MessageStatus.SENDING)
_SINCE: sa.BindParameter[datetime] = sa.bindparam("since", type_=Moment())
_NUMBER, _OLDEST = sa.func.count().label("number"), sa.func.min(message.c.created_at).label("oldest")
# Those that waited for other accounts of their channel are late from the end of that.
_WAITED = sa.and_(message.c.post_attempts == 0, message.c.error.is_(None), message.c.not_before >= _SINCE)


def _of_all_and_one(count: sa.Select[Any]) -> tuple[sa.Select[Any], sa.Select[Any]]:
    return count, count.where(message.c.appid == sa.bindparam("appid"))


# Built once, as in `outbox`.
_COUNT_UNSENT = _of_all_and_one(
    sa.select(
        message.c.appid,
        message.c.breakthrough,
        _NUMBER,
        _OLDEST,
        sa.func.count(sa.case((message.c.error == CLOCK_WRONG, 1))).label("held"),
        sa.func.count(sa.case((sa.and_(message.c.created_at < _SINCE, sa.not_(_WAITED)), 1))).label("late"),
    )
    .where(message.c.status.in_(UNSENT))
    .group_by(message.c.appid, message.c.breakthrough)
)
_COUNT_LOST = _of_all_and_one(
    sa.select(message.c.appid, message.c.reason, _NUMBER, _OLDEST)
    .where(
        message.c.status == MessageStatus.DEAD,
        message.c.created_at > _SINCE,
        message.c.reason.in_((DropReason.REFUSED, DropReason.UNCONFIRMED, DropReason.FAILED)),
    )
    .group_by(message.c.appid, message.c.reason)
)
_COUNT_STALE = _of_all_and_one(
    sa.select(message.c.appid, _NUMBER)
    .where(
        message.c.status == MessageStatus.SENT,
        sa.not_(message.c.is_final),
        sa.not_(message.c.is_deleted),
        message.c.error.is_not(None),
    )
    .group_by(message.c.appid)
)
_ANY_UNSENT = (
    sa.select(message.c.id).where(message.c.appid == sa.bindparam("appid"), message.c.status.in_(UNSENT)).limit(1)
)


@dataclass(frozen=True, slots=True)
class OverdueStats:
    """The messages that have waited for too long."""

    count: int = 0
    since: datetime | None = None  # when the oldest was queued


@dataclass(frozen=True, slots=True)
class QueueStats:
    """Statistics of the queue of one account. The defaults are those of one that is empty."""

    pending: int = 0
    oldest: datetime | None = None
    refused: int = 0
    unconfirmed: int = 0
    failed: int = 0  # could not be rendered, or changed in the database
    stale: int = 0  # messages in the channel that cannot be updated
    lost_since: datetime | None = None
    held_unconfirmed: int = 0  # unknown outcomes that are not posted again while the server's clock is wrong
    late: OverdueStats = OverdueStats()  # unsent for more than five minutes
    late_breakthrough: OverdueStats = OverdueStats()  # those of them that quiet hours do not hold

    def overdue(self, now: datetime, audible_since: datetime | None = None) -> OverdueStats:
        """Return the late messages. Those that quiet hours held count from their end.

        Args:
            audible_since: the end of the last quiet hours, or of the current ones, in the future.
        """
        held = audible_since is not None and audible_since >= now - OVERDUE
        return self.late_breakthrough if held else self.late


async def queue_stats(tx: Tx, now: datetime) -> QueueStats:
    """Count the unsent messages of the account, and those dropped in the last day."""
    return (await _queues(tx, now, tx.appid)).get(tx.appid, QueueStats())


async def queues(tx: Tx, now: datetime) -> dict[str, QueueStats]:
    """Return by AppID the statistics of all messages. An account without any is left out.

    It takes the same number of queries as for one account.
    """
    return await _queues(tx, now, None)


async def _queues(tx: Tx, now: datetime, appid: str | None) -> dict[str, QueueStats]:
    unsent = await _unsent(tx, now, appid)
    lost = await _lost(tx, now, appid)
    stale = await _stale(tx, appid)
    return {
        appid: _stats(unsent.get(appid, ()), lost.get(appid, {}), stale.get(appid, 0))
        for appid in {*unsent, *lost, *stale}
    }


def _stats(unsent: Sequence[sa.Row[Any]], lost: Mapping[str, sa.Row[Any]], stale: int) -> QueueStats:
    numbers = {reason: row.number for reason, row in lost.items()}
    return QueueStats(
        sum(row.number for row in unsent),
        min((row.oldest for row in unsent), default=None),
        refused=numbers.get(DropReason.REFUSED, 0),
        unconfirmed=numbers.get(DropReason.UNCONFIRMED, 0),
        failed=numbers.get(DropReason.FAILED, 0),
        stale=stale,
        lost_since=min((row.oldest for row in lost.values()), default=None),
        held_unconfirmed=sum(row.held for row in unsent),
        late=_late(unsent),
        late_breakthrough=_late([row for row in unsent if row.breakthrough]),
    )


def _late(unsent: Sequence[sa.Row[Any]]) -> OverdueStats:
    late = [row for row in unsent if row.late]
    return OverdueStats(sum(row.late for row in late), min((row.oldest for row in late), default=None))


async def _unsent(tx: Tx, now: datetime, appid: str | None) -> dict[str, list[sa.Row[Any]]]:
    """Count the unsent messages by AppID, those that break through quiet hours by themselves."""
    found: dict[str, list[sa.Row[Any]]] = {}
    for row in await _rows(tx, _COUNT_UNSENT, appid, since=now - OVERDUE):
        found.setdefault(row.appid, []).append(row)
    return found


async def _lost(tx: Tx, now: datetime, appid: str | None) -> dict[str, dict[str, sa.Row[Any]]]:
    """Count the messages that were dropped in the last day without having arrived, by AppID and reason."""
    found: dict[str, dict[str, sa.Row[Any]]] = {}
    for row in await _rows(tx, _COUNT_LOST, appid, since=now - LOST_RECENTLY):
        found.setdefault(row.appid, {})[row.reason] = row
    return found


async def _stale(tx: Tx, appid: str | None) -> dict[str, int]:
    """Count by AppID the messages in a channel that cannot be updated."""
    return {row.appid: row.number for row in await _rows(tx, _COUNT_STALE, appid)}


async def _rows(
    tx: Tx, counts: tuple[sa.Select[Any], sa.Select[Any]], appid: str | None, **parameters: datetime
) -> sa.CursorResult[Any]:
    of_all, of_one = counts
    return await (tx.run(of_all, parameters) if appid is None else tx.run(of_one, {"appid": appid, **parameters}))


async def is_any_unsent(tx: Tx) -> bool:
    """Check whether any message is pending or has an unknown outcome."""
    return (await tx.run(_ANY_UNSENT, {"appid": tx.appid})).first() is not None


async def waiting(tx: Tx) -> int:
    """Count the unsent messages for the channel, of all accounts."""
    unsent = sa.and_(message.c.target == tx.channel_id, message.c.status.in_(UNSENT))
    number: int = (await tx.run(sa.select(sa.func.count()).where(unsent))).scalar_one()
    return number


async def by_state(tx: Tx, appids: Collection[str]) -> Mapping[str, int]:
    """Count the messages of these accounts in each state."""
    counted = sa.select(message.c.status, sa.func.count().label("number")).where(among(tx, message.c.appid, appids))
    numbers = {row.status: row.number for row in await tx.run(counted.group_by(message.c.status))}
    return {status.value: numbers.get(status, 0) for status in MessageStatus}
