"""The doctor's findings about a database, which it does not change."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sqlite3
import uuid
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from bot.doctor import operations
from bot.doctor import store as examination
from bot.doctor.findings import Finding, Unset
from bot.settings.values import Settings
from bot.store import interface_refusals
from bot.store.database import Store
from bot.store.engine import make_engine
from bot.store.inspection import Schema, inspect, read_only_stores
from bot.store.interface_refusals import InterfaceRefusal
from bot.store.store_errors import DevelopmentSchemaError
from bot.tenants.tenant import of_environment
from tests.conftest import APPID, at_now

pytestmark = pytest.mark.mostly_sqlite

UNSET = Unset.of([])
LEFT = {"wechat_secret": "secret", "slack_bot_token": "xoxb-1"}


async def finding(url: str, *, hosted_by: str = "", within: float = 10) -> Finding:
    settings = Settings("wx", "secret", "xoxb-1", database_url=url, hosted_by=hosted_by)
    [found] = (await examination.examine(settings, UNSET, within=within)).findings
    return found


async def change(url: str, *statements: str) -> None:
    engine = make_engine(url)
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(sa.text(statement))
    await engine.dispose()


async def tables(url: str) -> list[str]:
    engine = make_engine(url)
    async with engine.connect() as connection:
        names = await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names())
    await engine.dispose()
    return names


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def test_empty_or_absent_store_is_fine_and_stays_so(empty_url, tmp_path):
    found = await finding(empty_url)
    assert (found.verdict, found.remedy) == ("ok", "")
    assert found.said.endswith("nothing is in it yet, the first start makes the tables")
    assert contents(tmp_path) == {}
    if not empty_url.startswith("sqlite"):
        assert await tables(empty_url) == []


async def test_store_of_this_release_is_up_to_date_and_stays_as_it_is(store_url, tmp_path):
    before = contents(tmp_path)
    found = await finding(store_url)
    assert (found.verdict, found.said.endswith("its tables are up to date")) == ("ok", True)
    assert contents(tmp_path) == before


@pytest.mark.both_stores
async def test_store_in_use_is_read_beside_the_running_bot(store, store_url):
    async with store.begin() as tx:
        await tx.run(sa.text("INSERT INTO emitted_event VALUES ('e', 'k', 0, 'posted', '2026-11-23', NULL)"))
        assert (await inspect(store_url)).schema is Schema.PRESENT


@pytest.mark.both_stores
@pytest.mark.parametrize(
    ("statements", "verdict", "said"),
    [
        (["UPDATE alembic_version SET version_num = '9999'"], "ok", "a newer release was here"),
        (
            ["UPDATE alembic_version SET version_num = 'abc'", "DROP TABLE emitted_event"],
            "wrong",
            "another program",
        ),
        (["DROP TABLE emitted_event"], "wrong", "has lost tables"),
        (["DROP TABLE alembic_version"], "wrong", "belongs to another program"),
    ],
)
async def test_migration_state_of_a_store_is_reported(store_url, statements, verdict, said):
    await change(store_url, *statements)
    found = await finding(store_url)
    assert (found.verdict, said in found.said) == (verdict, True)
    assert verdict == "ok" or "a database of its own" in found.remedy


@pytest.mark.both_stores
async def test_store_of_a_development_version_is_wrong_and_left_as_it_is(store_url):
    await change(store_url, "UPDATE alembic_version SET version_num = '0010'")
    found = await finding(store_url)
    assert (found.verdict, "made by a development version before 1.0.0" in found.said) == ("wrong", True)
    assert found.remedy.startswith("Move it away, or name another database in DATABASE_URL")
    store = Store.from_url(store_url, APPID, clock=at_now)
    with pytest.raises(DevelopmentSchemaError, match=r"before 1\.0\.0 and is not modified"):
        await store.open()
    await store.close()
    assert "made by a development version" in (await finding(store_url)).said


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("missing/kf.db", "No such file or directory"),
        ("folder", "Is a directory"),
        ("file/kf.db", "Not a directory"),
    ],
)
async def test_unwritable_path_is_reported_with_the_reason(tmp_path, path, said):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    found = await finding(f"sqlite:///{tmp_path / path}")
    assert found.verdict == "wrong"
    assert f"{tmp_path / path} cannot be written ({said})" in found.said
    assert "DATABASE_URL=sqlite:///PATH" in found.remedy


async def test_file_of_another_kind_is_not_accepted_as_a_store(tmp_path):
    (tmp_path / "kf.db").write_text("# my notes\n" * 100)
    found = await finding(f"sqlite:///{tmp_path / 'kf.db'}")
    assert (found.verdict, "file is not a database" in found.said) == ("wrong", True)
    assert found.remedy.startswith("Restore a backup, or move the file away")


async def test_sqlite_is_lost_on_a_dyno_and_postgresql_is_not(store_url):
    found = await finding(store_url, hosted_by="Heroku")
    assert found.verdict == ("wrong" if store_url.startswith("sqlite") else "ok")


async def test_write_ahead_log_of_a_killed_process_is_read(migrated_sqlite, tmp_path):
    shutil.copy(migrated_sqlite, tmp_path / "used.db")
    with closing(sqlite3.connect(tmp_path / "used.db", isolation_level=None)) as used:
        used.execute("UPDATE alembic_version SET version_num = '9999'")
        for end in ("", "-wal"):
            shutil.copy(tmp_path / f"used.db{end}", tmp_path / f"kf.db{end}")
    assert (await inspect(f"sqlite:///{tmp_path / 'kf.db'}")).schema is Schema.NEWER


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("ALTER DATABASE {name} SET default_transaction_read_only = on", "it is set to read only"),
        ("ALTER DATABASE {name} SET search_path TO nowhere", "the search_path names no schema that is there"),
    ],
)
async def test_postgresql_that_rejects_rows_is_reported_with_the_reason(postgres_url, statement, said):
    name = postgres_url.partition("?")[0].rsplit("/", 1)[1]
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(statement.format(name=name))
    found = await finding(postgres_url)
    assert found.said == f"PostgreSQL cannot be written ({said})"
    assert "right to write" in found.remedy


@pytest.mark.parametrize("migrated", [False, True])
async def test_postgresql_user_without_rights_is_reported(postgres_url, migrated):
    if migrated:
        store = Store.from_url(postgres_url, APPID, clock=at_now)
        await store.open()
        await store.close()
    guest = f"kf_{uuid.uuid4().hex}"  # roles are the server's, and others may use it
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {guest} LOGIN PASSWORD 'hush'")
        admin.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        if migrated:
            admin.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {guest}")
    url = make_url(postgres_url).set(username=guest, password="hush")
    try:
        found = await finding(url.render_as_string(hide_password=False))
    finally:
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            admin.execute(f"DROP OWNED BY {guest}")
            admin.execute(f"DROP ROLE {guest}")
    assert found.said == "PostgreSQL cannot be written (this user may not write there)"


async def test_doctor_names_a_full_disk_and_leaves_no_row(postgres_url):
    store = Store.from_url(postgres_url, APPID, clock=at_now)
    await store.open()
    await store.close()
    assert (await finding(postgres_url)).verdict == "ok"
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        for table in ("process", "episode", "emitted_event", "message"):
            assert admin.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
        admin.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END$$"
        )
        admin.execute("CREATE TRIGGER full_disk BEFORE INSERT ON message FOR EACH ROW EXECUTE FUNCTION full_disk()")
    found = await finding(postgres_url)
    assert found.said == "PostgreSQL cannot be used (No space left on device)"
    assert found.remedy.startswith("Free space")


async def test_missing_database_has_the_remedy_to_create_it(postgres_url):
    base, _, query = postgres_url.partition("?")
    found = await finding(f"{base}_gone?{query}")
    assert "does not exist" in found.said
    assert found.remedy.startswith("Create it")


async def test_silent_server_is_reported_in_time():
    with socket.create_server(("127.0.0.1", 0)) as server:
        async with asyncio.timeout(3):
            found = await finding(f"postgresql://kf@127.0.0.1:{server.getsockname()[1]}/kf", within=0.2)
    assert found.said == "PostgreSQL cannot be used (no result within 0.2 s)"
    assert found.remedy.startswith("The server accepts connections and does not answer")


async def test_damaged_page_that_no_query_reads_is_found(migrated_sqlite, tmp_path):
    pages = await asyncio.to_thread(Path(migrated_sqlite).read_bytes)
    await asyncio.to_thread((tmp_path / "kf.db").write_bytes, pages[:-4096] + b"x" * 4096)
    path = tmp_path / "kf.db"
    found = await finding(f"sqlite:///{path}")
    assert (found.verdict, found.remedy[:17]) == ("wrong", "Restore a backup,")


# Changes from Slack


async def granted(url: str, *operators: str) -> Finding:
    settings = Settings(APPID, **LEFT, database_url=url, kf_operators=operators)
    async with read_only_stores(url) as store_of:
        tenants = [of_environment(settings)]
        [found] = (await operations.examine(store_of, settings, tenants, UNSET)).findings
    return found


async def refuse(url: str, age: timedelta) -> None:
    store = Store.from_url(url, APPID)
    await store.open()
    async with store.begin() as tx:
        await interface_refusals.note(tx, InterfaceRefusal("invite/add/delete", tx.now - age))
    await store.close()


@pytest.mark.both_stores
async def test_refused_permission_is_reported_for_a_day(store_url):
    assert (await granted(store_url, "U0LIN")).verdict == "ok"
    await refuse(store_url, timedelta(hours=3, minutes=1))
    found = await granted(store_url, "U0LIN")
    assert found.verdict == "wrong"
    assert found.said.startswith("WeChat refused invite/add/delete 3 h ago")
    assert "48001" in found.said
    await refuse(store_url, timedelta(hours=24))
    assert (await granted(store_url, "U0LIN")).verdict == "ok"


async def test_refused_permission_matters_only_with_operators(store_url):
    await refuse(store_url, timedelta(minutes=1))
    found = await granted(store_url)
    assert (found.verdict, found.said.split(":")[0]) == ("ok", "off")


async def test_operators_of_a_new_store_are_fine(empty_url):
    found = await granted(empty_url, "U0LIN")
    assert (found.verdict, found.said) == ("ok", "on")
