"""A store behind a pooler in transaction mode: a real PgBouncer, and a relay as strict as unusual poolers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import psycopg
import pytest
import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict

from bot.demo.process import free_port
from bot.doctor import store as doctor_store
from bot.doctor.findings import Finding, Unset
from bot.settings.values import Settings
from bot.store import claims, poll_state
from bot.store.claims import ClaimedPoll
from bot.store.database import Store
from tests.conftest import APPID, NOW, at_now, postgres_database
from tests.pgbouncer import MISSING, PgBouncer, executable, pgbouncer
from tests.programs import give_up_without
from tests.running import answers, bot_in_loop, until, world
from tests.startup_relay import startup_relay

HOUR = timedelta(hours=1)
SESSION = "SELECT pg_backend_pid(), current_setting('TimeZone'), current_setting('statement_timeout')"


@pytest.fixture(scope="module")
def pooler(postgres: str) -> Iterator[PgBouncer]:
    if executable() is None:
        give_up_without(MISSING)
    with pgbouncer(postgres) as running:
        yield running


@pytest.fixture
def pooled_url(pooler: PgBouncer, postgres: str, migrated_postgres: str) -> Iterator[str]:
    """Return the URL of a migrated database behind PgBouncer."""
    with postgres_database(postgres, migrated_postgres) as url:
        yield pooler.url(conninfo_to_dict(url)["dbname"])


@asynccontextmanager
async def stores(url: str, number: int) -> AsyncIterator[list[Store]]:
    """Open several stores at one URL, as if each were of another process."""
    found = [Store.from_url(url, APPID, clock=at_now) for _ in range(number)]
    yield found
    for store in found:
        await store.close()


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def finding(url: str) -> Finding:
    settings = Settings("wx", "secret", "xoxb-1", database_url=url)
    return (await doctor_store.examine(settings, Unset({}))).findings[0]


async def test_processes_that_start_at_once_migrate_an_empty_database(pooler, postgres_url):
    url = pooler.url(conninfo_to_dict(postgres_url)["dbname"])
    async with stores(url, 5) as racing:
        await asyncio.gather(*(store.open() for store in racing))
        async with racing[0].begin() as tx:
            assert (await tx.run(sa.text("SELECT count(*) FROM poll_state"))).scalar_one() == 1


async def test_each_transaction_has_its_settings_on_whatever_connection_the_pooler_gives_it(pooled_url):
    for _ in range(8):  # what other clients of the pooler leave in the sessions that they share
        with psycopg.connect(pooled_url, autocommit=True, prepare_threshold=None) as other:
            other.execute("SET statement_timeout = 150")
            other.execute("SET TimeZone = 'Asia/Tokyo'")

    async def settings(store: Store) -> tuple[object, ...]:
        async with store.begin() as tx:
            await tx.run(sa.text("SELECT pg_sleep(0.2)"))  # longer than the limit that the others set
            return tuple((await tx.run(sa.text(SESSION))).one())

    async with stores(pooled_url, 3) as several:
        found = await asyncio.gather(*(settings(store) for _ in range(3) for store in several))
    assert len({pid for pid, *_ in found}) > 1
    assert {tuple(rest) for _, *rest in found} == {("UTC", "10s")}


async def test_statements_run_on_every_server_connection_however_often_they_come(pooled_url):
    async def poll_at(store: Store, number: int) -> None:
        async with store.begin() as tx:
            await poll_state.load(tx, lock=True)
            await poll_state.schedule_poll(tx, NOW + number * HOUR)

    async with stores(pooled_url, 3) as several:
        await asyncio.gather(*(poll_at(store, 0) for store in several))  # each on a server connection of its own
        for number in range(12):  # the driver would prepare a statement at its fifth execution
            await poll_at(several[0], number)
            async with several[0].begin() as tx:
                assert (await poll_state.load(tx)).next_poll_at == NOW + number * HOUR


async def test_poll_is_claimed_by_one_of_several_processes(pooled_url):
    async def claim(store: Store) -> ClaimedPoll | None:
        async with store.begin() as tx:
            return await claims.claim_one(tx, HOUR)

    async with stores(pooled_url, 4) as several:
        for _ in range(5):
            claimed = await asyncio.gather(*(claim(store) for store in several))
            assert claimed.count(None) == 3
            async with several[0].begin() as tx:
                await poll_state.schedule_poll(tx, NOW)


async def test_store_works_again_after_a_restart_of_the_pooler(postgres_url):
    if executable() is None:
        give_up_without(MISSING)
    with pgbouncer(postgres_url) as own:
        async with stores(own.url(conninfo_to_dict(postgres_url)["dbname"]), 1) as (store,):
            await store.open()
            own.stop()
            own.start()
            async with store.begin() as tx:
                assert (await poll_state.load(tx)).next_poll_at == NOW


async def test_bots_behind_a_pooler_post_an_alert_once(pooled_url):
    async with world(pooled_url) as around:
        key = around.invite("anna")
        async with bot_in_loop(around) as url, bot_in_loop(around, "worker"):
            await until(lambda: answers(f"{url}/readyz"))
            await until(lambda: len(around.wechat.log) > 2)
            around.wechat.reject(key)
            await until(lambda: around.texts)
            polls = len(around.wechat.log)
            await until(lambda: len(around.wechat.log) > polls + 1)
        assert [text.partition(":")[0] for text in around.texts] == ["Rejected"]


async def test_doctor_reads_a_store_behind_a_pooler(pooled_url):
    found = await finding(pooled_url)
    assert (found.verdict, found.said) == ("ok", "PostgreSQL: its tables are up to date")


async def test_options_of_the_url_that_a_pooler_refuses_have_a_remedy(pooled_url):
    found = await finding(f"{pooled_url}?options=-c%20search_path%3Dbots")
    assert "unsupported startup parameter: options" in found.said
    assert "ALTER ROLE" in found.remedy


async def test_database_that_cannot_store_every_name_is_refused_by_doctor_and_startup(pooler, postgres, caplog):
    with postgres_database(postgres, "template0", "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'") as direct:
        pooled = pooler.url(str(conninfo_to_dict(direct)["dbname"]))
        for url in (direct, pooled):
            found = await finding(url)
            assert "has the encoding LATIN1, which cannot store every name" in found.said
            assert "ENCODING 'UTF8'" in found.remedy
        async with world(pooled) as around, bot_in_loop(around) as url:
            await until(lambda: "loop paused loop=watcher" in caplog.text)
            status, text = await get(f"{url}/readyz")
            assert (status, "not suitable" in text) == (503, True)
    assert "cannot store every name" in caplog.text


async def test_startup_packet_has_nothing_that_a_strict_pooler_refuses(postgres_url):
    refused = ("options", "TimeZone", "statement_timeout")
    async with startup_relay(postgres_url, *refused) as relay, stores(relay.url, 1) as (store,):
        await store.open()
        assert await store.check() is None
    assert {name for startup in relay.startups for name in startup} == {"user", "database", "client_encoding"}


async def test_options_of_the_url_are_kept(postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("CREATE SCHEMA bots")
    options = "options=-c%20search_path%3Dbots"
    async with startup_relay(postgres_url) as relay, stores(f"{relay.url}?{options}", 1) as (store,):
        await store.open()
        async with store.begin() as tx:
            place = await tx.run(sa.text("SELECT schemaname FROM pg_tables WHERE tablename = 'poll_state'"))
            assert place.scalars().all() == ["bots"]
    assert {startup["options"] for startup in relay.startups} == {"-c search_path=bots"}


async def test_socket_directory_in_percent_encoding_is_connected_to(postgres_url):
    server = conninfo_to_dict(postgres_url)
    if not str(server.get("host", "")).startswith("/"):
        pytest.skip("the server of TEST_DATABASE_URL is not reached by a socket")
    folder = str(server["host"]).replace("/", "%2F")
    async with stores(f"postgresql://{server['user']}@{folder}/{server['dbname']}", 1) as (store,):
        await store.open()


async def test_first_of_several_hosts_may_be_down_or_a_replica(pooler, postgres, postgres_url):
    database = str(conninfo_to_dict(postgres_url)["dbname"])
    with postgres_database(postgres) as replica, psycopg.connect(replica, autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{admin.info.dbname}" SET default_transaction_read_only = on')
        with pgbouncer(postgres, **{database: admin.info.dbname}) as beside:
            hosts = f"127.0.0.1:{free_port()},127.0.0.1:{beside.port},127.0.0.1:{pooler.port}"
            async with stores(f"postgresql://bot@{hosts}/{database}", 1) as (store,):
                await store.open()
                assert await store.check() is None
