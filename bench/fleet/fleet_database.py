"""The database of the fleet: the due times of its accounts, and the CPU time of its server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg

from bench.fleet import merchants
from bench.fleet.lateness import DueTimes
from tests.crash.stores import databases


class FleetDatabase:
    """A PostgreSQL of the bot."""

    def __init__(self, url: str, connection: psycopg.Connection) -> None:
        self.url = url
        self._connection = connection
        self._server = psutil.Process(connection.info.backend_pid).parent()

    def polled(self) -> int:
        """Return the number of accounts whose first poll is recorded."""
        return self._count("SELECT count(*) FROM poll_state WHERE last_read_at IS NOT NULL")

    def processes(self) -> int:
        """Return the number of processes of the bot that have started."""
        return self._count("SELECT count(*) FROM process")

    def spread(self, seconds: float) -> None:
        """Let the accounts become due at equal distances within these seconds, in no order."""
        self._connection.execute(
            """
            UPDATE poll_state SET next_poll_at = clock_timestamp() + share * %s * interval '1 s'
            FROM (SELECT appid, percent_rank() OVER (ORDER BY random()) AS share FROM poll_state) AS shuffled
            WHERE poll_state.appid = shuffled.appid
            """,
            [seconds],
        )

    def make_all_due(self, seconds: float) -> float:
        """Let all accounts be due at once, so many seconds from now. Return that moment, in Unix seconds."""
        self._connection.execute(
            "UPDATE poll_state SET next_poll_at = clock_timestamp() + %s * interval '1 s'", [seconds]
        )
        return time.time() + seconds

    def due_times(self) -> DueTimes:
        rows = self._connection.execute("SELECT appid, extract(epoch FROM next_poll_at)::float8 FROM poll_state")
        return DueTimes(time.time(), {merchants.number_of(appid): due for appid, due in rows})

    def cpu_seconds(self) -> float:
        """Return the CPU time of all processes of the server, also of those that have ended."""
        ended = self._server.cpu_times()
        running = [cpu_seconds(process) for process in self._server.children(recursive=True)]
        return cpu_seconds(self._server) + ended.children_user + ended.children_system + sum(running)

    def _count(self, query: str) -> int:
        """Return the number that a query counts; 0 before a bot has made the tables."""
        try:
            (found,) = self._connection.execute(query).fetchone() or (0,)
        except psycopg.errors.UndefinedTable:
            return 0
        return int(found)


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time of a process; 0 of one that has just ended."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


@contextmanager
def fresh_database(folder: Path) -> Iterator[FleetDatabase]:
    """Start a PostgreSQL with its default settings, and delete it afterwards."""
    with (
        databases(["postgresql"], folder) as urls,
        psycopg.connect(urls["postgresql"], autocommit=True) as connection,
    ):
        yield FleetDatabase(urls["postgresql"], connection)
