"""A serving process inside the test's: accounts that commands add and pause, and an address that is taken."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest

from bot import app, environment
from bot.demo.process import free_port
from bot.serving import serve
from bot.settings.values import Settings
from bot.store import tenants
from bot.store.account_changes import COMMAND_LINE, ChangeKind
from bot.store.database import Store
from bot.store.tenants import COMMAND, PauseReason, StoredTenant
from bot.tenants import changes
from bot.tenants.loading import load_defined
from bot.tenants.reloading import Reloading
from bot.tenants.tenant import Tenant
from tests.fleets import (
    ACCOUNTS,
    AT_ORCHID,
    BO,
    HARBOUR,
    KIOSK,
    ORCHID,
    SECRETS,
    FleetWorld,
    fleet_world,
    polled,
    polls,
)
from tests.running import answers, sqlite, until
from tests.test_logs import restore

pytestmark = pytest.mark.server


@pytest.fixture(autouse=True)
def kept_log() -> Iterator[None]:
    """Give the log back that a serving process replaces."""
    before = logging.getLogger().handlers[:], logging.getLogger().level
    yield
    restore(before)


@pytest.fixture
async def place(sqlite_url: str) -> AsyncIterator[FleetWorld]:
    async with fleet_world(sqlite_url, invited=["bo"]) as made:
        yield made


@asynccontextmanager
async def serving(place: FleetWorld, **changed: str) -> AsyncIterator[asyncio.Task[int]]:
    """Serve the accounts of the variables. SIGTERM ends it."""
    environ = place.environ | {"PORT": str(free_port())} | changed
    settings = Settings.from_environ(environ)
    defined = load_defined(settings, environ, environment.read_file)
    reloading = Reloading(defined, environ, environment.read_file)
    task = asyncio.create_task(serve(defined, role="web", exit_now=lambda _: None, reloading=reloading))
    place.slack.app_url = f"http://127.0.0.1:{settings.port}/slack/events"
    await until(lambda: answers(f"http://127.0.0.1:{settings.port}/healthz"))
    try:
        yield task
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await task


async def test_account_that_a_command_adds_is_watched_until_a_command_pauses_it(place, monkeypatch, tmp_path):
    monkeypatch.setattr(app, "CHECK_SECONDS", 0.1)
    of_file = ACCOUNTS.partition('[[account]]\nhandle = "orchid"')[0]
    settings = Settings.from_environ(place.environ | {"STORE_KEYS": "11" * 32})
    orchid = StoredTenant(ORCHID, "orchid", "", COMMAND, own={"channel": AT_ORCHID})
    store = Store.from_url(sqlite(tmp_path), "")
    async with serving(place, KF_ACCOUNTS=of_file, STORE_KEYS="11" * 32) as task:
        await polled(place, 2, [HARBOUR, KIOSK])
        async with store.begin() as tx:
            secret = SECRETS[ORCHID]
            await changes.store(tx, ChangeKind.ADD, [(orchid, secret)], settings, COMMAND_LINE)
        await polled(place, 2, [HARBOUR, ORCHID])
        place.wechat[ORCHID].reject(BO)
        await until(lambda: place.texts(AT_ORCHID))
        async with store.begin() as tx:
            await tenants.pause(tx, ORCHID)
        await polled(place, 2, [HARBOUR])
        before = polls(place.wechat[ORCHID])
        await polled(place, 2, [HARBOUR])
        assert polls(place.wechat[ORCHID]) == before
        async with store.begin() as tx:
            assert {one.slug: one.reason for one in await tenants.load(tx)}["orchid"] == PauseReason.PERSON
    assert task.result() == 0
    await store.close()


async def test_address_that_is_taken_ends_the_process_with_status_1(place, caplog):
    with socket.create_server(("127.0.0.1", 0)) as other:
        environ = place.environ | {"PORT": str(other.getsockname()[1])}
        settings = Settings.from_environ(environ)
        defined = load_defined(settings, environ, environment.read_file)
        assert await serve(defined, role="web", exit_now=lambda _: None) == 1
    assert "cannot bind address" in caplog.text


async def test_process_without_any_account_ends_with_status_2(place, capsys, tmp_path):
    without = {name: value for name, value in place.environ.items() if not name.startswith("KF_ACCOUNTS")}
    environ = without | {"STORE_KEYS": "11" * 32, "DATABASE_URL": sqlite(tmp_path), "PORT": str(free_port())}
    defined = load_defined(Settings.from_environ(environ), environ, environment.read_file)
    reloading = Reloading(defined, environ, environment.read_file)
    assert await serve(defined, role="web", exit_now=lambda _: None, reloading=reloading) == 2
    assert "There is no Official Account that can be watched" in capsys.readouterr().out


async def test_signal_before_the_accounts_are_read_ends_the_process(place):
    environ = place.environ | {"PORT": str(free_port())}
    defined = load_defined(Settings.from_environ(environ), environ, environment.read_file)

    class Stopped(Reloading):
        async def start(self) -> Sequence[Tenant]:
            os.kill(os.getpid(), signal.SIGTERM)
            return await super().start()

    reloading = Stopped(defined, environ, environment.read_file)
    assert await serve(defined, role="web", exit_now=lambda _: None, reloading=reloading) == 0
