"""How Slack answers, as far as it is no success: for status, metrics and log of every process on this store."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from bot.health.facts import SlackTrouble
from bot.store.database import Tx
from bot.store.tables import meta


def trouble_of(row: sa.RowMapping) -> SlackTrouble | None:
    """Read the trouble of a row of `meta`. `held` decides on refusals: an older process knows no other column."""
    refused, error, since = row["held"], row["slack_error"], row["slack_error_since"]
    if refused:
        known = error == refused and since is not None
        moment = since if known else row["rested_at"] or row["next_post_at"]
        return SlackTrouble(refused, moment, refused=True, reading=known and row["slack_reading"])
    if error and not row["slack_refuses"] and since is not None:
        return SlackTrouble(error, since, refused=False, reading=row["slack_reading"])
    return None


async def record_refusal(tx: Tx, error: str, now: datetime, *, reading: bool = False) -> None:
    """Record that Slack refuses the channel or the token, since its first refusal with this word."""
    since = sa.case((meta.c.held == error, sa.func.coalesce(meta.c.slack_error_since, now)), else_=now)
    await _note(
        tx, held=error, slack_error=error, slack_error_since=since, slack_refuses=True, slack_reading=reading
    )


async def record_silence(tx: Tx, error: str, now: datetime, *, reading: bool = False) -> None:
    """Record that there was no usable response, since the first one. What is refused stays so until it is taken."""
    silent = sa.and_(meta.c.slack_error.is_not(None), sa.not_(meta.c.slack_refuses))
    since = sa.case((silent, meta.c.slack_error_since), else_=now)
    values = {"slack_error": error, "slack_error_since": since, "slack_refuses": False, "slack_reading": reading}
    await tx.run(sa.update(meta).where(meta.c.appid == tx.appid, meta.c.held.is_(None)).values(**values))


async def record_success(tx: Tx, *, reading: bool = False) -> None:
    """Record that Slack took a message, or gave a page of its history: that ends no refusal of messages."""
    troubled = sa.or_(meta.c.held.is_not(None), meta.c.slack_error.is_not(None))
    if reading:
        troubled = sa.and_(troubled, sa.or_(meta.c.held.is_(None), meta.c.slack_reading))
    mine = sa.and_(meta.c.appid == tx.appid, troubled)
    cleared = {"held": None, "slack_error": None, "slack_error_since": None}
    await tx.run(sa.update(meta).where(mine).values(**cleared, slack_refuses=False, slack_reading=False))


async def _note(tx: Tx, **values: object) -> None:
    await tx.run(sa.update(meta).where(meta.c.appid == tx.appid).values(**values))
