"""Let time pass for the limit of operations in an hour, which would end a run's operations after minutes."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from bot.store.database import Store
from bot.store.tables import operation

RECENT = 30  # operations: more than the limit, and than a run asks for between two calls


async def let_an_hour_pass(store: Store) -> None:
    """Make the newest operations of all accounts an hour older."""
    newest = sa.select(operation.c.id, operation.c.asked_at).order_by(operation.c.asked_at.desc()).limit(RECENT)
    async with store.begin() as tx:
        for one in (await tx.run(newest)).all():
            earlier = sa.update(operation).values(asked_at=one.asked_at - timedelta(hours=1))
            await tx.run(earlier.where(operation.c.id == one.id))
