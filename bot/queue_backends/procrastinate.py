"""Distribute work through procrastinate: jobs in PostgreSQL, fetched by the workers of every process.

A job is a hint that names a key. The rows record the due work, so a lost, late or repeated job does no harm.

https://procrastinate.readthedocs.io/en/stable/
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

from procrastinate import App, PsycopgConnector
from procrastinate.types import JSONDict

from bot.queue_backends.queue_database import open_pool
from bot.queue_backends.queue_errors import QueueError
from bot.runtime.logs import LogEvent

log = logging.getLogger(__name__)

Handler = Callable[[str], Awaitable[None]]

LOOPS = 4  # workers of a process: each fetches one job at a time, and waits for the server meanwhile
FETCH_SECONDS = 1.0  # until a worker looks for jobs that it was not notified of
REPAIR_SECONDS = 10.0
DEAD_SECONDS = 30.0  # since the heartbeat of a worker, which comes every ten
FINISH_SECONDS = 6.0  # for running calls at the end: a process has ten for all
ALWAYS_DUE = datetime(1970, 1, 1, tzinfo=UTC)  # whatever the clocks of this machine and of the database show
WAITING = """
    SELECT task_name AS kind, count(*) AS jobs, min(id) AS oldest
    FROM procrastinate_jobs WHERE status = 'todo' GROUP BY task_name
"""
NOISY_LOGGERS = ("procrastinate", "psycopg.pool")  # what they report at length is raised as well
MIGRATE = "python -m bot queue migrate"


class Procrastinate:
    """A queue backend whose jobs any process on the same database runs."""

    def __init__(self, url: str, lease: timedelta, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Keep the URL of the database. `lease` is how long a job may wait."""
        self._url = url
        self._longest_wait = lease.total_seconds()
        self._monotonic = monotonic
        self._app: App | None = None
        self._is_direct = False
        self._connections = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._oldest: Mapping[str, int] = {}  # by kind, the first job that waits
        self._oldest_since = monotonic()

    async def enqueue(self, kind: str, keys: Sequence[str]) -> None:
        app = await self._opened()
        jobs: list[JSONDict] = [{"key": key} for key in keys]
        if jobs:
            await app.configure_task(kind, queue=_queue(kind)).batch_defer_async(*jobs)

    async def run(self, handlers: Mapping[str, Handler], concurrency: int) -> None:
        """Call the handlers until cancelled, then finish the running calls, and close the connections."""
        app = await self._opened()
        for kind, handler in handlers.items():
            app.task(name=kind)(_guarded(kind, handler))
        try:
            async with asyncio.TaskGroup() as tasks:
                for number in range(LOOPS):
                    tasks.create_task(self._work(app, [*handlers], -(-concurrency // LOOPS), first=number == 0))
                tasks.create_task(self._repair())
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the connections."""
        self._app = None
        await self._connections.aclose()

    async def waiting(self) -> Mapping[str, int]:
        """Return the number of jobs that wait for a worker, by kind.

        Raises:
            QueueError: the first of them has waited for a lease.
        """
        app = await self._opened()
        rows = await app.connector.execute_query_all_async(WAITING)
        oldest, now = {row["kind"]: row["oldest"] for row in rows}, self._monotonic()
        if not rows or oldest != self._oldest:
            self._oldest, self._oldest_since = oldest, now
        if now - self._oldest_since >= self._longest_wait:
            raise QueueError(f"no worker has fetched a job for {now - self._oldest_since:.0f} s")
        return {row["kind"]: row["jobs"] for row in rows}

    async def free_jobs_of_the_dead(self) -> None:
        """Let other workers have the jobs of those without a heartbeat. Any process may do so at any time."""
        manager = (await self._opened()).job_manager
        for job in await manager.get_stalled_jobs(seconds_since_heartbeat=DEAD_SECONDS):
            await manager.retry_job(job, retry_at=ALWAYS_DUE)

    async def _repair(self) -> None:
        while True:
            await asyncio.sleep(REPAIR_SECONDS)
            await self.free_jobs_of_the_dead()

    async def _opened(self) -> App:
        async with self._opening:
            if self._app is None:
                for name in NOISY_LOGGERS:
                    logging.getLogger(name).setLevel(logging.CRITICAL)
                async with AsyncExitStack() as stack:
                    pool, self._is_direct = await stack.enter_async_context(open_pool(self._url))
                    app = App(connector=PsycopgConnector())
                    await app.open_async(pool)
                    if not await app.check_connection_async():
                        raise QueueError(f"its tables do not exist: run {MIGRATE}")
                    self._connections, self._app = stack.pop_all(), app
            return self._app

    async def _work(self, app: App, kinds: Sequence[str], concurrency: int, *, first: bool) -> None:
        await app.run_worker_async(
            queues=[_queue(kind) for kind in kinds],
            concurrency=concurrency,
            fetch_job_polling_interval=FETCH_SECONDS,
            # One connection for all workers of the process; behind a pooler there are no notifications.
            listen_notify=first and self._is_direct,
            delete_jobs="always",
            install_signal_handlers=False,
            shutdown_graceful_timeout=FINISH_SECONDS,
            stalled_worker_timeout=DEAD_SECONDS,
        )
        raise QueueError("a worker has ended")


def _queue(kind: str) -> str:
    return f"kf-{kind}"


def _guarded(kind: str, handler: Handler) -> Callable[..., Awaitable[None]]:
    """Let a call fail with one line in the log: the row is due again when its lease has run out."""

    async def handle(key: str) -> None:
        try:
            await handler(key)
        except Exception:
            log.exception(LogEvent("job failed", kind=kind))

    return handle
