"""The playground behind its page: its clock, its traffic, and its user actions."""

from __future__ import annotations

import asyncio
import json
import queue
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest

from bot.demo.playground import desktop, presets
from bot.demo.playground.installations import ALERTS, APPID, CARE, SECRET
from bot.demo.playground.run import playground
from bot.demo.playground.sandbox import Sandbox
from bot.demo.playground.shared_clock import Pace, SharedClock
from bot.demo.playground.snapshot import whole
from bot.demo.playground.suggestions import usage
from bot.demo.playground.supervisor import BotState
from bot.demo.playground.traffic import MASK, Traffic, delivery_name, masked
from bot.demo.playground.wechat_console import SLACK_FAULTS, WECHAT_FAULTS
from bot.ports import utc_now
from tests.running import clocked_in_loop, until
from wechat_kf.simulator import Simulator, World

# Its time


def test_time_continues_from_the_moment_the_pace_was_set():
    assert Pace(real=100, world=1000, rate=60).at(101.5) == 1090


def test_readers_of_the_clock_file_share_one_time(tmp_path):
    clock, other = (SharedClock(tmp_path / "clock.json") for _ in range(2))
    clock.run(1)
    assert abs((other() - utc_now()).total_seconds()) < 1
    clock.run(1_000_000)
    before = time.time()
    time.sleep(0.002)
    assert other.rate == 1_000_000
    assert other().timestamp() - before >= 2000


def test_clock_never_jumps_when_its_rate_changes(tmp_path):
    clock = SharedClock(tmp_path / "clock.json")
    clock.run(1)
    before = clock()
    clock.run(1440)
    clock.run(1)
    assert 0 <= (clock() - before).total_seconds() < 600


# Its accounts


@pytest.mark.parametrize(("name", "number"), [("tea", 5), ("monday", 40), ("hundred", 100), ("hostile", 14)])
def test_preset_takes_the_place_of_all_accounts(name, number):
    wechat = Simulator(APPID, "secret")
    wechat.add_account("old@harbour_tea", "Old")
    presets.apply(presets.PRESETS[name], World([wechat]), utc_now())
    assert len(wechat.seats) == number
    assert "old@harbour_tea" not in {seat.key for seat in wechat.seats}


# Its wire


def test_secrets_are_masked_at_any_depth():
    said = {
        "token": "xoxb-1",
        "a": [{"secret": "s", "access_token": "t"}],
        "response_url": "https://x",
        "text": "hi",
    }
    assert masked(said) == {
        "token": MASK,
        "a": [{"secret": MASK, "access_token": MASK}],
        "response_url": MASK,
        "text": "hi",
    }


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        ({"command": "/kf", "text": "", "token": "x"}, "/kf"),
        ({"command": "/kf", "text": "invite eve"}, "/kf invite eve"),
        ({"type": "block_actions", "actions": [{"action_id": "op.invite"}]}, "click op.invite"),
        ({"type": "view_submission", "view": {"callback_id": "op.invite"}}, "view_submission op.invite"),
        ({"type": "event_callback", "event": {"type": "app_home_opened"}}, "app_home_opened"),
    ],
)
def test_traffic_names_what_slack_sends(payload, name):
    assert delivery_name(payload) == name


def test_repeated_response_replaces_its_traffic_entry():
    published: list[object] = []
    wire = Traffic(utc_now, published.append)
    for response in ({"kf_list": []}, {"kf_list": []}, {"kf_list": [1]}):
        wire.add("bot", "wechat", "GET /list", {}, ms=1, status=200, response=response)
    assert [entry.response for entry in wire.entries] == [{"kf_list": []}, {"kf_list": [1]}]
    assert len(published) == 3


def test_polls_of_accounts_that_take_turns_stay_one_traffic_entry_each_until_something_else_is_sent():
    wire = Traffic(utc_now, lambda entry: None)
    for name in ("GET /list @a", "GET /list @b") * 3:
        wire.add("bot", "wechat", name, {}, ms=1, status=200)
    assert [entry.name[-2:] for entry in wire.entries] == ["@a", "@b"]
    wire.add("bot", "slack", "chat.postMessage", {}, ms=1, status=200)
    wire.add("bot", "wechat", "GET /list @a", {}, ms=1, status=200)
    assert [entry.name[-2:] for entry in wire.entries] == ["@a", "@b", "ge", "@a"]


def test_suggestions_are_those_of_the_manifest():
    hint, suggestions = usage()
    assert hint.startswith("[list|STATE|find TEXT")
    assert {"/kf", "/kf list", "/kf rejected", "/kf find ", "/kf status"} <= {one["text"] for one in suggestions}


# User actions


class Page:
    """Asks as the page does."""

    def __init__(self, url: str, world: Sandbox, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.world = world
        self.session = session

    async def do(self, name: str, /, **details: object) -> tuple[int, dict[str, object]]:
        async with self.session.post(f"{self.url}/do/{name}", json=details) as answer:
            return answer.status, await answer.json()


@pytest.fixture
async def page(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Page]:
    """The bot is a process for a test with that mark."""
    start = None if request.node.get_closest_marker("process") else clocked_in_loop
    async with playground(tmp_path, start=start) as (url, world), aiohttp.ClientSession() as session:
        yield Page(url, world, session)


@pytest.mark.process
async def test_real_bot_answers_commands_and_is_restarted_after_a_kill(page):
    world = page.world
    assert world.keeper.state is BotState.STARTING
    status, said = await page.do(
        "slack.command", channel=CARE, user="U0MEI", text="/kf list"
    )  # waits for the first
    assert (status, said["failure"]) == (200, None)
    await until(lambda: world.slack.ephemerals)
    (answer,) = world.slack.ephemerals.values()
    assert answer.text.startswith("Accounts 1–5 of 5") or "小波" in answer.text
    shown = json.dumps(whole(world), ensure_ascii=False)
    assert f'"access_token": "{MASK}"' in shown
    for secret in (SECRET, world.slack.bot_token, world.slack.signing_secret, *world.slack.response_urls):
        assert secret not in shown

    await until(lambda: len(world.slack.messages(ALERTS)) == 1)
    assert (await page.do("wechat.reject", account=APPID, key="chen@harbour_tea"))[0] == 200
    await until(lambda: len(world.slack.messages(ALERTS)) == 2)
    assert (await page.do("bot.kill"))[0] == 200
    await until(lambda: world.keeper.restarts == 1)
    _, said = await page.do("slack.command", channel=CARE, user="U0MEI", text="/kf")
    assert said["failure"] == "dispatch_failed"  # and for no other
    await until(lambda: world.keeper.state is BotState.RUNNING)
    await page.do("wechat.accept", account=APPID, key="bo@harbour_tea")
    await until(lambda: "Bound: 小波" in world.slack.messages(ALERTS)[0].text)
    assert sum("Rejected: Chen" in one.text for one in world.slack.messages(ALERTS)) == 1


@pytest.mark.server
async def test_start_over_empties_slack_wechat_the_wire_and_the_store(page):
    world = page.world
    await until(lambda: len(world.slack.messages(ALERTS)) == 1)
    await page.do("wechat.reject", account=APPID, key="chen@harbour_tea")
    await page.do("slack.command", channel=CARE, user="U0MEI", text="/kf")
    await until(lambda: world.slack.ephemerals and len(world.slack.messages(ALERTS)) == 2)
    await page.do("fault", side="wechat", name="40164")
    await page.do("fault", side="slack", name="down")
    await page.do("bot.kill")
    await until(lambda: world.keeper.restarts == 1 and world.keeper.state is BotState.RUNNING)
    assert (await page.do("start-over"))[0] == 200
    await until(lambda: not world.slack.ephemerals)
    assert (len(world.wechat[APPID].seats), world.present_faults()) == (5, {"wechat": "none", "slack": "none"})
    await until(lambda: [one.text[:13] for one in world.slack.messages(ALERTS)] == ["Expiring: 小波 "])
    assert world.present_bot() == {"state": BotState.RUNNING, "restarts": 0, "reason": ""}
    await page.do("wechat.reject", account=APPID, key="chen@harbour_tea")
    await until(lambda: any("Rejected: Chen" in one.text for one in world.slack.messages(ALERTS)))


@pytest.mark.process
async def test_bot_uses_the_zone_language_and_clock_of_the_page_and_a_restart_for_them_is_not_a_crash(page):
    world = page.world

    def environ_of_bot() -> tuple[str, str]:
        environ = psutil.Process(world.keeper.bot.process.pid).environ()
        return environ["TIMEZONE"], environ["KF_LANGUAGE"]

    await until(lambda: world.keeper.state is BotState.RUNNING)
    before = world.keeper.bot.process.pid
    await page.do("zone", name="UTC")
    await page.do("language", name="en")
    assert (world.keeper.is_ready, world.keeper.bot.process.pid) == (True, before)
    assert environ_of_bot() == ("UTC", "en")
    await page.do("zone", name="Asia/Kolkata")
    await page.do("language", name="zh")
    await until(lambda: world.keeper.is_ready)
    assert environ_of_bot() == ("Asia/Kolkata", "zh")
    assert (whole(world)["zone"], whole(world)["language"]) == ("Asia/Kolkata", "zh")

    await page.do("clock", rate=1440)
    _, said = await page.do("slack.command", channel=CARE, user="U0MEI", text="/kf")
    assert said["failure"] is None
    assert world.present_bot() == {"state": "running", "restarts": 0, "reason": "restarted for the new clock"}
    assert world.clock.rate == 1440


# Its machine


@pytest.mark.parametrize(
    ("environ", "platform", "opened"),
    [
        ({"TERM": "xterm"}, "linux", False),  # a text browser would take the terminal
        ({"DISPLAY": ":0"}, "linux", True),
        ({"BROWSER": "wslview"}, "linux", True),
        ({}, "darwin", True),
    ],
)
def test_browser_is_opened_only_on_a_desktop(environ, platform, opened):
    urls: queue.Queue[str] = queue.Queue()
    thread = desktop.open_browser("http://x/", environ=environ, platform=platform, opens=urls.put)
    assert (thread is not None) is opened
    assert not opened or urls.get(timeout=5) == "http://x/"


def test_browser_that_fails_is_reported_in_a_line(capsys):
    desktop.open_browser("http://x/", environ={"DISPLAY": ":0"}, platform="linux", opens=lambda url: 1 // 0).join()
    assert capsys.readouterr().out == "No browser could be started: open the address yourself.\n"


@pytest.mark.parametrize(
    ("environ", "target", "zone"),
    [
        ({"TZ": "Europe/Berlin"}, "/usr/share/zoneinfo/UTC", "Europe/Berlin"),
        ({}, "/usr/share/zoneinfo/Asia/Shanghai", "Asia/Shanghai"),
        ({}, "/usr/share/zoneinfo/Etc/UTC", "UTC"),
        ({}, "/no/such/zone", "UTC"),
        ({"TZ": ":/etc/localtime"}, "/etc/localtime", "UTC"),
    ],
)
def test_time_zone_of_the_machine_is_found_or_utc(tmp_path, environ, target, zone):
    (tmp_path / "localtime").symlink_to(target)
    assert desktop.zone(environ, tmp_path / "localtime") == zone


@pytest.mark.server
async def test_fault_lasts_until_cleared_or_occurs_once_and_is_shown_in_the_traffic(page):
    tokens = page.world.wechat[APPID].tokens
    await until(lambda: tokens.issued)
    for side, faults in (("wechat", WECHAT_FAULTS), ("slack", SLACK_FAULTS)):
        for name in faults:
            assert (await page.do("fault", side=side, name=name))[0] == 200
            assert page.world.present_faults()[side] == name
        await page.do("fault", side=side, name="none")

    before = set(tokens.issued)
    assert (await page.do("fault", side="wechat", name="expired token"))[0] == 200
    assert page.world.present_faults()["wechat"] == "none"
    await page.do("slack.command", channel=CARE, user="U0MEI", text="/kf")
    await until(lambda: set(tokens.issued) > before)
    assert 42001 in [call.errcode for call in page.world.wechat[APPID].log]

    async with page.session.get(f"{page.url}/events") as feed:
        assert feed.content_type == "text/event-stream"
        kinds = []
        await page.do("slack.say", channel=CARE, user="U0TOM", text="<img src=x>")
        async with asyncio.timeout(10):
            async for line in feed.content:
                if line.startswith(b"event: "):
                    kinds.append(line.decode()[7:].strip())
                elif b"<img src=x>" in line and kinds[-1] == "message":
                    break
    assert kinds[0] == "state"
