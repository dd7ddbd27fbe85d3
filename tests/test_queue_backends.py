"""Queue backends: one contract for the slots of a process and for each queue, and what a queue does beside it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from bot.fleet import build_fleet
from bot.ports import QueueBackend
from bot.queue_backends import queue_database
from bot.queue_backends.choice import backend_for
from bot.queue_backends.fallback import QueueWithFallback
from bot.queue_backends.procrastinate import Procrastinate
from bot.queue_backends.queue_errors import QueueError
from bot.settings.parsers import QueueKind
from bot.settings.values import Settings
from bot.store import claims
from bot.store.database import Store
from bot.store.tables import metadata
from bot.watcher.poll_slots import POLL, PollSlots
from bot.watcher.poller import Tick
from tests.conftest import APPID, postgres_database
from tests.pgbouncer import MISSING, executable, pgbouncer
from tests.programs import give_up_without
from tests.running import until
from tests.test_claims import add
from tests.test_poll_loop import Polls, tenant

LEASE = timedelta(seconds=60)
APPIDS = ("wx-a", "wx-b", "wx-c")
FULL_MINUTE = LEASE.total_seconds()


class Elapsed:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Calls:
    """A handler that records its keys, and waits until it is let go."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.ended: list[str] = []
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, key: str) -> None:
        self.began.append(key)
        await self.go.wait()
        if key == "fails":
            raise ValueError(key)
        self.ended.append(key)


@pytest.fixture
async def queue_url(postgres_url: str) -> str:
    """Return the URL of a database with the tables of the queue."""
    assert await queue_database.migrate(postgres_url)
    return postgres_url


@asynccontextmanager
async def serving(
    backend: QueueBackend, handler: Callable[[str], Awaitable[None]], concurrency: int = 8
) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(backend.run({POLL: handler}, concurrency))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def tables(url: str) -> set[str]:
    """Return the tables beside those of the queue."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return {name for (name,) in rows}


def jobs(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT * FROM kf_queue.procrastinate_jobs").fetchall()


class Process:
    """A process that claims due polls, distributes them, and takes those that it is given."""

    def __init__(self, store: Store, backend: QueueBackend) -> None:
        self._store = store
        self.backend = backend
        self.began: list[str] = []
        self.polled: list[str] = []

    async def sweep(self) -> list[str]:
        async with self._store.begin() as tx:
            claimed = [one.appid for one in await claims.claim(tx, 10, LEASE, without=[APPID], queue=True)]
        await self.backend.enqueue(POLL, claimed)
        return claimed

    async def poll(self, appid: str) -> None:
        async with self._store.begin() as tx:
            if await claims.take(tx, appid, LEASE):
                self.polled.append(appid)
        self.began.append(appid)


@pytest.mark.parametrize("kind", QueueKind)
async def test_contract_of_queue_backends(kind, postgres, migrated_postgres, clock):
    async with AsyncExitStack() as stack:
        url = stack.enter_context(postgres_database(postgres, migrated_postgres))
        await queue_database.migrate(url)
        settings = Settings("wx", "secret", "xoxb-1", database_url=url, queue_backend=kind)
        store = Store.from_url(url, APPID, clock=clock)
        stack.push_async_callback(store.close)
        await store.open()
        await add(store, *APPIDS)
        first, second = (Process(store, backend_for(settings, PollSlots())) for _ in range(2))
        tasks = [await stack.enter_async_context(serving(one.backend, one.poll)) for one in (first, second)]

        def began() -> int:
            return len(first.began + second.began)

        # 1. A job begins with a claim, which only one process wins, whichever process sweeps.
        swept = [await one.sweep() for one in (first, second)]
        assert swept == [[*APPIDS], []]
        await until(lambda: began() == 3)
        assert sorted(first.polled + second.polled) == [*APPIDS]
        # 2. A job that is repeated, late or about another account does nothing.
        await first.backend.enqueue(POLL, [*APPIDS, APPIDS[0], "wx-unknown"])
        await until(lambda: began() == 8)
        assert len(first.polled + second.polled) == 3
        # 4. The rows go on without the queue: what is not recorded within its lease is claimed again.
        clock.forward(seconds=FULL_MINUTE + 1)
        assert sorted(await second.sweep()) == [*APPIDS]
        await until(lambda: began() == 11)
        assert Counter(first.polled + second.polled) == Counter([*APPIDS] * 2)
        # 5. Nothing is left.
        await until(lambda: jobs(url) == [])
        assert sum((await first.backend.waiting()).values()) == 0
        # 6. Nothing of the queue is among the tables of the store.
        assert tables(url) == {*metadata.tables, "alembic_version"}
        assert not any(task.done() for task in tasks)


async def test_two_processes_share_the_polls_of_a_queue(postgres, migrated_postgres, clock):
    async with AsyncExitStack() as stack:
        url = stack.enter_context(postgres_database(postgres, migrated_postgres))
        await queue_database.migrate(url)
        settings = Settings(
            *("", "", "xoxb-1"),
            slack_alert_channel="C0ALERTS",
            database_url=url,
            queue_backend=QueueKind.PROCRASTINATE,
        )
        tenants = [tenant(settings, f"wx-{number}") for number in range(8)]
        fleets = [await stack.enter_async_context(build_fleet(settings, tenants, clock)) for _ in range(2)]
        processes = [Polls(fleet, clock) for fleet in fleets]
        running = [asyncio.create_task(one.loop.run()) for one in processes]
        await until(lambda: sum(len(one.done) for one in processes) == 8)
        for one in processes:
            one.loop.stop()
        await asyncio.gather(*running)
    done = [outcome for one in processes for outcome in one.done]
    assert sorted(done, key=str) == [(one.appid, Tick.GOOD) for one in tenants]
    assert [one.steps for one in processes] == [[], []]


async def test_job_has_only_its_key(queue_url):
    backend = Procrastinate(queue_url, LEASE)
    await backend.enqueue(POLL, ["wx-a"])
    await backend.enqueue(POLL, [])
    with psycopg.connect(queue_url) as connection:
        found = connection.execute("SELECT queue_name, task_name, args FROM kf_queue.procrastinate_jobs").fetchall()
    assert found == [("kf-poll", "poll", {"key": "wx-a"})]
    await backend.close()


async def test_running_calls_finish_and_their_jobs_are_deleted_at_the_end(queue_url):
    backend, calls = Procrastinate(queue_url, LEASE), Calls()
    calls.go.clear()
    async with serving(backend, calls) as task:
        await backend.enqueue(POLL, ["a", "fails"])
        await until(lambda: len(calls.began) == 2)
        task.cancel()
        calls.go.set()
    assert (calls.ended, jobs(queue_url)) == (["a"], [])


async def test_queue_fetches_jobs_through_a_pooler(queue_url):
    if executable() is None:
        give_up_without(MISSING)
    calls = Calls()
    with pgbouncer(queue_url) as pooler:
        backend = Procrastinate(pooler.url(str(conninfo_to_dict(queue_url)["dbname"])), LEASE)
        async with serving(backend, calls):
            await backend.enqueue(POLL, ["a", "b", "c"])
            await until(lambda: len(calls.ended) == 3)
    assert jobs(queue_url) == []


async def test_tables_of_the_queue_are_in_a_schema_of_their_own(queue_url):
    with psycopg.connect(queue_url) as connection:
        schemas = connection.execute(
            "SELECT DISTINCT relnamespace::regnamespace::text FROM pg_class WHERE relname LIKE '%procrastinate%'"
        ).fetchall()
    assert schemas == [("kf_queue",)]
    assert not await queue_database.migrate(queue_url)  # nothing to do


async def test_tables_of_another_version_are_replaced(queue_url):
    backend = Procrastinate(queue_url, LEASE)
    await backend.enqueue(POLL, ["a"])
    with psycopg.connect(queue_url) as connection:
        connection.execute("COMMENT ON SCHEMA kf_queue IS '1.0.0'")
    assert await queue_database.migrate(queue_url)
    assert jobs(queue_url) == []
    await backend.close()


async def test_job_of_a_dead_worker_is_freed_for_another(queue_url):
    backend, calls = Procrastinate(queue_url, LEASE), Calls()
    calls.go.clear()
    async with serving(backend, calls):
        await backend.enqueue(POLL, ["a"])
        await until(lambda: calls.began == ["a"])
        await backend.free_jobs_of_the_dead()
        assert await backend.waiting() == {}
        with psycopg.connect(queue_url) as connection:
            connection.execute("UPDATE kf_queue.procrastinate_workers SET last_heartbeat = now() - interval '40 s'")
        await backend.free_jobs_of_the_dead()
        await until(lambda: calls.began == ["a", "a"])
        calls.go.set()
        await until(lambda: jobs(queue_url) == [])


async def test_slots_take_over_from_a_queue_without_tables_until_it_works(postgres_url, caplog):
    caplog.set_level("INFO")
    elapsed, calls = Elapsed(), Calls()
    backend = QueueWithFallback(Procrastinate(postgres_url, LEASE, elapsed), PollSlots(), LEASE, elapsed)
    async with serving(backend, calls):
        await backend.enqueue(POLL, ["a"])
        await until(lambda: calls.ended == ["a"])
        assert await backend.waiting() == {POLL: 0}
        await queue_database.migrate(postgres_url)
        await backend.enqueue(POLL, ["b"])  # still in a slot: the queue is left alone for a lease
        await until(lambda: calls.ended == ["a", "b"])
        assert jobs(postgres_url) == []
        elapsed.seconds += FULL_MINUTE
        await backend.enqueue(POLL, ["c"])
        assert await backend.waiting() == {POLL: 1}
    assert len(jobs(postgres_url)) == 1
    assert [record.getMessage() for record in caplog.records if record.name == "bot.queue_backends.fallback"] == [
        'queue failed, polls run in slots error="its tables do not exist: run python -m bot queue migrate"',
        "queue works again",
    ]


async def test_queue_whose_jobs_wait_for_a_lease_fails(queue_url):
    elapsed = Elapsed()
    backend = Procrastinate(queue_url, LEASE, elapsed)
    await backend.enqueue(POLL, ["a", "b"])
    assert await backend.waiting() == {POLL: 2}
    elapsed.seconds = FULL_MINUTE - 1
    await backend.enqueue(POLL, ["c"])
    assert await backend.waiting() == {POLL: 3}
    elapsed.seconds = FULL_MINUTE
    with pytest.raises(QueueError, match="no worker has fetched a job for 60 s"):
        await backend.waiting()
    async with serving(backend, Calls()):
        await until(lambda: jobs(queue_url) == [])
        assert await backend.waiting() == {}
