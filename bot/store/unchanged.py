"""Record polls whose list is the same as at the last one: one statement for many accounts."""

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

MOST = 64  # polls in one statement
# A statement of each size up to 64 would take 14 MB: those between are filled up with repeats of a poll.
SIZES = (1, 4, 16, MOST)


@dataclass(frozen=True, slots=True)
class UnchangedPoll:
    """A good poll whose list has the stored digest."""

    appid: str
    began: datetime
    served_at: datetime | None  # WeChat's clock as it answered
    wait: timedelta  # until the next one
    rows_digest: str


async def record_unchanged(tx: Tx, polls: Sequence[UnchangedPoll]) -> frozenset[str]:
    """Record polls, at most `MOST` of different accounts, and return the AppIDs of those that were recorded.

    The others must be evaluated: the state is another one than when the digest was stored, a timer has passed, a
    clock is wrong, or another transaction is changing the account.
    """
    now = tx.now
    polls = [one for one in polls if not is_skewed(one.served_at, one.began, now)]
    if not polls:
        return frozenset()
    size = next(one for one in SIZES if one >= len(polls))
    parameters: dict[str, Any] = {"now": now}
    for number, one in enumerate([*polls, *repeat(polls[-1], size - len(polls))]):
        parameters |= {
            f"appid_{number}": one.appid,
            f"began_{number}": one.began,
            f"next_{number}": now + one.wait,
            f"wait_{number}": int(one.wait.total_seconds()),
            f"digest_{number}": one.rows_digest,
        }
    return frozenset((await tx.run(_record(size), parameters)).scalars())


@cache
def _record(number: int) -> sa.Executable:
    # As text, since SQLAlchemy does not keep the compiled form of its own VALUES. Its columns have these names.
    rows = ", ".join(
        f"(:appid_{one}, :began_{one}, :next_{one}, :wait_{one}, :digest_{one})" for one in range(number)
    )
    moments = [sa.bindparam(f"{name}_{one}", type_=Moment()) for name in ("began", "next") for one in range(number)]
    polls = (
        sa.text(f"VALUES {rows}")
        .bindparams(*moments)
        .columns(column1=sa.Text, column2=Moment, column3=Moment, column4=sa.Integer, column5=sa.Text)
        .cte("polls")
    )
    appid, began, planned, wait, digest = polls.c
    # A row that another transaction has locked is left out: a slow click must not hold up the other accounts.
    free = (
        sa.select(poll_state.c.appid)
        .where(poll_state.c.appid.in_(sa.select(appid)))
        .with_for_update(skip_locked=True)
        .cte("free")
    )
    now: sa.BindParameter[datetime] = sa.bindparam("now", type_=Moment())
    last_read_at, requested_at = poll_state.c.last_read_at, poll_state.c.requested_at
    timer = sa.exists().where(
        episode.c.appid == poll_state.c.appid, episode.c.is_latest, episode.c.next_timer_at <= now
    )
    return (
        sa.update(poll_state)
        .where(
            poll_state.c.appid == appid,
            poll_state.c.appid.in_(sa.select(free.c.appid)),
            poll_state.c.rows_digest == digest,
            # A process of an earlier release records its polls without a digest.
            poll_state.c.evaluated_at == last_read_at,
            sa.or_(last_read_at < began, last_read_at > now),
            poll_state.c.failed_polls == 0,
            poll_state.c.good_polls >= GOOD_POLLS,
            poll_state.c.skewed_polls == 0,
            sa.not_(timer),
        )
        .values(
            last_read_at=began,
            evaluated_at=began,
            polled_at=now,
            next_poll_at=sa.case((sa.and_(requested_at > began, requested_at <= now), requested_at), else_=planned),
            poll_wait=wait,
            due_at=None,
        )
        .returning(poll_state.c.appid)
    )
