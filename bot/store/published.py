"""Told messages as views: which may change, who edits them, what Slack shows of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from bot.outbox.messages import MessageKind, MessageStatus, OutboxRow
from bot.ports import HistoryMessage
from bot.store import outbox
from bot.store.database import Tx
from bot.store.outbox import AHEAD, Ids, rows_of
from bot.store.tables import message

CHANNEL_KINDS = (
    MessageKind.PROBLEM,
    MessageKind.DIGEST,
    MessageKind.FIRST_RUN,
    MessageKind.QUIET,
    MessageKind.HEALTH,
)


async def editable(tx: Tx, now: datetime) -> list[OutboxRow]:
    """The roots in Slack whose members may still change, and that may be edited now.

    What was tried last comes last: one that Slack does not take must not keep the others from their turn.
    """
    found = sa.select(message).where(
        message.c.appid == tx.appid,
        message.c.status == MessageStatus.SENT,
        message.c.shape.in_(CHANNEL_KINDS),
        sa.not_(message.c.settled),
        sa.not_(message.c.gone),
        _free(now),
    )
    return rows_of(tx, (await tx.run(found.order_by(message.c.next_edit_at, message.c.sent_at))).mappings())


async def any_editable(tx: Tx, ids: Ids) -> bool:
    """Whether one of these stands in Slack and can be edited, or will.

    Somebody may click before it is written down that the message was sent.
    """
    stands = sa.and_(
        message.c.status != MessageStatus.DEAD, message.c.shape.in_(CHANNEL_KINDS), sa.not_(message.c.gone)
    )
    found = sa.select(message.c.id).where(message.c.id.in_(ids), stands)
    return (await tx.run(found.limit(1))).first() is not None


async def claim(tx: Tx, row: OutboxRow, now: datetime, until: datetime) -> bool:
    """Take the edit of a root; nobody else edits it before `until`."""
    free = sa.and_(message.c.id == row.id, _free(now))
    # What Slack shows is not known until the edit is confirmed.
    values = {"next_edit_at": until, "applied_hash": None}
    return (await tx.run(sa.update(message).where(free).values(**values))).rowcount == 1


def _free(now: datetime) -> sa.ColumnElement[bool]:
    """Nobody is editing it, unless by a clock that was ahead."""
    return sa.or_(message.c.next_edit_at <= now, message.c.next_edit_at > now + AHEAD)


async def update(tx: Tx, row: OutboxRow, **values: Any) -> None:
    """Write down what became of a view: `applied_hash`, `settled`, `gone`, `next_edit_at`."""
    await outbox.update(tx, row.id, **values)


async def reopen(tx: Tx, ids: Ids) -> None:
    """What these roots tell may change again: they are views anew."""
    await tx.run(sa.update(message).where(message.c.id.in_(ids)).values(settled=False))


async def edit_now(tx: Tx, ids: Ids, now: datetime) -> None:
    """A person waits for these roots to change: edit them at once, unless an edit is under way."""
    still = sa.and_(message.c.id.in_(ids), message.c.applied_hash.is_not(None))
    await tx.run(sa.update(message).where(still).values(next_edit_at=now))


async def adopt(tx: Tx, episode_id: str, root: HistoryMessage) -> str:
    """Take a message that stands in Slack into a store that has lost it. Returns the id of its row."""
    moment = datetime.fromtimestamp(float(root.ts), UTC)
    message_id = f"{MessageKind.PROBLEM}-adopted-{root.channel_id}-{root.ts}"
    await tx.run(
        sa.insert(message).values(
            id=message_id,
            appid=tx.appid,
            shape=MessageKind.PROBLEM,
            rank=0,
            members=[episode_id],
            events=list(root.events),
            facts={},
            status=MessageStatus.SENT,
            created_at=moment,
            not_before=moment,
            channel_id=root.channel_id,
            ts=root.ts,
            sent_at=moment,
            next_edit_at=moment,
        )
    )
    return message_id
