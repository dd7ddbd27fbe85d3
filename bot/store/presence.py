"""Which processes use the store. For people to see: nothing is decided by it."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from bot.store import Tx
from bot.store.tables import process

THERE = timedelta(seconds=60)  # a process shows itself at least every 15 s
FORGOTTEN = timedelta(hours=1)  # what was killed cannot take its row away itself


async def show(tx: Tx, process_id: str, now: datetime) -> None:
    """A process is there."""
    mine = process.c.id == process_id
    if not (await tx.run(sa.update(process).where(mine).values(seen_at=now))).rowcount:
        await tx.run(sa.insert(process).values(id=process_id, appid=tx.appid, seen_at=now))
        await tx.run(sa.delete(process).where(process.c.seen_at < now - FORGOTTEN))


async def leave(tx: Tx, process_id: str) -> None:
    await tx.run(sa.delete(process).where(process.c.id == process_id))


async def count(tx: Tx, now: datetime) -> int:
    """How many processes of this account are there."""
    there = sa.and_(process.c.appid == tx.appid, process.c.seen_at > now - THERE, process.c.seen_at < now + THERE)
    return int((await tx.run(sa.select(sa.func.count()).select_from(process).where(there))).scalar_one())
