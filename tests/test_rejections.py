"""Rejected requests leave a trace: a line for each reason and minute, and a problem of the health."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import pytest

from bot.demo.slack_simulator import sign
from bot.health.facts import RejectedRequests
from bot.settings.values import Settings
from bot.store import processes
from bot.store.processes import ProcessInfo
from bot.web.rejections import MOST_REASONS, Rejections
from tests.conftest import NOW, VirtualClock
from tests.doctors import running_bot
from tests.running import CARE, World, bot_in_loop, until, world

pytestmark = pytest.mark.server

MINUTE = timedelta(minutes=1)
FORM = "command=%2Fkf&text="


@pytest.fixture
async def place(sqlite_url) -> AsyncIterator[World]:
    async with world(sqlite_url) as made:
        made.invite("bo")
        yield made


@pytest.fixture
def rejections(clock: VirtualClock) -> Rejections:
    return Rejections(clock)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record for record in caplog.records if record.getMessage().startswith("request rejected")]
    assert {record.levelname for record in found} <= {"WARNING"}
    return [record.getMessage().removeprefix("request rejected ") for record in found]


async def send(place: World, url: str, path: str, *, ago: float = 0, method: str = "POST") -> int:
    """Send a request that is signed as Slack's, so many seconds ago."""
    stamp = str(int(time.time() - ago))
    headers = {
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": sign(FORM, place.slack.signing_secret, stamp),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url + path, data=FORM, headers=headers) as answer,
    ):
        return answer.status


async def page(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.text()


async def test_wrong_signing_secret_is_named_in_log_readyz_metrics_and_doctor(place, caplog):
    secret = {"SLACK_SIGNING_SECRET": "0" * 32}
    async with bot_in_loop(place, **secret) as url:
        for _ in range(3):
            assert (await place.slack.command("", channel=CARE)).ack.status == 401
        assert lines(caplog) == ["reason=signature"]
        said = "3 requests of Slack rejected. Their signature is not that of SLACK_SIGNING_SECRET"
        await until(lambda: _ready_with(url, said))
        assert 'wechat_kf_problem{kind="requests_rejected"} 1.0' in await page(f"{url}/metrics")
        settings = Settings.from_environ(place.environ | secret)
        await until(lambda: _doctor_names(settings, "SLACK_SIGNING_SECRET"))


async def _ready_with(url: str, words: str) -> bool:
    body = await page(f"{url}/readyz")
    return body.startswith("ready\n") and words in body


async def _doctor_names(settings: Settings, remedy: str) -> bool:
    return any(remedy in one.remedy for one in await running_bot(settings))


async def test_readyz_names_rejected_requests_with_alerts_off_too(place):
    async with bot_in_loop(place, SLACK_SIGNING_SECRET="0" * 32, ALERTS="off") as url:
        await place.slack.command("", channel=CARE)
        assert "1 request of Slack rejected" in await page(f"{url}/readyz")


async def test_request_six_minutes_off_is_logged_with_the_difference(place, caplog):
    async with bot_in_loop(place) as url:
        assert await send(place, url, "/slack/events", ago=360) == 401
        assert await send(place, url, "/slack/events", ago=-360) == 401
        assert len(lines(caplog)) == 1
        assert lines(caplog)[0] in ('reason="clock off=360 s"', 'reason="clock off=361 s"')
        assert "set the clock" in (await page(f"{url}/readyz")).lower()


@pytest.mark.parametrize(("path", "status"), [("/slack/commands", 404), ("/", 405)])
async def test_request_to_another_path_is_logged_and_its_remedy_names_the_right_one(place, caplog, path, status):
    async with bot_in_loop(place) as url:
        assert await send(place, url, path) == status
        assert lines(caplog) == [f'reason="path={path}"']
        assert "end in /slack/events." in await page(f"{url}/readyz")


async def test_path_with_a_trailing_slash_is_accepted(place, caplog):
    async with bot_in_loop(place) as url:
        place.slack.app_url = f"{url}/slack/events/"
        said = await place.slack.command("", channel=CARE)
        assert said.ack.status == 200
        assert (await said.answer()).text
    assert lines(caplog) == []


async def test_accepted_request_shows_that_the_signing_secret_is_right(place):
    async with bot_in_loop(place) as url:
        await send(place, url, "/slack/events", ago=360)
        await place.slack.command("", channel=CARE)
        assert "rejected" not in await page(f"{url}/readyz")


async def test_requests_of_strangers_are_logged_and_do_not_count_as_a_problem(place, caplog):
    async with bot_in_loop(place) as url, aiohttp.ClientSession() as session:
        for path in ("/wp-login.php", "/slack/events", "/xmlrpc.php"):
            await session.post(url + path, data="x")
        await session.get(f"{url}/favicon.ico")
        assert "rejected" not in await page(f"{url}/readyz")
    assert lines(caplog) == ['reason="path=/wp-login.php"', "reason=signature"]


async def test_long_path_is_cut_in_the_log(place, caplog):
    async with bot_in_loop(place) as url, aiohttp.ClientSession() as session:
        await session.post(f"{url}/{'x' * 500}", data="x")
    [line] = lines(caplog)
    assert len(line) < 90
    assert "…" in line


def test_each_reason_has_one_line_a_minute_with_the_count_since(rejections, clock, caplog):
    for _ in range(120):
        rejections.signature(by_slack=True)
        rejections.clock(360, by_slack=True)
        clock.forward(seconds=1)
    rejections.signature(by_slack=True)
    assert lines(caplog) == [
        "reason=signature",
        'reason="clock off=360 s"',
        "reason=signature count=60",
        'reason="clock off=360 s" count=60',
        "reason=signature count=60",
    ]


def test_health_shows_the_most_frequent_reason_of_the_last_minutes(rejections, clock):
    assert rejections.recent is None
    rejections.path("/slack/commands", by_slack=True)
    rejections.path("/slack/commands", by_slack=True)
    rejections.clock(400, by_slack=True)
    assert rejections.recent == RejectedRequests("path=/slack/commands", 2, NOW)
    rejections.accept()
    assert rejections.recent == RejectedRequests("path=/slack/commands", 2, NOW)
    clock.forward(minutes=11)
    assert rejections.recent is None


def test_reasons_that_are_remembered_are_bounded(rejections):
    for number in range(1000):
        rejections.path(f"/{number}", by_slack=True)
    assert len(rejections._reasons) == MOST_REASONS


async def test_other_processes_know_the_rejected_requests_of_one(store, clock):
    rejected = RejectedRequests("signature", 3, NOW)
    async with store.begin() as tx:
        await processes.touch(tx, ProcessInfo("one", rejected=rejected), NOW)
        assert [one.rejected for one in await processes.running(tx, NOW)] == [rejected]
        await processes.touch(tx, ProcessInfo("one"), NOW)
        assert [one.rejected for one in await processes.running(tx, NOW)] == [None]
