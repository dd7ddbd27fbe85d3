"""The command `queue`: make the tables of the queue backend. The store's migrations know nothing of them."""

from __future__ import annotations

import sys

from bot.queue_backends import queue_database
from bot.queue_backends.queue_errors import QueueError


async def migrate(url: str) -> int:
    """Make the tables that the installed version needs, and return the exit status."""
    try:
        is_new = await queue_database.migrate(url)
    except QueueError as exc:
        print(f"The tables of the queue were not made: {exc}", file=sys.stderr)
        return 1
    print("The tables of the queue were made." if is_new else "The tables of the queue are up to date.")
    return 0
