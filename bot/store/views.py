"""Told messages as views: which may change, who edits them, what Slack shows of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bot.outbox import Shape, Status
from bot.store import Tx
from bot.store.queue import Ids, Row, row_of
from bot.store.tables import message

ROOTS = (Shape.PROBLEM, Shape.DIGEST, Shape.FIRST_RUN, Shape.QUIET, Shape.HEALTH)


async def living(tx: Tx, now: datetime) -> list[Row]:
    """The roots in Slack whose members may still change, and that may be edited now."""
    found = sa.select(message).where(
        message.c.appid == tx.appid,
        message.c.status == Status.SENT,
        message.c.shape.in_(ROOTS),
        sa.not_(message.c.settled),
        sa.not_(message.c.gone),
        message.c.next_edit_at <= now,
    )
    return [row_of(row) for row in (await tx.run(found.order_by(message.c.sent_at))).mappings()]


async def claim(tx: Tx, row: Row, now: datetime, until: datetime) -> bool:
    """Take the edit of a root; nobody else edits it before `until`."""
    free = sa.and_(message.c.id == row.id, message.c.next_edit_at <= now)
    # What Slack shows is not known until the edit is confirmed.
    values = {"next_edit_at": until, "applied_hash": None}
    return (await tx.run(sa.update(message).where(free).values(**values))).rowcount == 1


async def note(tx: Tx, row: Row, **values: Any) -> None:
    """Write down what became of a view: `applied_hash`, `settled`, `gone`, `next_edit_at`."""
    await tx.run(sa.update(message).where(message.c.id == row.id).values(**values))


async def unsettle(tx: Tx, ids: Ids) -> None:
    """What these roots tell may change again: they are views anew."""
    await tx.run(sa.update(message).where(message.c.id.in_(ids)).values(settled=False))


async def hasten(tx: Tx, ids: Ids, now: datetime) -> None:
    """A person waits for these roots to change: edit them at once, unless an edit is under way."""
    still = sa.and_(message.c.id.in_(ids), message.c.applied_hash.is_not(None))
    await tx.run(sa.update(message).where(still).values(next_edit_at=now))


async def adopt(tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
    """Take messages that stand in Slack into a store that has lost them."""
    for values in rows:
        await tx.run(sa.insert(message).values(**values, appid=tx.appid, status=Status.SENT))
