"""Insert rows and roll them back: a revoked privilege or a full disk may still accept updates of existing rows."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bot.store.async_engines import AsyncConnection
from bot.store.tables import emitted_event, episode, message, process

FILLING = "x" * 16_384  # more than a page of SQLite: for less, a full disk may have room


async def insert_and_roll_back(connection: AsyncConnection, now: datetime) -> None:
    """Insert a row into every table that grows, and roll the transaction back: on SQLite nothing is written then.

    Raises:
        StoreError: the database refuses one of them.
    """
    for table, row in _rows(f"trial-{uuid.uuid4()}", now):
        await connection.execute(sa.insert(table).values(**row))
    await connection.rollback()


def _rows(key: str, now: datetime) -> Iterator[tuple[sa.Table, Mapping[str, Any]]]:
    mine = {"id": key, "appid": ""}
    yield process, {**mine, "seen_at": now}
    yield episode, {**mine, "kind": "trial", "state": "trial", "first_seen": now, "state_since": now}
    event = {"episode_id": key, "kind": "trial", "lead_seconds": 0, "disposition": "trial", "at": now}
    yield emitted_event, event
    queued = {"kind": "trial", "priority": 0, "episode_ids": [], "event_keys": [], "status": "trial"}
    yield message, {**mine, **queued, "payload": {"trial": FILLING}, "created_at": now, "not_before": now}
