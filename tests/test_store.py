"""Opening a store: URLs as hosts give them, races, rollbacks, and an unreachable store."""

from __future__ import annotations

import asyncio
import importlib
import shutil
import sqlite3
import sys
import textwrap
import threading
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from bench.seed_history import fill
from bot.runtime.tasks import with_timeout
from bot.store import episodes, poll_state, published, stats, tenants
from bot.store.async_engines import AsyncEngine
from bot.store.database import Store
from bot.store.engine import MIGRATION_LOCK, known_revisions, make_engine
from bot.store.partial_indexes import metadata
from bot.store.postgres import connection_parameters
from bot.store.sanitizing import sanitize_account
from bot.store.store_errors import StoreError
from bot.store.tables import poll_state as poll_state_table
from bot.store.tenants import StoredTenant
from tests.accounts import account, invited
from tests.conftest import APPID, NOW, at_now
from tests.for_each import for_each
from tests.old_stores import migrate_to
from tests.running import until

pytestmark = pytest.mark.driver_thread

HOUR = timedelta(hours=1)
ROOT = Path(__file__).parents[1]


@for_each(
    ("url", "expected"),
    [
        ("postgres://u:p@db.example.com/kf", {"host": "db.example.com", "password": "p", "sslmode": "require"}),
        ("postgresql://u@db.example.com:5433/kf", {"port": "5433", "dbname": "kf", "sslmode": "require"}),
        ("postgresql+psycopg://u@h/kf?sslmode=verify-full", {"sslmode": "verify-full"}),
        ("postgresql://u@h/kf?sslmode=disable", {"sslmode": "disable"}),
        ("postgresql://u@localhost/kf", {"host": "localhost", "sslmode": None}),
        ("postgresql://u@127.0.0.1/kf", {"sslmode": None}),
        ("postgresql://u@[::1]/kf", {"host": "::1", "sslmode": None}),
        ("postgresql:///kf", {"host": None, "sslmode": None}),
        ("postgresql://u@/kf?host=/run/pg", {"host": "/run/pg", "sslmode": None}),
        ("postgresql://u@/kf?host=db", {"host": "db", "sslmode": "require"}),
        ("postgresql://u@/kf?host=localhost", {"sslmode": None}),
        ("postgresql://%2Fvar%2Frun%2Fpg/kf", {"host": "/var/run/pg", "sslmode": None}),
        (
            "postgresql://u@h1:5432,h2:5433/kf?target_session_attrs=read-write",
            {"host": "h1,h2", "port": "5432,5433", "target_session_attrs": "read-write", "sslmode": "require"},
        ),
        ("postgresql://u@localhost,db2/kf", {"sslmode": "require"}),
        ("postgresql://u@h/kf?options=-csearch_path%3Dkf", {"options": "-csearch_path=kf"}),
        ("postgresql://u@h/kf?options=endpoint%3Dquiet-sea-1", {"options": "endpoint=quiet-sea-1"}),
        ("postgresql://u@h/kf?connect_timeout=2", {"connect_timeout": "2"}),
    ],
)
def test_url_is_read_as_libpq_does_and_a_remote_host_gets_tls(url, expected):
    parameters = connection_parameters(url)
    assert {name: parameters.get(name) for name in expected} == expected
    assert parameters["prepare_threshold"] is None
    assert parameters["client_encoding"] == "utf8"
    assert "options" in expected or "options" not in parameters


async def test_rows_of_a_thousand_accounts_are_written_a_few_hundred_at_a_time(store):
    written = []

    def note(_connection, _cursor, statement, parameters, _context, executemany):
        if executemany:
            written.append((statement.split()[2], len(parameters)))

    appids = [f"wx-{number}" for number in range(1200)]
    loaded = [StoredTenant(appid, appid, "", "file") for appid in appids]
    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        store.include(appids)
        await store.open()
        async with store.begin() as tx:
            await tenants.record(tx, loaded)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert max(number for _, number in written) == 500
    async with store.begin() as tx:
        assert {one.appid for one in await tenants.load(tx)} == {*appids}


async def test_migrations_make_exactly_the_tables_of_the_code(empty_url):
    store = Store.from_url(empty_url, APPID, clock=at_now)
    await store.open()
    async with store.begin() as tx:
        assert await tx.connection.run_sync(_differences) == []
    await store.close()


def _differences(connection: sa.Connection) -> list[object]:
    # The same moment is spelled differently in the code and in the migration.
    context = MigrationContext.configure(connection, opts={"compare_type": False})
    return list(compare_metadata(context, metadata))


async def test_store_may_be_opened_again_and_again(empty_url):
    store = Store.from_url(empty_url, APPID, clock=at_now)
    for _ in range(3):
        await store.open()
    async with store.begin() as tx:
        assert (await tx.run(sa.select(sa.func.count()).select_from(poll_state_table))).scalar_one() == 1
    await store.close()


async def test_commit_on_sqlite_waits_for_the_disk(tmp_path):
    engine, found = make_engine(f"sqlite:///{tmp_path / 'kf.db'}"), list[int]()

    @sa.event.listens_for(engine.sync_engine, "connect")
    def read(connection: Any, _record: object) -> None:  # before write_without_waiting of tests/conftest.py
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous")
        found.append(cursor.fetchone()[0])

    async with engine.begin():
        pass
    await engine.dispose()
    assert found == [2]  # FULL


def test_revisions_are_those_that_alembic_walks():
    config = Config()
    config.set_main_option("script_location", "bot.store:migrations")
    scripts = ScriptDirectory.from_config(config).walk_revisions()
    assert known_revisions() == tuple(script.revision for script in scripts)


def test_package_of_the_engines_is_executed_for_a_name_that_it_lacks():
    package = importlib.import_module("sqlalchemy.ext.asyncio")
    assert package.AsyncSession.__name__ == "AsyncSession"
    assert package.AsyncEngine is AsyncEngine
    with pytest.raises(AttributeError, match="of_tomorrow"):
        _ = package.of_tomorrow


async def test_store_of_the_revision_before_is_migrated(tmp_path):
    url, (newest, before, *_) = f"sqlite:///{tmp_path / 'kf.db'}", known_revisions()
    await migrate_to(url, before)
    store = Store.from_url(url, APPID, clock=at_now)
    await store.open()
    async with store.begin() as tx:
        assert (await tx.run(sa.text("SELECT version_num FROM alembic_version"))).scalar_one() == newest
    await store.close()


async def test_first_migration_waits_for_that_of_another_process(postgres_url):
    store = Store.from_url(postgres_url, APPID, clock=at_now)
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        opening = asyncio.create_task(store.open())

        def waits() -> bool:
            found = other.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            return found.fetchone() == (1,)

        await until(waits, within=10)
        assert other.execute("SELECT to_regclass('poll_state')").fetchone() == (None,)
        assert not opening.done()
        other.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])
        await opening
        assert other.execute("SELECT to_regclass('poll_state')").fetchone() != (None,)
    await store.close()


async def test_stores_that_are_opened_at_once_are_migrated_once(empty_url):
    stores = [Store.from_url(empty_url, APPID, clock=at_now) for _ in range(2)]
    await asyncio.gather(*(store.open() for store in stores))
    assert [await store.check() for store in stores] == [None, None]
    for store in stores:
        await store.close()


@pytest.mark.test_all  # the test above fails for what it finds
@pytest.mark.process
async def test_processes_that_start_at_once_all_open_it(empty_url):
    program = textwrap.dedent(
        """
        import asyncio, sys
        from datetime import UTC, datetime
        from bot.store.database import Store

        async def main():
            store = Store.from_url(sys.argv[1], "wx")
            await store.open()
            assert await store.check() is None
            await store.close()

        asyncio.run(main())
        """
    )
    starts = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", program, empty_url, cwd=ROOT) for _ in range(6)
    ]
    assert {await start.wait() for start in starts} == {0}


async def test_release_that_was_rolled_back_to_finds_a_newer_store_and_goes_on(store):
    async with store.begin() as tx:
        await tx.run(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    await store.open()
    assert await store.check() is None


async def test_store_whose_tables_vanish_is_not_ready_until_it_is_opened_again(store):
    async with store.begin() as tx:
        for table in (*metadata.tables, "alembic_version"):
            await tx.run(sa.text(f"DROP TABLE {table}"))
    assert await store.check()
    await store.open()
    assert await store.check() is None


async def test_database_opens_the_rows_of_every_account_that_uses_it(empty_url):
    harbour = Store.from_url(empty_url, "wx-harbour")
    await harbour.open()
    kiosk = harbour.of("wx-kiosk", "")
    assert (harbour.migrated, kiosk.migrated) == (False, False)  # the new account has no row yet
    await harbour.open()
    assert kiosk.migrated
    for one in (harbour, kiosk):
        async with one.begin() as tx:
            assert (await poll_state.load(tx)).watching_since is None
    assert harbour.of("wx-kiosk", "").migrated
    await harbour.close()


async def test_store_that_works_again_after_a_fault_does_not_lack_tables(store):
    await store.open()
    with pytest.raises(StoreError):
        async with store.begin() as tx:
            await tx.run(sa.text("SELECT nothing FROM nowhere"))
    assert not store.migrated
    assert await store.check() is None


async def test_unreachable_store_raises_store_unavailable(tmp_path):
    for url in (f"sqlite:///{tmp_path}/nowhere/kf.db", "postgresql://kf@127.0.0.1:9/kf"):
        store = Store.from_url(url, APPID, clock=at_now)
        with pytest.raises(StoreError):
            await store.open()
        assert await store.check()
        await store.close()


async def test_failed_transaction_leaves_nothing(store):
    async def fail() -> None:
        async with store.begin() as tx:
            await poll_state.schedule_poll(tx, NOW.replace(year=2030))
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        await fail()
    async with store.begin() as tx:
        assert (await poll_state.load(tx)).next_poll_at == NOW


async def test_two_transactions_on_one_account_wait_for_each_other(store, store_url):
    other = Store.from_url(store_url, APPID, clock=at_now)
    order = []

    async def second() -> None:
        async with other.begin() as tx:
            await poll_state.load(tx, lock=True)
            order.append("second")

    async with store.begin() as tx:
        await poll_state.load(tx, lock=True)
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0.2)
        order.append("first")
    await waiting
    await other.close()
    assert order == ["first", "second"]


async def test_sqlite_is_opened_for_several_processes(tmp_path):
    store = Store.from_url(f"sqlite:///{tmp_path}/kf.db", APPID, clock=at_now)
    await store.open()
    await store.close()
    with sqlite3.connect(tmp_path / "kf.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_unstorable_account_is_sanitized_and_others_stay_unchanged():
    odd = sanitize_account(invited("b\0o", wx="bo\ud800", status="wai\0ting", kf_openid="\0"))
    assert (odd.kf_account, odd.invitation.invite_wx, odd.invitation.status) == ("bo@harbour_tea", "bo?", "waiting")
    assert odd.kf_openid is None
    assert sanitize_account(account()) == account()


async def test_removed_database_file_is_noticed_and_created_again(tmp_path, migrated_sqlite):
    path = shutil.copy(migrated_sqlite, tmp_path / "kf.db")
    store = Store.from_url(f"sqlite:///{path}", APPID, clock=at_now)
    await store.open()
    for part in tmp_path.glob("kf.db*"):
        part.unlink()
    with pytest.raises(StoreError):  # the connection still has the old file open, so its writes would be lost
        await _poll_at(store, NOW + HOUR)
    assert not store.migrated
    await store.open()
    await _poll_at(store, NOW + HOUR)
    other = Store.from_url(f"sqlite:///{path}", APPID, clock=at_now)
    async with other.begin() as tx:
        assert (await poll_state.load(tx)).next_poll_at == NOW + HOUR
    await other.close()
    await store.close()


async def test_cancelled_wait_for_a_locked_database_blocks_no_other_caller(tmp_path, migrated_sqlite):
    path = shutil.copy(migrated_sqlite, tmp_path / "kf.db")
    store = Store.from_url(f"sqlite:///{path}", APPID, clock=at_now)
    await store.open()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await with_timeout(_poll_at(store, NOW), 0.1)
    other.execute("ROLLBACK")
    other.close()
    await with_timeout(_poll_at(store, NOW + HOUR), 3)
    await store.close()


async def test_many_transactions_at_once_wait_for_each_other_in_one_connection(tmp_path, migrated_sqlite):
    store = Store.from_url(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'kf.db')}", APPID, clock=at_now)
    await store.open()
    threads = threading.active_count()
    await asyncio.gather(*(_poll_at(store, NOW) for _ in range(50)))
    assert threading.active_count() == threads
    await store.close()


async def _poll_at(store: Store, when: datetime) -> None:
    async with store.begin() as tx:
        await poll_state.schedule_poll(tx, when)


async def test_closed_episodes_do_not_lengthen_queries(tmp_path, migrated_sqlite):
    path = shutil.copy(migrated_sqlite, tmp_path / "kf.db")
    store = Store.from_url(f"sqlite:///{path}", APPID, clock=at_now)
    before = await _steps(store, path)
    await fill(store, APPID, 3000)
    after = await _steps(store, path)
    await store.close()
    assert {name: after[name] for name in after if after[name] > before[name] + 1000} == {}


async def _steps(store: Store, path: Path) -> dict[str, int]:
    """Return by query the number of SQLite machine steps."""
    asked: list[tuple[str, Any]] = []
    engine = store._database.engine.sync_engine
    note = partial(sa.event.listen, engine, "before_cursor_execute")
    note(lambda _connection, _cursor, statement, values, *_: asked.append((statement, values)))
    questions = {
        "is_latest": lambda tx: episodes.latest(tx, ["kf1@harbour_tea", "kf2@harbour_tea"]),
        "due": lambda tx: episodes.with_due_timers(tx, NOW),
        "snoozed": episodes.snoozed,
        "earlier": lambda tx: episodes.previous(tx, [("kf1@harbour_tea", "bo")]),
        "with ids": lambda tx: episodes.get_many(tx, ["a", "b"]),
        "living": lambda tx: published.editable(tx, NOW),
        "waiting": lambda tx: stats.is_any_unsent(tx),
    }
    steps = dict.fromkeys(questions, 0)
    with closing(sqlite3.connect(path)) as connection:
        for name, question in questions.items():
            asked.clear()
            async with store.begin() as tx:
                await question(tx)

            def count(name: str = name) -> None:
                steps[name] += 10

            connection.set_progress_handler(count, 10)
            for statement, values in asked:
                if statement.startswith("SELECT"):
                    connection.execute(statement, values).fetchall()
    return steps
