"""Record polls whose list is that of the last evaluated poll, of many Official Accounts in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import repeat
from typing import Any

import sqlalchemy as sa

from bot.alerting.incidents import GOOD_POLLS, is_skewed
from bot.store.database import Tx
from bot.store.tables import Moment, episode, poll_state

MAX_BATCH = 64  # polls in one statement
# Compiled statements are kept: one for each number up to 64 would take 14 MB. A batch between repeats a poll.
BATCH_SIZES = (1, 4, 16, MAX_BATCH)


@dataclass(frozen=True, slots=True)
class UnchangedPoll:
    """A good poll whose digest is the stored one: to evaluate it would change nothing."""

    appid: str
    began: datetime  # when the request was sent
    served_at: datetime | None  # WeChat's clock as it answered
    wait: timedelta  # from now until the next poll
    rows_digest: str


async def record_unchanged(tx: Tx, polls: Sequence[UnchangedPoll]) -> frozenset[str]:
    """Record polls, at most `MAX_BATCH` of different accounts, and return the AppIDs of those that were recorded.

    The caller evaluates the others: the digest is another one, polls have failed before, a newer poll has been
    recorded, a timer is due, a clock is wrong, or (PostgreSQL) another transaction has locked the row.
    """
    now = tx.now
    polls = [one for one in polls if not is_skewed(one.served_at, one.began, now)]
    if not polls:
        return frozenset()
    size = min(one for one in BATCH_SIZES if one >= len(polls))
    parameters: dict[str, Any] = {"now": now}
    for index, poll in enumerate([*polls, *repeat(polls[-1], size - len(polls))]):
        parameters |= {
            f"appid_{index}": poll.appid,
            f"began_{index}": poll.began,
            f"next_{index}": now + poll.wait,
            f"wait_{index}": int(poll.wait.total_seconds()),
            f"digest_{index}": poll.rows_digest,
        }
    return frozenset((await tx.run(_statement(size), parameters)).scalars())


@cache
def _statement(size: int) -> sa.Executable:
    # As text, since SQLAlchemy does not keep the compiled form of its own VALUES. Both databases name its columns
    # column1, column2 and so on.
    rows = ", ".join(
        f"(:appid_{index}, :began_{index}, :next_{index}, :wait_{index}, :digest_{index})" for index in range(size)
    )
    moments = [
        sa.bindparam(f"{name}_{index}", type_=Moment()) for name in ("began", "next") for index in range(size)
    ]
    polls = (
        sa.text(f"VALUES {rows}")
        .bindparams(*moments)
        .columns(column1=sa.Text, column2=Moment, column3=Moment, column4=sa.Integer, column5=sa.Text)
        .cte("polls")
    )
    appid, began, planned, wait, digest = polls.c
    # Rows that are locked are left out (PostgreSQL): a slow transaction of one account must not delay the others.
    free = (
        sa.select(poll_state.c.appid)
        .where(poll_state.c.appid.in_(sa.select(appid)))
        .with_for_update(skip_locked=True)
        .cte("free")
    )
    now: sa.BindParameter[datetime] = sa.bindparam("now", type_=Moment())
    last_read_at, requested_at = poll_state.c.last_read_at, poll_state.c.requested_at
    has_due_timer = sa.exists().where(
        episode.c.appid == poll_state.c.appid, episode.c.is_latest, episode.c.next_timer_at <= now
    )
    return (
        sa.update(poll_state)
        .where(
            poll_state.c.appid == appid,
            poll_state.c.appid.in_(sa.select(free.c.appid)),
            poll_state.c.rows_digest == digest,
            # An earlier release moves `last_read_at` and keeps the digest, which then is not that of the last list.
            poll_state.c.evaluated_at == last_read_at,
            sa.or_(last_read_at < began, last_read_at > now),  # the latter was set by a clock that was ahead
            poll_state.c.failed_polls == 0,
            poll_state.c.good_polls >= GOOD_POLLS,
            poll_state.c.skewed_polls == 0,
            sa.not_(has_due_timer),
        )
        .values(
            last_read_at=began,
            evaluated_at=began,
            polled_at=now,
            # One that was requested while this poll was running is due at once.
            next_poll_at=sa.case((sa.and_(requested_at > began, requested_at <= now), requested_at), else_=planned),
            poll_wait=wait,
            due_at=None,
        )
        .returning(poll_state.c.appid)
    )
