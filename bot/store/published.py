"""Sent channel messages that can still be edited: which ones, claims of an edit, and its result."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from bot.outbox.messages import MessageKind, MessageStatus, OutboxRow
from bot.ports import HistoryMessage
from bot.store import outbox
from bot.store.channels import CLOCK_TOLERANCE
from bot.store.database import Tx
from bot.store.outbox import Ids, rows_of
from bot.store.tables import Moment, message

CHANNEL_KINDS = (
    MessageKind.ALERT,
    MessageKind.DIGEST,
    MessageKind.FIRST_RUN,
    MessageKind.QUIET_SUMMARY,
    MessageKind.INCIDENT,
)
# Messages in Slack whose episodes may still change.
KEPT_UP_TO_DATE = sa.and_(
    message.c.status == MessageStatus.SENT,
    message.c.kind.in_(CHANNEL_KINDS),
    sa.not_(message.c.is_final),
    sa.not_(message.c.is_deleted),
)
# Built once, as in `outbox`. A claim too far in the future was made by a wrong clock.
_UNCLAIMED = sa.or_(
    message.c.next_edit_at <= sa.bindparam("now", type_=Moment()),
    message.c.next_edit_at > sa.bindparam("too_far", type_=Moment()),
)
_EDITABLE = (
    sa.select(message)
    .where(message.c.appid == sa.bindparam("appid"), KEPT_UP_TO_DATE, _UNCLAIMED)
    .order_by(message.c.next_edit_at, message.c.sent_at)
)
# Until the edit is confirmed it is unknown what Slack shows.
_CLAIM = (
    sa.update(message)
    .where(message.c.id == sa.bindparam("message_id"), _UNCLAIMED)
    .values(next_edit_at=sa.bindparam("until", type_=Moment()), applied_hash=None)
)


async def editable(tx: Tx, now: datetime) -> list[OutboxRow]:
    """Return the sent channel messages whose episodes may still change, and that may be edited now.

    The least recently tried comes first, so that one failing message does not starve the others.
    """
    parameters = {"appid": tx.appid, "now": now, "too_far": now + CLOCK_TOLERANCE}
    return rows_of(tx, (await tx.run(_EDITABLE, parameters)).mappings())


async def any_editable(tx: Tx, ids: Ids) -> bool:
    """Check whether one of these messages is or will be in Slack, where it can be edited.

    Unsent messages count: a user may click before the store has recorded that the message was sent.
    """
    is_editable = sa.and_(
        message.c.status != MessageStatus.DEAD, message.c.kind.in_(CHANNEL_KINDS), sa.not_(message.c.is_deleted)
    )
    found = sa.select(message.c.id).where(message.c.id.in_(ids), is_editable)
    return (await tx.run(found.limit(1))).first() is not None


async def claim(tx: Tx, row: OutboxRow, now: datetime, until: datetime) -> bool:
    """Claim the edit of a message: no other process edits it before `until`. Return False if one already does."""
    parameters = {"message_id": row.id, "until": until, "now": now, "too_far": now + CLOCK_TOLERANCE}
    return (await tx.run(_CLAIM, parameters)).rowcount == 1


async def update(tx: Tx, row: OutboxRow, **values: Any) -> None:
    """Record the result of an edit: `applied_hash`, `is_final`, `is_deleted`, `next_edit_at`."""
    await outbox.update(tx, row.id, **values)


def reopening(ids: Ids) -> sa.Update:
    """Build the update that lets these messages be edited again, because their episodes may change again."""
    return sa.update(message).where(message.c.id.in_(ids)).values(is_final=False)


async def edit_now(tx: Tx, ids: Ids, now: datetime) -> None:
    """Make these messages due for an edit now, after a user action, unless an edit is in progress."""
    idle = sa.and_(message.c.id.in_(ids), message.c.applied_hash.is_not(None))
    await tx.run(sa.update(message).where(idle).values(next_edit_at=now))


async def adopt(tx: Tx, episode_id: str, alert: HistoryMessage) -> str:
    """Add a message from the channel history to a store that has lost it. Return the id of its row."""
    moment = datetime.fromtimestamp(float(alert.ts), UTC)
    message_id = f"{MessageKind.ALERT}-adopted-{alert.channel_id}-{alert.ts}"
    await tx.run(
        sa.insert(message).values(
            id=message_id,
            appid=tx.appid,
            kind=MessageKind.ALERT,
            priority=0,
            episode_ids=[episode_id],
            event_keys=list(alert.event_keys),
            payload={},
            status=MessageStatus.SENT,
            created_at=moment,
            not_before=moment,
            channel_id=alert.channel_id,
            ts=alert.ts,
            sent_at=moment,
            next_edit_at=moment,
        )
    )
    return message_id
