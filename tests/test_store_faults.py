"""Databases as people have them: read-only, full, stopped, failing over, damaged, in another encoding."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, suppress
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from bot.runtime.logs import LineFormatter
from bot.runtime.tasks import BackgroundTasks, PeriodicTask
from bot.store import poll_state
from bot.store.database import Store
from bot.store.store_errors import FaultKind, HangingError, StoreError, classify, waiting_for
from tests.conftest import APPID, NOW, postgres_database, postgres_server
from tests.for_each import for_each
from tests.running import World, answers, bot_in_loop, sqlite, until, world
from tests.startup_relay import startup_relay

pytestmark = pytest.mark.driver_thread

HOUR = timedelta(hours=1)


async def write(store: Store, moment: object = NOW + HOUR) -> None:
    async with store.begin() as tx:
        await poll_state.schedule_poll(tx, moment)


async def kind_of_failure(store: Store) -> FaultKind:
    with pytest.raises(StoreError) as failure:
        await write(store)
    return classify(failure.value).kind


@asynccontextmanager
async def opened(url: str, **limits: float) -> AsyncIterator[Store]:
    store = Store.from_url(url, APPID, **limits)
    await store.open()
    yield store
    await store.close()


@pytest.fixture(scope="module")
def own_server() -> Iterator[str]:
    """Start a server for these tests, which may be stopped."""
    with postgres_server() as url:
        yield url


@for_each(
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
        (pg.ConnectionTimeout("connection timeout expired"), FaultKind.HANGING),
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
    assert waiting_for(PoolTimeoutError("QueuePool limit")) == "hanging: all connections are in use"


async def test_wait_for_a_free_connection_does_not_make_the_tables_be_checked_again(tmp_path, monkeypatch):
    monkeypatch.setattr("bot.store.engine.QUEUE_SECONDS", 0.05)
    store = Store.from_url(f"sqlite:///{tmp_path / 'kf.db'}", APPID)
    try:
        await store.open()
        async with store.begin():
            with pytest.raises(PoolTimeoutError):
                await store.begin().__aenter__()
        assert store.fault is not None
        assert store.migrated
    finally:
        await store.close()


def test_text_of_an_error_is_one_line_without_row_values():
    refused = psycopg.OperationalError("connection failed:\x1b[2J FATAL:  sorry\nIs the server running?")
    assert classify(OperationalError("x", {}, refused)).words == "connection failed: [2J FATAL: sorry"
    values = pg.CheckViolation('new row "小波 bo_example" violates check')
    assert classify(DBAPIError.instance("x", {}, values, psycopg.Error)).words == "CheckViolation 23514"


async def test_store_without_the_row_of_the_account_is_not_up_to_date_yet(store_url):
    other = Store.from_url(store_url, "wxother")  # as after a kill between the migration and the row
    with pytest.raises(StoreError) as failure:
        async with other.begin() as tx:
            await poll_state.load(tx)
    assert classify(failure.value).kind is FaultKind.SCHEMA
    await other.close()


async def test_errors_quote_no_parameters(store):
    with pytest.raises(StoreError) as failure:
        async with store.begin() as tx:
            await tx.run(sa.text("SELECT :name FROM nowhere"), {"name": "bo_example"})
    assert "bo_example" not in str(failure.value)


@pytest.mark.parametrize("form", ["text", "json"])
async def test_traceback_of_a_refused_row_has_no_value_of_it(store, caplog, form):
    async def write_names() -> None:
        async with store.begin() as tx:
            for _ in range(2):
                name = {"id": "小波 bo_example"}
                await tx.run(
                    sa.text("INSERT INTO emitted_event VALUES (:id, 'k', 0, 'posted', '2026-11-23', NULL)"), name
                )

    tasks = BackgroundTasks()
    tasks.start(write_names())
    await tasks.drain(5)
    (record,) = (record for record in caplog.records if record.name == "bot.runtime.tasks")
    line = LineFormatter([], form).format(record)
    assert "IntegrityError" in line
    assert "INSERT INTO emitted_event" in line
    assert "小波" not in line
    assert "bo_example" not in line


# Writes


async def test_read_only_store_is_not_ready(postgres_url):
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


async def test_failover_is_followed_by_the_next_transaction(own_server, postgres_url):
    database = str(conninfo_to_dict(postgres_url)["dbname"])
    with psycopg.connect(own_server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {database}")
        old = f"{own_server.partition('?')[0].rsplit('/', 1)[0]}/{database}?{own_server.partition('?')[2]}"
        async with startup_relay(old) as relay, opened(relay.url) as store, opened(postgres_url) as new:
            await asyncio.gather(*(write(store, NOW) for _ in range(4)))  # so that several connections are idle
            admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            admin.execute("SELECT pg_reload_conf()")
            relay.lead_to(postgres_url)

            async def is_written() -> bool:
                await write(store, NOW + HOUR)
                async with new.begin() as tx:
                    return (await poll_state.load(tx)).next_poll_at == NOW + HOUR

            await until(is_written)  # a session turns read-only a moment after the reload; no write fails
        admin.execute("ALTER SYSTEM RESET default_transaction_read_only")
        admin.execute("SELECT pg_reload_conf()")


async def test_idle_connections_to_a_server_that_turned_read_only_are_left_without_an_error(postgres_url):
    async with opened(postgres_url) as store:
        await asyncio.gather(*(write(store) for _ in range(4)))
        for _ in range(2):
            async with store.begin() as tx:
                await tx.run(sa.text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))
        await write(store)


async def test_connection_that_comes_while_its_caller_is_cancelled_returns_to_the_pool(postgres_url):
    out: list[object] = []

    def cancel_caller(_driver: object, record: object, _proxy: object) -> None:
        out.append(record)
        asyncio.get_running_loop().call_soon(caller.cancel)  # before the caller has its connection

    def note_return(_driver: object, record: object) -> None:
        out.remove(record)

    async with opened(postgres_url) as store:
        await write(store)
        sa.event.listen(sa.pool.Pool, "checkout", cancel_caller)
        sa.event.listen(sa.pool.Pool, "checkin", note_return)
        try:
            caller = asyncio.create_task(write(store))
            with pytest.raises(asyncio.CancelledError):
                await caller
        finally:
            sa.event.remove(sa.pool.Pool, "checkout", cancel_caller)
            sa.event.remove(sa.pool.Pool, "checkin", note_return)
        assert out == []


async def test_revoked_rights_are_named(postgres_url):
    async with opened(postgres_url) as store:
        await write(store)
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        role = f"reader_{admin.info.dbname}"
        admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
        admin.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
        reader = Store.from_url(
            f"postgresql://{role}:x@/{admin.info.dbname}?host={admin.info.host}&port={admin.info.port}", APPID
        )
        reader.migrated = True
        fault = await reader.check()
        await reader.close()
        admin.execute(f"DROP OWNED BY {role}")
        admin.execute(f"DROP ROLE {role}")
    assert (fault.kind, fault.words) == (FaultKind.DENIED, "permission denied for table poll_state")


async def test_full_disk_is_named_on_sqlite(tmp_path):
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


# PostgreSQL reports a full disk as SQLSTATE 53100, whatever file could not grow, and the bot knows it only by that.
# So a trigger that raises it is as good. On SQLite, `max_page_count` ends in the SQLITE_FULL of a full disk.
async def test_full_disk_is_named_on_postgresql(postgres_url):
    async with opened(postgres_url) as store:
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            admin.execute(
                "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$"
            )
            admin.execute("CREATE TRIGGER t BEFORE UPDATE ON poll_state FOR EACH ROW EXECUTE FUNCTION full_disk()")
        fault = await store.check()
    assert (fault.kind, fault.words) == (FaultKind.FULL, "could not extend file: No space left on device")


# Silence


def backends(url: str) -> list[int]:
    with psycopg.connect(url, autocommit=True) as admin:
        return [row[0] for row in admin.execute("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")]


async def test_stopped_server_fails_a_transaction_in_time_and_serves_again_when_it_goes_on(own_server):
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


async def test_statement_of_a_stopped_server_is_given_up_in_the_middle_of_a_transaction(own_server):
    async with opened(own_server, seconds=0.5) as store:
        stopped: list[int] = []

        async def meet_a_stop() -> None:
            async with store.begin() as tx:
                await poll_state.load(tx)
                stopped.extend(backends(own_server))
                for pid in stopped:
                    os.kill(pid, signal.SIGSTOP)
                await poll_state.load(tx)

        try:
            async with asyncio.timeout(3):
                with pytest.raises(HangingError, match=r"no answer within 0\.5 s"):
                    await meet_a_stop()
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        await write(store)


async def test_loop_names_a_stopped_server_within_its_limit_and_goes_on_afterwards(own_server, caplog):
    caplog.set_level("INFO")
    async with opened(own_server, seconds=0.3) as store:
        loop = PeriodicTask("watcher", lambda: write(store), 0.01, waiting_for=waiting_for)
        task = asyncio.create_task(loop.run())
        stopped = backends(own_server)
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            await until(lambda: "loop paused" in caplog.text, within=3)
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        await until(lambda: "loop recovered" in caplog.text, within=3)
        loop.stop()
        await task
    assert [record.message for record in caplog.records if record.name == "bot.runtime.tasks"] == [
        'loop paused loop=watcher error="hanging: no answer within 0.3 s"',
        "loop recovered loop=watcher",
    ]


# Files


async def test_log_that_was_removed_loses_nothing(tmp_path, migrated_sqlite):
    path = Path(shutil.copy(migrated_sqlite, tmp_path / "kf.db"))
    async with opened(f"sqlite:///{path}") as store:
        await write(store, NOW + HOUR)
        path.with_name("kf.db-wal").unlink()
        await write(store, NOW + 3 * HOUR)
        async with store.begin() as tx:
            await tx.run(sa.text("UPDATE poll_state SET accounts = 7"))
    with closing(sqlite3.connect(path)) as other:  # as a process that starts later
        assert other.execute("SELECT next_poll_at, accounts FROM poll_state").fetchone() == (
            "2026-11-23 04:12:00.000000",
            7,
        )


async def test_log_that_was_removed_under_two_processes_loses_nothing(tmp_path, migrated_sqlite):
    path = Path(shutil.copy(migrated_sqlite, tmp_path / "kf.db"))
    async with opened(f"sqlite:///{path}") as one, opened(f"sqlite:///{path}") as other:
        await add_event(one, "1")
        await add_event(other, "2")
        path.with_name("kf.db-wal").unlink()
        kept = {number for number in range(3, 9) if await is_added((one, other)[number % 2], str(number))}
        assert len(kept) > 4
        copy_files(tmp_path, tmp_path / "left")
    with closing(sqlite3.connect(tmp_path / "left" / "kf.db")) as later:
        assert {int(key) for (key,) in later.execute("SELECT kind FROM emitted_event")} == {1, 2, *kept}
        assert later.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def add_event(store: Store, key: str) -> None:
    async with store.begin() as tx:
        await tx.run(sa.text(f"INSERT INTO emitted_event VALUES ('e', '{key}', 0, 'posted', '2026-11-23', NULL)"))


async def is_added(store: Store, key: str) -> bool:
    with suppress(*StoreError):
        await add_event(store, key)
        return True
    return False


@pytest.mark.parametrize("kept", [0, 1, 5], ids=["empty", "one page", "five pages"])
async def test_file_that_was_cut_under_a_connection_is_noticed_by_the_next_transaction(
    tmp_path, migrated_sqlite, kept
):
    path = Path(shutil.copy(migrated_sqlite, tmp_path / "kf.db"))
    async with opened(f"sqlite:///{path}") as store:
        await write(store)  # all pages are in memory now
        await asyncio.to_thread(os.truncate, path, kept * 4096)
        assert await kind_of_failure(store) is (FaultKind.DAMAGED if kept else FaultKind.SCHEMA)
        assert not store.migrated
        if not kept:
            await store.open()  # as a new one
            await write(store)


async def test_pages_that_were_overwritten_under_a_connection_are_noticed_though_no_query_reads_them(
    tmp_path, migrated_sqlite
):
    path = Path(shutil.copy(migrated_sqlite, tmp_path / "kf.db"))
    async with opened(f"sqlite:///{path}") as store:
        await write(store)
        pages = await asyncio.to_thread(path.read_bytes)
        await asyncio.to_thread(path.write_bytes, pages[:-4096] + b"x" * 4096)
        threads = threading.active_count()
        for _ in range(3):
            assert await kind_of_failure(store) is FaultKind.DAMAGED
            assert (await store.check()).kind is FaultKind.DAMAGED
        assert threading.active_count() <= threads


def overwrite(path: Path, content: bytes) -> None:
    """Write over the file without emptying it first: an empty file is a new database, and gets its tables."""
    with path.open("r+b") as file:
        file.write(content)


@pytest.mark.server
async def test_damaged_store_is_named_and_alerts_are_not_repeated_once_it_is_moved_away(tmp_path, caplog):
    caplog.set_level("INFO")
    path = tmp_path / "kf.db"
    async with world(f"sqlite:///{path}") as around:
        key = around.invite("anna")
        async with bot_in_loop(around):
            await polled(around)
            around.wechat.reject(key)
            await until(lambda: around.texts)
        async with bot_in_loop(around) as url:
            await until(lambda: answers(f"{url}/readyz"))
            await asyncio.to_thread(overwrite, path, b"not a database" * 5000)
            await until(lambda: 'loop paused loop=watcher error="damaged: file is not a database"' in caplog.text)
            assert await answers(f"{url}/readyz", 503)
            for file in tmp_path.glob("kf.db*"):
                file.unlink()
            await polled(around)
            await until(lambda: answers(f"{url}/readyz"))
        assert [text.partition(":")[0] for text in around.texts] == ["Rejected"]


@pytest.mark.server
async def test_alert_is_not_repeated_after_a_kill_that_follows_the_loss_of_the_log(sqlite_url, tmp_path):
    left = tmp_path / "left"
    async with world(sqlite_url) as around:
        key = around.invite("anna")
        async with bot_in_loop(around):
            await polled(around)  # at its end all is in the file itself
        async with bot_in_loop(around):
            around.wechat.reject(key)
            await until(lambda: around.texts)
            await settled(tmp_path)
            (tmp_path / "kf.db-wal").unlink()
            await polled(around)
            copy_files(tmp_path, left)
        async with bot_in_loop(around, DATABASE_URL=sqlite(left)):
            await polled(around)
        assert [text.partition(":")[0] for text in around.texts] == ["Rejected"]


def copy_files(folder: Path, other: Path) -> None:
    """Keep what a kill at this moment leaves."""
    other.mkdir()
    for file in folder.glob("kf.db*"):
        shutil.copy(file, other)


async def polled(around: World) -> None:
    """Wait until one more poll has been made and its events recorded."""
    before = len(around.wechat.log)
    await until(lambda: len(around.wechat.log) > before)
    await asyncio.sleep(0.2)


async def settled(folder: Path) -> None:
    """Wait until each message that was posted is recorded as such."""

    def is_settled() -> bool:
        with closing(sqlite3.connect(folder / "kf.db")) as reader:
            return reader.execute("SELECT count(*) FROM message WHERE status <> 'sent'").fetchone() == (0,)

    await until(is_settled)


@pytest.mark.parametrize("damage", [b"", b"not a database" * 600], ids=["truncated", "malformed"])
async def test_damaged_file_is_named_and_used_again_when_it_is_restored(tmp_path, migrated_sqlite, damage):
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
async def test_database_keeps_every_name_or_is_refused(postgres, encoding):
    options = f"ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
    with postgres_database(postgres, "template0", options) as url:
        store = Store.from_url(url, APPID)
        if encoding == "SQL_ASCII":
            await store.open()
            async with store.begin() as tx:
                await tx.run(sa.text("UPDATE poll_state SET appid = '小波 👩‍👩‍👧‍👦'"))
                assert (await tx.run(sa.text("SELECT appid FROM poll_state"))).scalar() == "小波 👩‍👩‍👧‍👦"
            assert await store.check() is None
        else:
            with pytest.raises(StoreError) as failure:
                await store.open()
            assert waiting_for(failure.value) == (
                "unsuitable: the database has the encoding LATIN1, which cannot store every name; it needs UTF8"
            )
            assert (await store.check()).kind is FaultKind.UNSUITABLE
        await store.close()
