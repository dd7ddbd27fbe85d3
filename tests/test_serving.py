"""A serving process inside the test's: its signals, the accounts it takes over, and an address that is taken."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot import app, environment
from bot.demo.process import free_port
from bot.settings.values import Settings
from bot.tenants.loading import load
from bot.tenants.reloading import Reloading
from tests.fleets import AT_HARBOUR, AT_ORCHID, BO, HARBOUR, KIOSK, ORCHID, FleetWorld, fleet_world, polled
from tests.running import answers, sqlite, until

pytestmark = pytest.mark.server


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[FleetWorld]:
    async with fleet_world(sqlite(tmp_path), invited=["bo"]) as made:
        yield made


@asynccontextmanager
async def serving(place: FleetWorld, number: int) -> AsyncIterator[asyncio.Task[int]]:
    """Serve the first `number` accounts, and all of them after SIGHUP. SIGTERM ends it."""
    environ = place.environ | {"PORT": str(free_port())}
    settings = Settings.from_environ(environ)
    tenants = load(settings, environ, environment.read_file)
    reloading = Reloading(settings, environ, environment.read_file, tenants[:number])
    task = asyncio.create_task(
        app.serve(settings, tenants[:number], role="web", exit_now=lambda _: None, reloading=reloading)
    )
    place.slack.app_url = f"http://127.0.0.1:{settings.port}/slack/events"
    await until(lambda: answers(f"http://127.0.0.1:{settings.port}/healthz"))
    try:
        yield task
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await task


async def test_account_after_sighup_is_polled_and_answers_while_the_first_goes_on(place):
    async with serving(place, 2) as task:
        await polled(place, 2, [HARBOUR, KIOSK])
        os.kill(os.getpid(), signal.SIGHUP)
        await polled(place, 2, [HARBOUR, KIOSK, ORCHID])
        for appid in (HARBOUR, ORCHID):
            place.wechat[appid].reject(BO)
        await until(lambda: place.texts(AT_HARBOUR) and place.texts(AT_ORCHID))
        said = await place.slack.command("@orchid", channel=AT_ORCHID)
        assert "Bo" in (await said.answer()).text
    assert task.result() == 0


async def test_address_that_is_taken_ends_the_process_with_status_1(place, caplog):
    with socket.create_server(("127.0.0.1", 0)) as other:
        environ = place.environ | {"PORT": str(other.getsockname()[1])}
        settings = Settings.from_environ(environ)
        tenants = load(settings, environ, environment.read_file)
        assert await app.serve(settings, tenants, role="web", exit_now=lambda _: None) == 1
    assert "cannot bind address" in caplog.text
