"""Databases as people have them: read-only, full, stopped, failing over, damaged, in another encoding."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import errors as pg
from sqlalchemy.exc import DBAPIError, OperationalError

from bot.store import FaultKind, Store, StoreError, classify, memory
from bot.store.errors import HangingError, waiting_for
from tests.conftest import APPID, NOW, postgres_database, postgres_server

HOUR = timedelta(hours=1)


async def write(store: Store, moment: object = NOW + HOUR) -> None:
    async with store.begin() as tx:
        await memory.poll_at(tx, moment)


async def kind_of_failure(store: Store) -> FaultKind:
    with pytest.raises(StoreError) as failure:
        await write(store)
    return classify(failure.value).kind


@asynccontextmanager
async def opened(url: str, **limits: float) -> AsyncIterator[Store]:
    store = Store.at(url, APPID, **limits)
    await store.open()
    yield store
    await store.close()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (pg.ReadOnlySqlTransaction(), FaultKind.READ_ONLY),
        (pg.DiskFull(), FaultKind.FULL),
        (pg.TooManyConnections(), FaultKind.BUSY),
        (pg.InsufficientPrivilege(), FaultKind.DENIED),
        (pg.InvalidPassword(), FaultKind.DENIED),
        (pg.InvalidCatalogName(), FaultKind.DENIED),
        (pg.UndefinedTable(), FaultKind.SCHEMA),
        (pg.QueryCanceled(), FaultKind.HANGING),
        (pg.AdminShutdown(), FaultKind.UNREACHABLE),
        (pg.CannotConnectNow(), FaultKind.UNREACHABLE),
        (pg.ConnectionFailure(), FaultKind.UNREACHABLE),
        (pg.UniqueViolation(), FaultKind.ROW),
        (pg.NumericValueOutOfRange(), FaultKind.ROW),
        (pg.UntranslatableCharacter(), FaultKind.UNSUITABLE),
        (pg.RaiseException(), FaultKind.ROW),
        (pg.DataCorrupted(), FaultKind.DAMAGED),
        (pg.DeadlockDetected(), FaultKind.BUSY),
        (pg.SyntaxError(), FaultKind.UNKNOWN),
        (psycopg.OperationalError("connection refused"), FaultKind.UNREACHABLE),
    ],
)
def test_errors_of_postgresql_are_classified_by_sqlstate(error, kind):
    wrapped = DBAPIError.instance("SELECT 1", {}, error, psycopg.Error)
    assert classify(wrapped).kind is kind
    assert (waiting_for(wrapped) is None) is (kind is FaultKind.ROW)


def test_other_errors_are_not_of_the_store():
    assert classify(ValueError("x")) is None
    assert waiting_for(KeyError("x")) is None
    assert classify(HangingError("no answer within 10 s")).kind is FaultKind.HANGING
    assert classify(ConnectionResetError()).kind is FaultKind.UNREACHABLE


def test_the_words_are_one_line_without_the_values_of_a_row():
    refused = psycopg.OperationalError("connection failed:\x1b[2J FATAL:  sorry\nIs the server running?")
    assert classify(OperationalError("x", {}, refused)).words == "connection failed: [2J FATAL: sorry"
    values = pg.CheckViolation('new row "小波 bo_example" violates check')
    assert classify(DBAPIError.instance("x", {}, values, psycopg.Error)).words == "CheckViolation 23514"


async def test_a_store_without_the_row_of_the_account_is_not_up_to_date_yet(store_url):
    other = Store.at(store_url, "wxother")  # as after a kill between the migration and the row
    with pytest.raises(StoreError) as failure:
        async with other.begin() as tx:
            await memory.recall(tx)
    assert classify(failure.value).kind is FaultKind.SCHEMA
    await other.close()


async def test_errors_quote_no_parameters(store):
    with pytest.raises(StoreError) as failure:
        async with store.begin() as tx:
            await tx.run(sa.text("SELECT :name FROM nowhere"), {"name": "bo_example"})
    assert "bo_example" not in str(failure.value)


# Writes


async def test_a_store_that_can_only_be_read_is_not_fit(postgres_url):
    async with opened(postgres_url) as store:
        assert await store.check() is None
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            admin.execute(f'ALTER DATABASE "{admin.info.dbname}" SET default_transaction_read_only = on')
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert (await store.check()).kind is FaultKind.READ_ONLY
        assert await kind_of_failure(store) is FaultKind.READ_ONLY


async def test_a_session_that_turned_read_only_is_replaced(postgres_url):
    async with opened(postgres_url) as store:
        await write(store)
        async with store.begin() as tx:
            await tx.run(sa.text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))
        assert await kind_of_failure(store) is FaultKind.READ_ONLY
        await write(store)  # over a new connection, as to the new primary after a failover


async def test_revoked_rights_are_named(postgres_url):
    async with opened(postgres_url) as store:
        await write(store)
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        role = f"reader_{admin.info.dbname}"
        admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
        admin.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
        reader = Store.at(
            f"postgresql://{role}:x@/{admin.info.dbname}?host={admin.info.host}&port={admin.info.port}", APPID
        )
        reader.migrated = True
        fault = await reader.check()
        await reader.close()
        admin.execute(f"DROP OWNED BY {role}")
        admin.execute(f"DROP ROLE {role}")
    assert (fault.kind, fault.words) == (FaultKind.DENIED, "permission denied for table meta")


async def test_a_full_disk_is_named_on_sqlite(tmp_path):
    async with opened(f"sqlite:///{tmp_path}/kf.db") as store:

        async def fill() -> None:
            async with store.begin() as tx:
                pages = (await tx.run(sa.text("PRAGMA page_count"))).scalar_one()
                await tx.run(sa.text(f"PRAGMA max_page_count = {pages}"))
                await tx.run(sa.text("CREATE TABLE more AS SELECT hex(randomblob(100000)) AS x"))

        with pytest.raises(StoreError) as failure:
            await fill()
        assert classify(failure.value).kind is FaultKind.FULL
        store.migrated = True
        assert (await store.check()).kind is FaultKind.FULL  # though an update needs no new page
        assert waiting_for(failure.value) == "full: database or disk is full"


async def test_a_full_disk_is_named_on_postgresql(postgres_url):
    async with opened(postgres_url) as store:
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            admin.execute(
                "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$"
            )
            admin.execute("CREATE TRIGGER t BEFORE UPDATE ON meta FOR EACH ROW EXECUTE FUNCTION full_disk()")
        fault = await store.check()
    assert (fault.kind, fault.words) == (FaultKind.FULL, "could not extend file: No space left on device")


# Silence


@pytest.fixture
def own_server() -> Iterator[str]:
    """A server of this test's own, which may be stopped."""
    with postgres_server() as url:
        yield url


def backends(url: str) -> list[int]:
    with psycopg.connect(url, autocommit=True) as admin:
        return [row[0] for row in admin.execute("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")]


async def test_a_stopped_server_fails_a_transaction_in_time_and_serves_again_when_it_goes_on(own_server):
    async with opened(own_server, seconds=0.5) as store:
        await write(store)
        stopped = backends(own_server)
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(3):
                with pytest.raises(HangingError):
                    await write(store)
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        await write(store)  # over a new connection


async def test_a_statement_of_a_stopped_server_is_given_up_in_the_middle_of_a_transaction(own_server):
    async with opened(own_server, seconds=0.5) as store:
        stopped: list[int] = []

        async def meet_a_stop() -> None:
            async with store.begin() as tx:
                await memory.recall(tx)
                stopped.extend(backends(own_server))
                for pid in stopped:
                    os.kill(pid, signal.SIGSTOP)
                await memory.recall(tx)

        try:
            async with asyncio.timeout(3):
                with pytest.raises(HangingError, match=r"no answer within 0\.5 s"):
                    await meet_a_stop()
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        await write(store)


# Files


async def test_a_log_that_was_removed_loses_nothing(tmp_path, migrated_sqlite):
    path = Path(shutil.copy(migrated_sqlite, tmp_path / "kf.db"))
    async with opened(f"sqlite:///{path}") as store:
        await write(store, NOW + HOUR)
        path.with_name("kf.db-wal").unlink()
        await write(store, NOW + 3 * HOUR)
        async with store.begin() as tx:
            await tx.run(sa.text("UPDATE meta SET accounts = 7"))
    with closing(sqlite3.connect(path)) as other:  # as a process that starts later
        assert other.execute("SELECT next_poll_at, accounts FROM meta").fetchone() == (
            "2026-11-23 04:12:00.000000",
            7,
        )


@pytest.mark.parametrize("damage", [b"", b"not a database" * 600], ids=["truncated", "malformed"])
async def test_a_damaged_file_is_named_and_used_again_when_it_is_restored(tmp_path, migrated_sqlite, damage):
    path = Path(shutil.copy(migrated_sqlite, tmp_path / "kf.db"))
    async with opened(f"sqlite:///{path}") as store:
        await write(store)
        async with store.begin() as tx:
            await tx.run(sa.text("SELECT 1"))
        good = await asyncio.to_thread(path.read_bytes)
        await asyncio.to_thread(path.write_bytes, damage)
        for log in tmp_path.glob("kf.db-*"):
            log.unlink()
        kinds = set()
        for _ in range(3):
            try:
                await store.open()
                await write(store)
            except StoreError as exc:
                kinds.add(classify(exc).kind)
        if damage:
            assert FaultKind.DAMAGED in kinds
            await asyncio.to_thread(path.write_bytes, good)
            await store.open()
        await write(store)
        assert await store.check() is None


# Encodings


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
async def test_a_database_keeps_every_name_or_is_refused(postgres, encoding):
    options = f"ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
    with postgres_database(postgres, "template0", options) as url:
        store = Store.at(url, APPID)
        if encoding == "SQL_ASCII":
            await store.open()
            async with store.begin() as tx:
                await tx.run(sa.text("UPDATE meta SET held = '小波 👩‍👩‍👧‍👦'"))
                assert (await memory.recall(tx)).held == "小波 👩‍👩‍👧‍👦"
            assert await store.check() is None
        else:
            with pytest.raises(StoreError) as failure:
                await store.open()
            assert waiting_for(failure.value) == (
                "unsuitable: the database has the encoding LATIN1, which cannot store every name; it needs UTF8"
            )
            assert (await store.check()).kind is FaultKind.UNSUITABLE
        await store.close()
