"""The last failures of Slack in a channel, for the status, metrics and log of every process on this store."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from bot.health.facts import SlackTrouble
from bot.store.database import Tx, insert_new
from bot.store.tables import channel

TROUBLED = channel.c.slack_error.is_not(None)
# Built once, as in `outbox`.
_OF_CHANNEL = channel.c.id == sa.bindparam("channel")
_TROUBLE = sa.select(channel).where(_OF_CHANNEL, TROUBLED)
_CLEAR = (
    sa.update(channel)
    .where(_OF_CHANNEL, TROUBLED)
    .values(blocked_by=None, slack_error=None, slack_error_since=None, block_reported_at=None, slack_reading=False)
)
_CLEAR_AFTER_READING = _CLEAR.where(sa.or_(channel.c.blocked_by.is_(None), channel.c.slack_reading))


async def load(tx: Tx) -> SlackTrouble | None:
    """Return the present trouble with Slack."""
    row = (await tx.run(_TROUBLE, {"channel": tx.channel_id})).mappings().first()
    return _trouble(row) if row else None


async def load_all(tx: Tx) -> dict[str, SlackTrouble]:
    """Return the present trouble of every channel that has one, by ID."""
    return {row["id"]: _trouble(row) for row in (await tx.run(sa.select(channel).where(TROUBLED))).mappings()}


def _trouble(row: sa.RowMapping) -> SlackTrouble:
    refused, since = row["blocked_by"] is not None, row["slack_error_since"]
    return SlackTrouble(row["slack_error"], since, refused=refused, reading=row["slack_reading"])


async def record_refusal(tx: Tx, error: str, now: datetime, *, reading: bool = False) -> None:
    """Record that Slack refuses the channel or the token, since the first refusal with this error."""
    since = sa.case((channel.c.blocked_by == error, channel.c.slack_error_since), else_=now)
    await _record(tx, now, blocked_by=error, slack_error=error, slack_error_since=since, slack_reading=reading)


async def record_silence(tx: Tx, error: str, now: datetime, *, reading: bool = False) -> None:
    """Record that Slack gave no usable response, since the first of these. A refusal stays until a success."""
    since = sa.func.coalesce(channel.c.slack_error_since, now)
    await _record(
        tx,
        now,
        channel.c.blocked_by.is_(None),
        slack_error=error,
        slack_error_since=since,
        slack_reading=reading,
    )


async def claim_report(tx: Tx, before: datetime) -> SlackTrouble | None:
    """Claim the report of a channel that has been blocked since an earlier moment. Return None after the first."""
    due = sa.and_(
        channel.c.blocked_by.is_not(None),
        channel.c.slack_error_since <= before,
        channel.c.block_reported_at.is_(None),
    )
    claiming = sa.update(channel).where(channel.c.id == tx.channel_id, due).values(block_reported_at=tx.now)
    return await load(tx) if (await tx.run(claiming)).rowcount else None


async def record_success(tx: Tx, *, reading: bool = False) -> None:
    """Record that Slack accepted a message, or (`reading`) returned history, which ends no refusal of messages."""
    await tx.run(_CLEAR_AFTER_READING if reading else _CLEAR, {"channel": tx.channel_id})


async def _record(tx: Tx, now: datetime, *where: sa.ColumnElement[bool], **values: object) -> None:
    await tx.run(insert_new(tx, channel).values(id=tx.channel_id, next_post_at=now))
    await tx.run(sa.update(channel).where(channel.c.id == tx.channel_id, *where).values(**values))
