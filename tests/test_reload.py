"""SIGHUP: a running process takes over the accounts of the file as it is now, and answers commands meanwhile."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest

from bot import environment
from bot.demo.process import environ_of, free_port, running
from bot.demo.servers import serve_slack, serve_wechat
from bot.demo.slack_simulator import Channel, SlackSimulator
from bot.runtime.logs import configure
from bot.serving import serve
from bot.settings.values import Settings
from bot.tenants.loading import load_defined, secrets_of
from bot.tenants.reloading import Reloading
from tests.conftest import driver_threads, driver_threads_ended
from tests.fleets import APPIDS, FleetWorld, polled, polls, table
from tests.running import CARE, POLL_SECONDS, answers, final_answer, until
from tests.test_logs import restore
from wechat_kf.simulator import Fault, FaultMode, Simulator, World

HANDLES = tuple(APPIDS)


@dataclass
class Place(FleetWorld):
    """WeChat with three accounts, Slack with a channel for each, and the file of accounts of a bot."""

    folder: Path
    output: Callable[[], str]  # all that the bot has printed

    def write(self, *handles: str, more: str = "") -> None:
        tables = [table(self.folder, handle, f"C0{handle.upper()}") for handle in handles]
        (self.folder / "accounts.toml").write_text("\n\n".join([*tables, more]))

    async def alert(self, *handles: str, name: str = "bo") -> None:
        """Let a person decline in each of these accounts, once it has been polled, and wait for the alert."""
        before = {handle: self.posted(handle) for handle in handles}
        for handle in handles:
            await self.polled(handle)
            self.wechat[APPIDS[handle]].reject(f"{name}@harbour_tea")
        await until(lambda: all(self.posted(handle) > before[handle] for handle in handles))

    def posted(self, handle: str) -> int:
        return len(self.slack.messages(f"C0{handle.upper()}"))

    def polls(self, handle: str) -> int:
        return polls(self.wechat[APPIDS[handle]])

    async def polled(self, handle: str, times: int = 2) -> None:
        await polled(self, times, [APPIDS[handle]])

    async def logged(self, words: str, number: int = 1) -> None:
        await until(lambda: self.output().count(words) >= number)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.folder / "kf.db")) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """Return what the bot has printed so far. Its log is as before afterwards."""
    before, pieces = (logging.getLogger().handlers[:], logging.getLogger().level), list[str]()

    def printed() -> str:
        pieces.append(capsys.readouterr().out)
        return "".join(pieces)

    yield printed
    restore(before)


@pytest.fixture
async def place(tmp_path: Path, output: Callable[[], str]) -> AsyncIterator[Place]:
    wechat, others = (
        World(Simulator(one, f"secret-of-{handle}") for handle, one in APPIDS.items()),
        driver_threads(),
    )
    slack = SlackSimulator(channels=[Channel(CARE, "care"), *(Channel(f"C0{one.upper()}", one) for one in HANDLES)])
    async with serve_slack(slack), serve_wechat(wechat) as wechat_url:
        environ = environ_of(slack, wechat_url, "", "", "")
        environ |= {
            "DATABASE_URL": f"sqlite:///{tmp_path / 'kf.db'}",
            "HOST": "127.0.0.1",
            "POLL_SECONDS": "1",
            "KF_ACCOUNTS_FILE": str(tmp_path / "accounts.toml"),
        }
        made = Place(slack, wechat, environ, tmp_path, output)
        for handle in HANDLES:
            (tmp_path / handle).write_text(f"secret-of-{handle}")
            made.invite(APPIDS[handle], "bo")
        yield made
    await driver_threads_ended(others)
    assert slack.take_unexpected() == []


@asynccontextmanager
async def serving(place: Place, role: str = "web", **changed: str) -> AsyncIterator[str]:
    """Serve inside the test's process, as the command line does, and yield the address. SIGTERM ends it."""
    environ = place.environ | {"PORT": str(free_port())} | changed
    settings = replace(Settings.from_environ(environ), poll_seconds=POLL_SECONDS)
    defined = load_defined(settings, environ, environment.read_file)
    configure("INFO", secrets_of(defined.tenants))
    reloading = Reloading(defined, environ, environment.read_file)
    served = serve(defined, role=role, exit_now=lambda _: None, reloading=reloading)
    task, url = asyncio.create_task(served), f"http://127.0.0.1:{settings.port}"
    if role == "web":
        place.slack.app_url = f"{url}/slack/events"
        await until(lambda: answers(f"{url}/healthz"))
    try:
        yield url
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        assert await task == 0


def hang_up() -> None:
    os.kill(os.getpid(), signal.SIGHUP)


@pytest.mark.process
async def test_account_that_was_added_to_the_file_appears_after_sighup(place, tmp_path):
    place.write("harbour", "kiosk")
    async with running(place.environ, log=tmp_path / "log") as bot:
        place.slack.app_url = bot.slack_url
        await place.alert("harbour", "kiosk")
        place.write("harbour", "kiosk", "orchid")
        bot.process.send_signal(signal.SIGHUP)
        await place.alert("orchid")
        said = await place.slack.command("@orchid", channel="C0ORCHID")
        assert "Bo" in (await final_answer(said)).text
        await place.polled("harbour")
        assert [place.posted(handle) for handle in HANDLES] == [1, 1, 1]
        assert await bot.stop() == 0
    log = (tmp_path / "log").read_text()
    assert "added=orchid" in log
    errors = [line for line in log.splitlines() if "ERROR" in line and "poll_overdue" not in line]
    assert (errors, "settings_differ" in log) == ([], False)  # a busy machine does not poll each second


@pytest.mark.server
async def test_account_that_left_the_file_keeps_its_rows_and_continues_when_it_returns(place):
    place.write("harbour", "kiosk", "orchid")
    async with serving(place):
        await place.alert(*HANDLES)
        old = place.slack.messages("C0ORCHID")[0]
        place.write("harbour", "kiosk")
        hang_up()
        await place.logged("removed=orchid")
        await place.polled("harbour")
        seen, kept = place.polls("orchid"), place.rows(f"SELECT * FROM episode WHERE appid = '{APPIDS['orchid']}'")
        place.invite(APPIDS["orchid"], "eve")
        await place.polled("harbour", 3)
        assert (place.polls("orchid"), len(kept)) == (seen, 1)
        assert place.rows(f"SELECT * FROM episode WHERE appid = '{APPIDS['orchid']}'") == kept
        click = await place.slack.click(old, "alert.ack", user="U0TOM")
        assert "out of date" in (await click.answer()).text
        place.write(*HANDLES)
        hang_up()
        await place.alert("orchid", name="eve")
        await place.polled("orchid")
        assert place.posted("orchid") == 2


@pytest.mark.server
async def test_unposted_message_of_a_removed_account_stays_pending_until_it_returns(place):
    place.write(*HANDLES)
    async with serving(place):
        await place.polled("orchid")
        place.slack.channels["C0ORCHID"].is_archived = True
        place.wechat[APPIDS["orchid"]].reject("bo@harbour_tea")
        pending = f"SELECT status FROM message WHERE appid = '{APPIDS['orchid']}' AND status != 'sent'"
        await until(lambda: len(place.rows(pending)) == 1)
        place.write("harbour", "kiosk")
        hang_up()
        await place.logged("removed=orchid")
        await place.polled("harbour", 3)
        assert len(place.rows(pending)) == 1


@pytest.mark.server
async def test_mistake_in_the_file_changes_nothing_and_names_each_line(place):
    place.write("harbour", "kiosk")
    async with serving(place) as url:
        await place.polled("kiosk")
        place.write("harbour", more='[[account]]\nhandle = "orchid"\nchannel = "nowhere"\n')
        hang_up()
        await place.logged("accounts not reloaded", 3)
        errors = [line for line in place.output().splitlines() if " ERROR bot.tenants.reloading " in line]
        assert ["line 7" in line for line in errors] == [True] * 3
        assert all(any(f": {key} " in line for line in errors) for key in ("channel", "appid", "secret"))
        await place.polled("kiosk")
        assert "accounts reloaded" not in place.output()
        assert await answers(f"{url}/readyz")


@pytest.mark.server
async def test_two_signals_in_a_row_end_with_the_newest_file(place):
    place.write("harbour")
    async with serving(place):
        await place.alert("harbour")
        place.write("harbour", "kiosk")
        hang_up()
        place.write(*HANDLES)
        hang_up()
        await place.alert("kiosk", "orchid")
        hang_up()
        await place.logged("accounts unchanged")
        assert [place.posted(handle) for handle in HANDLES] == [1, 1, 1]


@pytest.mark.server
async def test_requests_are_answered_throughout_a_reload_while_wechat_is_slow(place):
    place.write("harbour", "kiosk")
    async with serving(place) as url:
        await place.polled("kiosk")
        place.wechat.inject(Fault(FaultMode.SLOW, times=None, seconds=2.0))
        await asyncio.sleep(1.5)  # a poll is in progress
        place.write(*HANDLES)
        hang_up()
        slowest = 0.0
        async with aiohttp.ClientSession() as session:
            while place.output().count("started version") < 2 or slowest == 0.0:
                began = time.monotonic()
                async with session.get(f"{url}/healthz") as answer:
                    assert answer.status == 200
                async with aiohttp.ClientSession() as fresh, fresh.get(f"{url}/readyz") as answer:
                    assert answer.status == 200
                slowest = max(slowest, time.monotonic() - began)
        assert slowest < 1.9  # nothing waits for WeChat


@pytest.mark.server
async def test_worker_reconnects_and_commands_are_answered_after_a_reload(place):
    place.write("harbour", "kiosk")
    token = {"SLACK_APP_TOKEN": place.slack.app_token}
    async with serving(place, "worker", **token):
        await until(lambda: len(place.slack.sockets) == 1)
        await place.alert("kiosk")
        place.write(*HANDLES)
        hang_up()
        opened = {len(place.slack.sockets)}
        while place.output().count("started version") < 2:
            opened.add(len(place.slack.sockets))
            await asyncio.sleep(0.001)
        assert min(opened) == 1  # the new one opens before the old one closes
        await place.alert("orchid")
        assert len(place.slack.sockets) == 1
        said = await place.slack.command("@orchid", channel=CARE)
        assert "Bo" in (await final_answer(said)).text


@pytest.mark.process
async def test_sighup_ends_a_process_without_a_file_as_before(place):
    environ = place.environ | {
        "KF_ACCOUNTS_FILE": "",
        "WECHAT_APPID": APPIDS["harbour"],
        "WECHAT_SECRET": "secret-of-harbour",
        "SLACK_ALERT_CHANNEL": "C0HARBOUR",
    }
    async with running(environ) as bot:
        bot.process.send_signal(signal.SIGHUP)
        assert await bot.process.wait() == -signal.SIGHUP
