"""What a queue's own tables show about it. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

from psycopg import AsyncConnection, Error

from bot.queue_backends.procrastinate import DEAD_SECONDS
from bot.queue_backends.queue_database import COMMENT
from bot.queue_backends.queue_errors import QueueError
from bot.store.postgres import connection_parameters

STATE = """
    SELECT
        (SELECT count(*) FROM kf_queue.procrastinate_workers
         WHERE last_heartbeat > now() - %s * interval '1 s') AS workers,
        count(*) AS waiting,
        coalesce(extract(epoch FROM now() - min(event.at)), 0)::float8 AS seconds
    FROM kf_queue.procrastinate_jobs AS job
    JOIN kf_queue.procrastinate_events AS event ON event.job_id = job.id AND event.type = 'deferred'
    WHERE job.status = 'todo'
"""


@dataclass(frozen=True, slots=True)
class QueueState:
    """The workers of all processes, and the jobs that wait for them."""

    installed: str  # the version of the package
    tables: str | None  # the version that made the tables; None without tables
    workers: int = 0
    waiting: int = 0
    longest_wait: float = 0  # seconds


async def inspect(url: str) -> QueueState:
    """Read the state of the queue.

    Raises:
        QueueError: the database cannot be reached, or refuses.
    """
    installed = version("procrastinate")
    try:
        async with await AsyncConnection.connect(**connection_parameters(url)) as connection:
            (tables,) = await (await connection.execute(COMMENT)).fetchone() or (None,)
            if tables is None:
                return QueueState(installed, None)
            found = await (await connection.execute(STATE, [DEAD_SECONDS])).fetchone()
    except Error as exc:
        raise QueueError(str(exc).partition("\n")[0]) from exc
    return QueueState(installed, tables, *(found or ()))
