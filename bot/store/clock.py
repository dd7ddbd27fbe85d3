"""The clock of a store. Leases, waits and deadlines use it, so that processes need not agree on the time."""

from __future__ import annotations

from datetime import datetime, timedelta
from time import monotonic

import sqlalchemy as sa

from bot.ports import Clock, utc_now

READING = "clock"  # in a connection's info: the database's time, and the monotonic time of its reading


def note_reading(connection: sa.Connection, moment: datetime) -> None:
    """Keep the database's time, as the first statement of a transaction returned it."""
    connection.info[READING] = moment, monotonic()


def database_clock(connection: sa.Connection | None) -> Clock:
    """Return the database's clock, continued by the monotonic clock; this machine's if the database has none."""
    reading = connection.info.get(READING) if connection else None
    if reading is None:
        return utc_now
    moment, measured = reading
    return lambda: moment + timedelta(seconds=monotonic() - measured)
