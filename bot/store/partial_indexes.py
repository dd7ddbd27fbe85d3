"""Indexes over some rows of a table, and the tables with all indexes, which migrations make.

Apart from `tables`: SQLAlchemy imports the dialects of both databases to check the conditions, 50 ms in each start.
"""

from __future__ import annotations

import sqlalchemy as sa

from bot.store.tables import metadata, operation, poll_state

__all__ = ["metadata"]

_REQUESTED = poll_state.c.requested_at.is_not(None)
sa.Index("poll_state_requested", poll_state.c.requested_at, sqlite_where=_REQUESTED, postgresql_where=_REQUESTED)

# One operation of an account at a time, whichever process asks.
_IN_PROGRESS = operation.c.state.in_(("open", "unsure"))
sa.Index(
    "operation_in_progress",
    operation.c.appid,
    operation.c.account_key,
    unique=True,
    sqlite_where=_IN_PROGRESS,
    postgresql_where=_IN_PROGRESS,
)
