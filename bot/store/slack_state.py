"""The last failures of Slack, for the status, metrics and log of every process on this store."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from bot.health.facts import SlackTrouble
from bot.store.database import Tx
from bot.store.tables import poll_state


def trouble_of(row: sa.RowMapping) -> SlackTrouble | None:
    """Return the trouble in a row of `poll_state`. `blocked_by` decides whether Slack refuses messages."""
    refused, error, since = row["blocked_by"], row["slack_error"], row["slack_error_since"]
    if refused:
        known = error == refused and since is not None
        moment = since if known else row["paused_at"] or row["next_post_at"]
        return SlackTrouble(refused, moment, refused=True, reading=known and row["slack_reading"])
    if error and not row["slack_refuses"] and since is not None:
        return SlackTrouble(error, since, refused=False, reading=row["slack_reading"])
    return None


async def load(tx: Tx) -> SlackTrouble | None:
    """Return the present trouble with Slack."""
    query = sa.select(poll_state).where(poll_state.c.appid == tx.appid)
    return trouble_of((await tx.run(query)).mappings().one())


async def record_refusal(tx: Tx, error: str, now: datetime, *, reading: bool = False) -> None:
    """Record that Slack refuses the channel or the token, since the first refusal with this error."""
    since = sa.case(
        (poll_state.c.blocked_by == error, sa.func.coalesce(poll_state.c.slack_error_since, now)), else_=now
    )
    await _record(
        tx, blocked_by=error, slack_error=error, slack_error_since=since, slack_refuses=True, slack_reading=reading
    )


async def record_silence(tx: Tx, error: str, now: datetime, *, reading: bool = False) -> None:
    """Record that Slack gave no usable response, since the first of these. A refusal stays until a success."""
    silent = sa.and_(poll_state.c.slack_error.is_not(None), sa.not_(poll_state.c.slack_refuses))
    since = sa.case((silent, poll_state.c.slack_error_since), else_=now)
    values = {"slack_error": error, "slack_error_since": since, "slack_refuses": False, "slack_reading": reading}
    await tx.run(
        sa.update(poll_state)
        .where(poll_state.c.appid == tx.appid, poll_state.c.blocked_by.is_(None))
        .values(**values)
    )


async def record_success(tx: Tx, *, reading: bool = False) -> None:
    """Record that Slack accepted a message, or (`reading`) returned history, which ends no refusal of messages."""
    troubled = sa.or_(poll_state.c.blocked_by.is_not(None), poll_state.c.slack_error.is_not(None))
    if reading:
        troubled = sa.and_(troubled, sa.or_(poll_state.c.blocked_by.is_(None), poll_state.c.slack_reading))
    mine = sa.and_(poll_state.c.appid == tx.appid, troubled)
    cleared = {"blocked_by": None, "slack_error": None, "slack_error_since": None}
    await tx.run(sa.update(poll_state).where(mine).values(**cleared, slack_refuses=False, slack_reading=False))


async def _record(tx: Tx, **values: object) -> None:
    await tx.run(sa.update(poll_state).where(poll_state.c.appid == tx.appid).values(**values))
