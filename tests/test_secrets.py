"""No secret in any output, and no name in any log, whatever goes wrong: real processes at LOG_LEVEL=DEBUG.

Every secret that is planted holds the word HUSH, every nickname and WeChat ID the word OWNED.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from bot.__main__ import main
from bot.demo.process import BotProcess, running
from bot.demo.slack_simulator import (
    RESPONSE_URL,
    Invocation,
    dropped,
    error,
    http_error,
    ratelimited,
    reply_lost,
    slow,
)
from tests.doctors import printed
from tests.running import CARE, World, final_answer, sqlite, until, utc_now, world
from tests.test_process import run
from wechat_kf.simulator import Fault, FaultMode

pytestmark = pytest.mark.process

DEAD = "127.0.0.1:9"
ERRCODES = [
    -1,
    40001,
    40013,
    40014,
    40125,
    40164,
    40243,
    42001,
    43104,
    45009,
    45011,
    48001,
    50002,
    61450,
    65400,
    99999,
]
FAILURES = [FaultMode.DOWN, FaultMode.OTHER_LIST, FaultMode.TRUNCATED, FaultMode.HTML, FaultMode.STACKED]
# The others are read, or end as these do.

SLACK_FAULTS = [
    ratelimited(1),
    reply_lost(),
    dropped(),
    http_error(503),
    http_error(502, taken=True),
    error("internal_error"),
    error("invalid_blocks"),
    slow(0.2),
    error("something_new"),  # the last: after it the queue waits
]
FORMATS = {"text": 1, "json": 5}  # of how many failures one is enough: the masks are the same


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[World]:
    tokens = {"bot_token": "xoxb-HUSH-bot", "app_token": "xapp-HUSH-app", "signing_secret": "HUSH-signing"}
    async with world(sqlite(tmp_path), wechat_secret="HUSH-appsecret", **tokens) as made:
        for name in "abcdefghi":
            key = f"{name}@harbour_tea"
            made.wechat.add_account(key, f"OWNED 小波 {name}")
            made.wechat.invite(key, f"{name}_OWNED_wx", utc_now() + timedelta(hours=30))
        yield made


class Overheard:
    """The secrets: planted words, and those that the simulators issued while a test ran."""

    def __init__(self, place: World) -> None:
        self._place = place
        self._said: list[Invocation] = []

    def note(self, said: Invocation) -> Invocation:
        self._said.append(said)
        return said

    def secrets(self) -> set[str]:
        triggers = {said.payload[name] for said in self._said for name in ("trigger_id", "response_url")}
        paths = {said.payload["response_url"].split("/commands/")[1] for said in self._said}
        issued = set(self._place.wechat.tokens.issued)
        assert triggers
        assert issued
        return {"HUSH", "access_token=", *triggers, *paths, *issued}

    def found_in(self, *texts: str) -> set[str]:
        return {secret for secret in self.secrets() for text in texts if secret in text}


async def ask(place: World, heard: Overheard, text: str = "") -> Invocation:
    return heard.note(await place.slack.command(text, channel=CARE))


async def faults_of_wechat(place: World, heard: Overheard, step: int) -> set[str]:
    """Cause the faults in turn, without a success between them, which would be reused for five seconds.

    Return what the log must contain about them.
    """
    failing = [Fault(kind, times=None) for kind in FAILURES]
    failing += [Fault(FaultMode.ERRCODE, times=None, errcode=code) for code in ERRCODES]
    odd = [
        Fault(kind, times=None, seconds=0.05)
        for kind in FaultMode
        if kind not in (*FAILURES, FaultMode.ERRCODE, FaultMode.DRIP)
    ]

    async def ask_under(fault: Fault) -> str:
        place.wechat.clear_faults()
        place.wechat.inject(fault)
        said = await asyncio.gather(*(ask(place, heard, text) for text in ("", "show a@harbour_tea", "status")))
        return (await asyncio.gather(*(final_answer(each) for each in said)))[0].text

    async def is_logged() -> bool:
        await asyncio.sleep(0.2)
        return "not switched on" in await ask_under(Fault(FaultMode.ERRCODE, times=None, errcode=65400))

    await until(is_logged)  # the last good answer has served its time
    for fault in failing[::step]:
        await ask_under(fault)
    place.wechat.allow_list = ()
    await ask_under(Fault(FaultMode.ERRCODE, times=None, errcode=42001))  # so it asks for a token
    place.wechat.allow_list = None
    for fault in odd[::step]:
        await ask_under(fault)
    place.wechat.clear_faults()
    return {str(fault.errcode) for fault in failing[::step] if fault.kind is FaultMode.ERRCODE}


async def faults_of_slack(place: World, heard: Overheard) -> None:
    for fault in SLACK_FAULTS:
        place.slack.arm(RESPONSE_URL, fault, fault)
        await ask(place, heard, "help")
    place.slack.disarm(RESPONSE_URL)
    place.slack.arm(RESPONSE_URL, http_error(404))
    await ask(place, heard, "help")
    place.slack.arm("chat.postMessage", *SLACK_FAULTS)
    place.slack.arm("chat.update", *SLACK_FAULTS)
    place.slack.arm("conversations.history", *SLACK_FAULTS)
    before = len(place.slack.calls)
    for name in "abcd":
        place.wechat.reject(f"{name}@harbour_tea")

    async def alerts_are_posted() -> bool:
        await ask(place, heard)  # a successful response also ends the watcher's back-off
        await asyncio.sleep(0.5)
        return sum(call.method == "chat.postMessage" for call in place.slack.calls[before:]) > 4

    await until(alerts_are_posted, within=40)


async def odd_requests(place: World, heard: Overheard, bot: BotProcess) -> None:
    for signature, timestamp in (("v0=" + "0" * 64, None), (None, 1), ("HUSH", None), (None, "soon")):
        said = await place.slack.command("list", channel=CARE, signature=signature, timestamp=timestamp)
        heard.note(said)
        assert said.ack.status == 401
    async with aiohttp.ClientSession() as session:
        for path in ("/slack/events", "/nowhere", "/?token=HUSH-query"):
            async with session.post(bot.url + path, data=b"payload=HUSH%FF") as answer:
                assert answer.status < 500


async def pages(bot: BotProcess) -> str:
    async with aiohttp.ClientSession() as session:
        texts = []
        for path in ("/", "/healthz", "/readyz", "/metrics", "/nowhere"):
            async with session.get(bot.url + path) as answer:
                texts.append(f"{dict(answer.headers)} {await answer.text()}")
    return "\n".join(texts)


def shown(place: World) -> str:
    """Return all text in Slack, in channels and in ephemeral messages."""
    posted = [message for channel in place.slack.channels for message in place.slack.messages(channel)]
    messages = [*posted, *place.slack.ephemerals.values()]
    return json.dumps([[message.text, message.blocks] for message in messages], ensure_ascii=False)


def break_store(path: Path) -> None:
    """Let the statements that write names fail."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("ALTER TABLE episode RENAME TO lost")


@pytest.mark.parametrize("form", ["text", pytest.param("json", marks=pytest.mark.test_all)])
async def test_failures_of_wechat_and_slack_reveal_no_secret(place, tmp_path, form):
    log, heard = tmp_path / "log", Overheard(place)
    environ = {**place.environ, "LOG_LEVEL": "DEBUG", "LOG_FORMAT": form, "ALERT_LEASE_SECONDS": "2"}
    async with running(environ, log=log) as bot:
        place.slack.app_url = bot.slack_url
        await until(lambda: log.exists() and "accounts" in log.read_text())  # later events are alerts
        codes = await faults_of_wechat(place, heard, FORMATS[form])
        await faults_of_slack(place, heard)
        await odd_requests(place, heard, bot)
        place.wechat.inject(
            Fault(FaultMode.ERRCODE, times=None, errcode=45009)
        )  # last: there are no requests after it
        await final_answer(await ask(place, heard))
        break_store(tmp_path / "kf.db")
        place.wechat.reject("e@harbour_tea")
        await until(lambda: "no such table" in log.read_text())
        probes = await pages(bot)
    assert heard.found_in(probes, shown(place), log.read_text()) == set()
    assert "OWNED" in shown(place)
    assert "problem" in probes
    for personal in ("OWNED", "harbour_tea"):
        assert personal not in probes
    assert "OWNED" not in log.read_text()
    heard_of = ("errcode", "rid", "answer delayed", "reply not accepted", "request", *codes)
    for expected in heard_of:
        assert expected in log.read_text()
    place.slack.take_unexpected()


@pytest.mark.parametrize(
    ("role", "form"),
    # The log of both is configured by the same call: a secret that one shows, the other shows.
    [("web", "json"), pytest.param("worker", "text", marks=pytest.mark.test_all)],
)
async def test_failures_at_startup_reveal_no_secret(place, tmp_path, form, role):
    log = tmp_path / "log"
    environ = place.environ | {
        "LOG_LEVEL": "DEBUG",
        "LOG_FORMAT": form,
        "DATABASE_URL": f"postgresql://kf:HUSH-database@{DEAD}/kf",
        "WECHAT_PROXY_URL": f"http://fixie:HUSH-proxy@{DEAD}",
        "HEARTBEAT_URL": f"http://{DEAD}/ping/HUSH-heartbeat?key=HUSH-key",
        "SLACK_API_URL": f"http://{DEAD}/api/",
        "HTTPS_PROXY": f"http://me:HUSH-ambient@{DEAD}",
    }
    if role == "worker":
        environ["SLACK_APP_TOKEN"] = "xapp-HUSH-app"
    async with running(environ, role, log=log, wait=role == "web") as bot:
        if role == "web":
            place.slack.app_url = bot.slack_url
            await place.slack.command("", channel=CARE)  # the ambient proxy is dead: no answer arrives
            await until(lambda: "answer delayed" in log.read_text())
            assert "HUSH" not in await pages(bot)
        await until(lambda: log.exists() and "loop paused" in log.read_text())
    assert "HUSH" not in log.read_text()
    assert "HUSH" not in shown(place)


@pytest.mark.parametrize("command", ["web", "worker", "list", "check", "doctor"])
def test_settings_that_are_wrong_are_not_quoted(request, monkeypatch, capsys, command):
    request.addfinalizer(lambda: logging.disable(logging.NOTSET))  # of the doctor
    environ = {
        "SLACK_BOT_TOKEN": "HUSH bot",
        "WECHAT_SECRET": "HUSH 密",
        "WECHAT_PROXY_URL": "fixie:HUSH@proxy",
        "DATABASE_URL": "mysql://kf:HUSH@host/kf",
        "HEARTBEAT_URL": "HUSH://host",
        "SLACK_APP_TOKEN": "HUSH",
        "TOKEN_SERVICE_URL": "http://HUSH.example/{appid}",
        "TOKEN_SERVICE_AUTH": "HUSH 密",
        "SLACK_API_URL": f"http://{DEAD}/api/",
        "WECHAT_API_URL": f"http://{DEAD}",
    }
    monkeypatch.setattr(os, "environ", environ)
    assert main([command]) == (1 if command == "doctor" else 2)
    out, err = capsys.readouterr()
    assert "WECHAT_SECRET" in out + err
    assert "HUSH" not in out + err


@pytest.mark.parametrize("command", ["check", pytest.param("doctor", marks=pytest.mark.test_all)])
async def test_one_off_commands_reveal_no_secret_when_all_servers_are_unreachable(place, command):
    environ = place.environ | {
        "LOG_LEVEL": "DEBUG",
        "DATABASE_URL": f"postgresql://kf:HUSH-database@{DEAD}/kf",
        "WECHAT_PROXY_URL": f"http://fixie:HUSH-proxy@{DEAD}",
        "SLACK_API_URL": f"http://{DEAD}/api/",
    }
    status, out, err = await run(environ, command)
    assert status == 1
    assert "HUSH" not in out + err
    status, out = await printed(environ)  # by the doctor
    assert status == 1
    assert "HUSH" not in out
