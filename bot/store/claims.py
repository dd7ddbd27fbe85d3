"""Claims of polls: which accounts a process polls now. The rows decide, for any number of processes.

A claim sets `next_poll_at` to the end of its lease, and `due_at` keeps the time before. The outcome of the poll
sets the next time, in `poll_state`. If the process was killed, the poll is due again when the lease is over.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.alerting.cadence import REQUESTED, is_requested
from bot.runtime.metrics import OverduePolls
from bot.store.conditions import among
from bot.store.database import Tx
from bot.store.tables import poll_state


@dataclass(frozen=True, slots=True)
class ClaimedPoll:
    """A poll that this process is to make now."""

    appid: str
    began: datetime  # the time of the claim
    due_at: datetime
    is_first: bool  # nothing has ever been read
    is_idle: bool  # at the last poll, and no person needed a poll since
    rows_digest: str | None  # of the last list, if its evaluation changed nothing
    is_probe: bool = False  # asks during an outage whether WeChat answers again; set by `shared_outages`


_NOW: sa.BindParameter[datetime] = sa.bindparam("now", type_=poll_state.c.next_poll_at.type)
_UNTIL: sa.BindParameter[datetime] = sa.bindparam("until", type_=poll_state.c.next_poll_at.type)
_APPIDS: sa.BindParameter[str] = sa.bindparam("appids", expanding=True)
_IS_WATCHED = sa.not_(poll_state.c.paused)
_IS_DUE = poll_state.c.next_poll_at <= _NOW
_OF_OTHERS = poll_state.c.appid.not_in(_APPIDS)
_CLAIMED = {
    "due_at": sa.func.coalesce(poll_state.c.due_at, poll_state.c.next_poll_at),
    "next_poll_at": _UNTIL,
    "queued": sa.bindparam("queue", type_=sa.Boolean),
}
_RETURNED = (
    poll_state.c.appid,
    poll_state.c.watching_since,
    poll_state.c.due_at,
    poll_state.c.rows_digest,
    poll_state.c.idle,
    poll_state.c.requested_at,
)


def _claim(*where: sa.ColumnElement[bool]) -> sa.Executable:
    # A common table expression, since PostgreSQL may run a subquery with a limit more than once, and claim more.
    due = (
        sa.select(poll_state.c.appid)
        .where(_IS_WATCHED, *where)
        .order_by(poll_state.c.next_poll_at)
        .limit(sa.bindparam("limit", type_=sa.Integer))
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    return (
        sa.update(poll_state)
        .where(poll_state.c.appid.in_(sa.select(due.c.appid)))
        .values(**_CLAIMED)
        .returning(*_RETURNED)
    )


_DUE = _claim(_IS_DUE, _OF_OTHERS)
_DUE_OF = _claim(_IS_DUE, poll_state.c.appid.in_(_APPIDS))
_NEXT = _claim(_OF_OTHERS)
_NEXT_DUE = (
    sa.select(poll_state.c.next_poll_at).where(_IS_WATCHED, _OF_OTHERS).order_by(poll_state.c.next_poll_at).limit(1)
)
_DUE_REQUESTED = _claim(
    _IS_DUE,
    _OF_OTHERS,
    poll_state.c.requested_at > sa.bindparam("since", type_=poll_state.c.requested_at.type),
    sa.or_(poll_state.c.polled_at.is_(None), poll_state.c.polled_at < poll_state.c.requested_at),
)


async def claim(
    tx: Tx, limit: int, lease: timedelta, *, without: Collection[str] = (), queue: bool = False
) -> list[ClaimedPoll]:
    """Claim polls that are due, at most `limit`, the longest due first.

    Args:
        without: the AppIDs that this process does not poll, or polls at this moment.
        queue: claim them for the process that first takes each, with `take`.
    """
    return await _run(tx, _DUE, lease, limit=limit, appids=without, queue=queue)


async def claim_requested(tx: Tx, limit: int, lease: timedelta, *, without: Collection[str]) -> list[ClaimedPoll]:
    """Claim polls that are due because a person needs them, at most `limit`."""
    since = tx.now - REQUESTED
    return await _run(tx, _DUE_REQUESTED, lease, limit=limit, appids=without, queue=False, since=since)


async def claim_one(tx: Tx, lease: timedelta) -> ClaimedPoll | None:
    """Claim the poll of this account, if it is due."""
    claimed = await _run(tx, _DUE_OF, lease, limit=1, appids=[tx.appid], queue=False)
    return claimed[0] if claimed else None


async def claim_next(tx: Tx, lease: timedelta, *, without: Collection[str]) -> ClaimedPoll | None:
    """Claim the poll that is due next, now or later, also that of a claim whose lease ends first."""
    claimed = await _run(tx, _NEXT, lease, limit=1, appids=without, queue=False)
    return claimed[0] if claimed else None


async def take(tx: Tx, appid: str, lease: timedelta) -> ClaimedPoll | None:
    """Take a poll that was claimed for the queue. Return None if another process took it, or its claim is over."""
    now, mine = tx.now, poll_state.c.appid == appid
    taking = (
        sa.update(poll_state)
        .where(mine, poll_state.c.queued, sa.not_(poll_state.c.paused), poll_state.c.next_poll_at > now)
        .values(queued=False, next_poll_at=now + lease)
        .returning(*_RETURNED)
    )
    row = (await tx.run(taking)).first()
    return _claimed(row, now) if row else None


async def give_back(tx: Tx, appids: Collection[str]) -> None:
    """Undo claims of this process, so that another one that polls these accounts can make them."""
    mine = poll_state.c.appid.in_(appids)
    values = {"next_poll_at": poll_state.c.due_at, "due_at": None, "queued": False}
    await tx.run(sa.update(poll_state).where(mine, poll_state.c.due_at.is_not(None)).values(**values))


async def others(tx: Tx, appids: Collection[str]) -> frozenset[str]:
    """Return the AppIDs that are polled, without these."""
    rows = await tx.run(sa.select(poll_state.c.appid).where(sa.not_(poll_state.c.paused)))
    return frozenset(rows.scalars()) - frozenset(appids)


async def next_due(tx: Tx, *, without: Collection[str]) -> datetime | None:
    """Return when the next poll is due, or the first of the claims ends."""
    found: datetime | None = (await tx.run(_NEXT_DUE, {"appids": [*without]})).scalar()
    return found


async def repair(tx: Tx, lease: timedelta) -> bool:
    """Make polls due that a wrong clock has planned: a right one plans none so far ahead.

    Return whether there were any.
    """
    now = tx.now
    bound = 2 * sa.func.coalesce(poll_state.c.poll_wait, 0) + (2 * lease).total_seconds()
    ahead = sa.extract("epoch", poll_state.c.next_poll_at) - now.timestamp()
    # Those that another transaction has locked are repaired the next time.
    wrong = sa.select(poll_state.c.appid).where(ahead > bound).with_for_update(skip_locked=True).cte("wrong")
    repairing = sa.update(poll_state).where(poll_state.c.appid.in_(sa.select(wrong.c.appid)))
    repairing = repairing.values(next_poll_at=now, due_at=None)
    # SQLite counts no rows of an UPDATE that begins with WITH.
    return (await tx.run(repairing.returning(poll_state.c.appid))).first() is not None


async def overdue(tx: Tx, appids: Collection[str]) -> OverduePolls:
    """Count the polls of these accounts that are due and that no process has claimed."""
    now = tx.now
    due_at = sa.func.coalesce(poll_state.c.due_at, poll_state.c.next_poll_at)
    which = (_IS_WATCHED, _IS_DUE, among(tx, poll_state.c.appid, appids))
    counted = sa.select(sa.func.count().label("number"), sa.func.min(due_at).label("since")).where(*which)
    found = (await tx.run(counted, {"now": now})).one()
    since: datetime | None = found.since
    return OverduePolls(found.number, (now - since).total_seconds() if since else 0.0)


async def _run(
    tx: Tx, statement: sa.Executable, lease: timedelta, *, appids: Collection[str], **parameters: Any
) -> list[ClaimedPoll]:
    now = tx.now
    rows = await tx.run(statement, {"now": now, "until": now + lease, "appids": [*appids], **parameters})
    return sorted((_claimed(row, now) for row in rows), key=lambda one: (one.due_at, one.appid))


def _claimed(row: sa.Row[Any], now: datetime) -> ClaimedPoll:
    return ClaimedPoll(
        appid=row.appid,
        began=now,
        due_at=row.due_at or now,
        is_first=row.watching_since is None,
        is_idle=row.idle and not is_requested(row.requested_at, now),
        rows_digest=row.rows_digest,
    )
