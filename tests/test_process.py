"""Real processes: start, failed start, stop, and what a kill loses."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from bot import console
from bot.__main__ import main
from bot.demo.process import ROOT, running
from bot.settings.values import Settings
from bot.tenants.tenant import of_environment
from tests.running import CARE, World, answers, bot_in_loop, final_answer, until, world
from wechat_kf.simulator import Fault, FaultMode

pytestmark = pytest.mark.process

PROCFILE = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
GONE_WITHIN = 11.5  # seconds: the bot promises 10, and a busy machine adds some


@pytest.fixture
async def place(postgres_url: str) -> AsyncIterator[World]:
    """Run the simulators with PostgreSQL, for tests with several processes; the crash test runs on both stores."""
    async with world(postgres_url) as made:
        made.invite("bo")
        yield made


@pytest.fixture
async def quick(tmp_path: Path) -> AsyncIterator[World]:
    """Run the simulators with SQLite, for tests that do not depend on the store."""
    async with world(f"sqlite:///{tmp_path / 'kf.db'}") as made:
        made.invite("bo")
        yield made


async def run(environ: Mapping[str, str], *arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *arguments,
        cwd="/",  # no .env of a developer
        env={name: value for name, value in os.environ.items() if name == "PATH" or "COVERAGE" in name}
        | {"PYTHONPATH": str(ROOT)}
        | dict(environ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode or 0, out.decode(), err.decode()


async def alerts_posted(place: World, number: int = 1) -> None:
    await until(lambda: len(place.texts) >= number)


async def polls(place: World, number: int) -> None:
    """Wait for this many more polls, after which every due message has been posted."""
    before = len(place.wechat.log)
    await until(lambda: len(place.wechat.log) >= before + number)


# Starting


def test_every_missing_or_malformed_setting_is_named_at_once_without_a_traceback(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", {"POLL_SECONDS": "soon", "DATABASE_URL": "mysql://u:hush@h/x"})
    assert main([]) == 2
    err = capsys.readouterr().err
    for name in ("WECHAT_APPID", "WECHAT_SECRET", "SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET", "SLACK_ALERT_CHANNEL"):
        assert f"not set: {name}" in err
    assert "POLL_SECONDS must be" in err
    assert "DATABASE_URL must be" in err
    assert "hush" not in err


async def test_port_in_use_is_reported_in_one_line(quick):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        status, out, err = await run({**quick.environ, "PORT": port})
    assert status == 1
    assert "Traceback" not in out + err
    assert port in out + err


@pytest.mark.parametrize("line", PROCFILE)
async def test_every_line_of_the_procfile_starts_and_stops(quick, line, tmp_path):
    arguments = PROCFILE[line].split()[3:]
    log = tmp_path / "log"
    environ = {**quick.environ, "WEB_CONCURRENCY": "2", "DYNO": f"{line}.1"}
    began = time.monotonic()
    async with running(environ, *arguments, log=log, wait=line == "web") as bot:
        assert time.monotonic() - began < 10  # the host gives it a minute to listen on its port
        await until(lambda: f"role={line}" in log.read_text())
        assert psutil.Process(bot.process.pid).children() == []  # WEB_CONCURRENCY changes nothing
        if line == "worker":
            assert not [c for c in psutil.Process(bot.process.pid).net_connections() if c.status == "LISTEN"]
        started = time.monotonic()
        assert await bot.stop() in (0, 143, -signal.SIGTERM)
        assert time.monotonic() - started < 10
    lines = log.read_text().splitlines()
    assert len([entry for entry in lines if "WARNING" in entry]) == 1
    assert "does not survive a restart" in log.read_text()


async def test_bot_starts_while_slack_wechat_and_the_store_are_unreachable(quick, caplog):
    nowhere = {
        "SLACK_API_URL": "http://127.0.0.1:9/api/",
        "WECHAT_API_URL": "http://127.0.0.1:9",
        "DATABASE_URL": "postgresql://kf@127.0.0.1:9/kf",
    }
    async with bot_in_loop(quick, **nowhere) as url:
        assert await answers(f"{url}/readyz", 503)
        await until(lambda: "loop paused loop=watcher" in caplog.text)
        assert await answers(f"{url}/healthz")


async def test_alerts_off_has_no_store_and_is_ready(quick, tmp_path):
    async with bot_in_loop(quick, ALERTS="off") as url:
        assert await answers(f"{url}/readyz")
    assert not (tmp_path / "kf.db").exists()


# Stopping


async def test_command_is_followed_in_the_log_to_wechats_rid_and_one_in_flight_is_answered_before_the_end(
    quick, tmp_path
):
    log = tmp_path / "log"
    async with running({**quick.environ, "LOG_FORMAT": "json"}, log=log) as bot:
        quick.slack.app_url = bot.slack_url
        await polls(quick, 2)  # it has a token: no command shares a request for one that the fault ends
        quick.wechat.inject(Fault(FaultMode.ERRCODE, times=None, errcode=65400))
        followed = await quick.slack.command("", channel=CARE)
        shown = str((await final_answer(followed)).blocks)
        await until(lambda: "answered" in log.read_text())
        quick.wechat.clear_faults()
        quick.wechat.inject(Fault(FaultMode.SLOW, times=1, seconds=1))
        said = await quick.slack.command("list", channel=CARE)
        bot.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.1)
        bot.process.send_signal(signal.SIGTERM)
        assert (await said.answer()).text.startswith("Accounts 1 of 1")
        assert await bot.stop() == 0
    request = hashlib.sha256(followed.payload["trigger_id"].encode()).hexdigest()[:8]
    lines = [line for line in map(json.loads, log.read_text().splitlines()) if line.get("request") == request]
    refused, answered = lines
    assert (refused["event"], refused["errcode"]) == ("WeChat could not be read", 65400)
    assert refused["rid"] in shown
    assert (answered["event"], answered["asked"], answered["user"]) == ("answered", "/kf", "U0MEI")


async def test_command_that_cannot_be_answered_in_time_is_asked_to_be_repeated(quick):
    async with running(quick.environ) as bot:
        quick.slack.app_url = bot.slack_url
        quick.wechat.inject(Fault(FaultMode.SLOW, seconds=30))
        said = await quick.slack.command("list", channel=CARE)
        started = time.monotonic()
        assert await bot.stop() == 0
        assert time.monotonic() - started < GONE_WITHIN
        assert "restarting" in (await said.answer()).text


async def test_store_that_hangs_does_not_hold_the_process(quick, tmp_path):
    async with running(quick.environ) as bot:
        await until(lambda: len(quick.wechat.log) > 2)
        with closing(sqlite3.connect(tmp_path / "kf.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # and nothing more: every transaction of the bot waits
            await asyncio.sleep(1.5)
            assert await answers(f"{bot.url}/readyz", 503)
            quick.slack.app_url = bot.slack_url
            said = await quick.slack.command("status", channel=CARE)
            assert (await said.answer()).text.startswith(("The database does not answer.", "The database is busy."))
            started = time.monotonic()
            assert await bot.stop() == 0
            assert time.monotonic() - started < GONE_WITHIN


async def test_stop_while_starting_is_clean(quick, tmp_path):
    for delay in (0.05, 0.3, 0.6):
        async with running(quick.environ, log=tmp_path / "log", wait=False) as bot:
            await asyncio.sleep(delay)
            assert await bot.stop() in (0, 143, -signal.SIGTERM)
    assert "Traceback" not in (tmp_path / "log").read_text()


# Once, whatever happens


@pytest.mark.test_all  # tests.test_fleet_process kills one that polls three accounts
async def test_killed_bot_posts_each_alert_once_after_its_restart(quick):
    async with running(quick.environ) as bot:
        await until(lambda: len(quick.wechat.log) > 2)
        quick.wechat.reject("bo@harbour_tea")
        await alerts_posted(quick)
        await bot.stop(signal.SIGKILL)
    key = quick.invite("dee")
    async with running(quick.environ):
        await polls(quick, 2)
        quick.wechat.reject(key)
        await alerts_posted(quick, 2)
        await polls(quick, 2)
    assert [text.split(" (")[0] for text in quick.texts] == ["Rejected: Bo", "Rejected: Dee"]


async def test_two_processes_on_one_store_post_each_alert_once(place):
    keys = [place.invite(f"kf{number}") for number in range(4)]
    async with bot_in_loop(place), bot_in_loop(place, "worker"):
        await until(lambda: len(place.wechat.log) > 2)
        for key in keys:
            place.wechat.reject(key)
        await alerts_posted(place, 4)
        await polls(place, 2)
    assert len(place.texts) == len(set(place.texts)) == 4


# Socket Mode


async def test_worker_answers_over_socket_mode_and_web_serves_only_health(quick):
    environ = {**quick.environ, "SLACK_APP_TOKEN": quick.slack.app_token}
    environ.pop("SLACK_SIGNING_SECRET")
    quick.slack.app_url = None
    async with running(environ, "worker", wait=False) as bot:
        await until(lambda: len(quick.slack.sockets) > 0)
        said = await quick.slack.command("", channel=CARE)
        assert said.ack.status == 200
        assert (await said.answer()).text.startswith("Nothing needs attention")
        assert await bot.stop() == 0
    quick.environ = environ
    async with bot_in_loop(quick) as url:
        assert await answers(f"{url}/slack/events", 404)


async def test_socket_mode_waits_for_a_slack_that_is_away(quick, caplog):
    away = {"SLACK_APP_TOKEN": "xapp-1", "SLACK_API_URL": "http://127.0.0.1:9/api/"}
    async with bot_in_loop(quick, "worker", **away):
        await until(lambda: "Slack unreachable" in caplog.text)


# One-off commands


async def test_list_prints_the_accounts_as_a_table(quick, capsys):
    quick.wechat.add_account("anna@harbour_tea", "小波[red]", kf_wx="anna_example")
    settings = Settings.from_environ(quick.environ)
    assert await console.show_list(settings, [of_environment(settings)], as_json=False) == 0
    out = capsys.readouterr().out
    assert "小波[red]" in out
    assert "2 accounts" in out


async def test_list_command_reports_why_wechat_could_not_be_read(quick, capsys):
    async def failing_list(**changed: str) -> str:
        settings = Settings.from_environ(quick.environ | changed)
        assert await console.show_list(settings, [of_environment(settings)], as_json=False) == 1
        return capsys.readouterr().err

    quick.wechat.allow_list = ()
    err = await failing_list()
    assert "203.0.113.7" in err
    assert "app-secret" not in err
    assert "fixed outgoing address" not in err
    assert "First give the bot a fixed outgoing address: on Render" in await failing_list(RENDER="true")


async def test_check_polls_each_time_posts_and_exits(quick):
    slow = {**quick.environ, "POLL_SECONDS": "900"}
    settings = Settings.from_environ(slow)
    assert await console.check(settings, [of_environment(settings)]) == 0
    quick.wechat.reject("bo@harbour_tea")
    assert (await run(slow, "check"))[:2] == (0, "1 account, 1 needs attention, 1 message posted\n")
    assert [text.split(" (")[0] for text in quick.texts] == ["Rejected: Bo"]


async def test_check_fails_without_wechat_the_store_or_alerts(quick, capsys):
    async def check(**changed: str) -> int:
        settings = Settings.from_environ(quick.environ | changed)
        return await console.check(settings, [of_environment(settings)])

    quick.wechat.enabled = False
    assert [await check(), await check()] == [1, 1]
    capsys.readouterr()
    assert await check(DATABASE_URL="sqlite:////nowhere/kf.db") == 1
    assert "DATABASE_URL" in capsys.readouterr().err
    assert await check(ALERTS="off") == 1


async def test_terminal_without_emoji_shows_the_rest(quick):
    quick.wechat.add_account("anna@harbour_tea", "Anna 😀", kf_wx="anna_example")
    status, out, _ = await run({**quick.environ, "PYTHONIOENCODING": "ascii"}, "list")
    assert status == 0
    assert "anna@harbour_tea" in out
