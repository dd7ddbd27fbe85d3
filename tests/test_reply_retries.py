"""Answers that Slack refuses for a while, or that WeChat delays, through the running bot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from bot import ports
from bot.demo.process import free_port
from bot.demo.servers import serve
from bot.demo.slack_simulator import RESPONSE_URL, Message, dropped, http_error, ratelimited, reply_lost
from bot.demo.slack_simulator.http import application
from bot.demo.slack_simulator.sent_messages import Invocation
from bot.runtime.logs import LineFormatter
from bot.slack.response_url import ResponseLimits, ResponseUrl
from tests.running import CARE, World, bot_in_loop, until, world
from tests.samples import READING, RESTARTING
from wechat_kf.simulator import Fault, FaultMode

pytestmark = pytest.mark.server

BRISK = ResponseLimits(first_pause=0.01, longest_pause=0.05)
PATIENT = ResponseLimits(first_pause=60)
NOTICING = ResponseLimits(notice_after=0.05, first_pause=0.01)
SLOW = Fault(FaultMode.SLOW, seconds=0.4, path="/cgi-bin/customservice/getkflist")


@pytest.fixture
async def place(sqlite_url: str) -> AsyncIterator[World]:
    async with world(sqlite_url) as made:
        made.wechat.add_account("anna@harbour_tea", "Anna", kf_wx="anna_example")
        yield made


@asynccontextmanager
async def running(place: World, limits: ResponseLimits) -> AsyncIterator[None]:
    async with bot_in_loop(place, ALERTS="off", limits=limits):
        yield


async def typed(place: World, text: str = "list") -> Invocation:
    return await place.slack.command(text, channel=CARE)


async def clicked(place: World, action_id: str) -> tuple[Message, Invocation]:
    """Click a button of an answer; the next read of WeChat is a new one, and slow."""
    place.wechat.allow_list = ()  # a failed read is not shared, and its answer offers to read again
    shown = await (await typed(place)).answer()
    place.wechat.allow_list = None
    place.wechat.inject(SLOW)
    return shown, await place.slack.click(shown, action_id)


def test_limits_of_an_answer_stay_within_the_thirty_minutes_of_its_url():
    assert ResponseLimits() == ResponseLimits(
        notice_after=2, notice=3, request=10, first_pause=1, longest_pause=60, give_up_after=300
    )


def uses(place: World) -> list[str]:
    return [str(call.arguments["text"]) for call in place.slack.calls if call.method == RESPONSE_URL]


# Refusals


async def test_rate_limited_answer_is_repeated_after_the_time_that_slack_names(place):
    place.slack.arm(RESPONSE_URL, ratelimited(1))
    async with running(place, BRISK):
        said = await typed(place)
        began = time.monotonic()
        assert (await said.answer()).text.startswith("Accounts 1 of 1")
    assert 0.95 <= time.monotonic() - began < 3
    assert len(uses(place)) == 2


async def test_rate_limit_beyond_the_time_limit_gives_up_at_once(place, caplog):
    place.slack.arm(RESPONSE_URL, ratelimited(301))
    async with running(place, BRISK):
        await typed(place)
        await until(lambda: "reply not accepted" in caplog.text)
    assert len(uses(place)) == 1


@pytest.mark.parametrize("fault", [http_error(503), http_error(429), dropped()], ids=["503", "429", "dropped"])
async def test_answer_keeps_its_blocks_through_an_outage(place, fault):
    place.slack.arm(RESPONSE_URL, fault, fault, fault)
    async with running(place, BRISK):
        answer = await (await typed(place)).answer()
    assert answer.blocks
    assert len(uses(place)) == 4


async def test_unreachable_slack_is_tried_until_it_returns_and_connections_refused_are_not_uses(place, caplog):
    caplog.set_level("INFO")
    port = free_port()
    place.slack.base_url = f"http://127.0.0.1:{port}"  # of response_urls
    async with running(place, BRISK):
        said = await typed(place)
        await until(lambda: caplog.text.count("answer delayed") > 8)
        async with serve(application(place.slack), port):
            assert (await said.answer()).text.startswith("Accounts 1 of 1")


async def test_answer_is_given_up_after_five_uses_with_one_warning_that_names_the_request(place, caplog):
    caplog.handler.setFormatter(LineFormatter([]))
    place.slack.arm(RESPONSE_URL, *[http_error(503)] * 6)
    async with running(place, BRISK):
        await typed(place)
        await until(lambda: "reply not accepted" in caplog.text)
        await asyncio.sleep(0.1)
    (line,) = (line for line in caplog.text.splitlines() if "WARNING" in line and "reply" in line)
    assert "reply not accepted uses=5 status=503 request=" in line
    assert len(uses(place)) == 5


async def test_last_message_of_a_task_that_outlives_the_shutdown_is_given_up(caplog):
    async with aiohttp.ClientSession() as session:
        reply = ResponseUrl(session, "https://hooks.slack.com/commands/1", asyncio.Event(), ResponseLimits())
    await reply.send_once(ports.Message("The bot is restarting, please repeat."))
    assert "reply not accepted" in caplog.text


async def test_answer_is_given_up_when_its_time_is_over(place, caplog):
    place.slack.arm(RESPONSE_URL, *[http_error(503)] * 5)
    async with running(place, ResponseLimits(first_pause=0.05, give_up_after=0.1)):
        await typed(place)
        await until(lambda: "reply not accepted" in caplog.text)
    assert len(uses(place)) == 2


async def test_click_is_answered_after_an_outage(place):
    async with running(place, BRISK):
        shown = await (await typed(place, "find")).answer()
        place.slack.arm(RESPONSE_URL, http_error(503), ratelimited(1))
        said = await place.slack.click(shown, "kf.help")
        assert (await said.answer()).text.startswith("/kf shows what needs attention")


# Shutdown


@pytest.mark.parametrize("fault", [http_error(503), ratelimited(60)], ids=["503", "429"])
async def test_shutdown_ends_a_pause_at_once_with_the_restart_text(place, caplog, fault):
    caplog.set_level("INFO")
    place.slack.arm(RESPONSE_URL, fault)
    async with running(place, PATIENT):
        said = await typed(place)
        await until(lambda: "answer delayed" in caplog.text)
        began = time.monotonic()
    assert time.monotonic() - began < 2
    assert [message.text for message in said.answers()] == [RESTARTING.text]
    assert len(uses(place)) == 2


async def test_shutdown_while_slack_is_away_ends_without_an_answer(place, caplog):
    caplog.set_level("INFO")
    place.slack.arm(RESPONSE_URL, *[http_error(503)] * 5)
    async with running(place, PATIENT):
        await typed(place)
        await until(lambda: "answer delayed" in caplog.text)
        began = time.monotonic()
    assert time.monotonic() - began < 2
    assert len(uses(place)) == 2
    assert caplog.text.count("reply not accepted") == 1


# WeChat takes long


async def test_slow_read_is_announced_and_the_answer_replaces_the_notice(place):
    place.wechat.inject(SLOW)
    async with running(place, NOTICING):
        said = await typed(place)
        notice, answer = await said.answer(), await said.answer()
    assert (notice.text, notice.only_for) == (READING.text, "U0MEI")
    assert answer.text.startswith("Accounts 1 of 1")
    assert answer.ts == notice.ts
    assert uses(place) == [READING.text, answer.text]


async def test_answer_is_a_separate_message_where_slack_does_not_replace_the_notice(place):
    place.slack.replaces_answers = False
    place.wechat.inject(SLOW)
    async with running(place, NOTICING):
        said = await typed(place)
        notice, answer = await said.answer(), await said.answer()
    assert answer.ts != notice.ts
    assert answer.text.startswith("Accounts 1 of 1")


async def test_notice_counts_as_a_use(place, caplog):
    place.wechat.inject(SLOW)
    async with running(place, NOTICING):
        said = await typed(place)
        assert (await said.answer()).text == READING.text
        place.slack.arm(RESPONSE_URL, *[http_error(503)] * 5)
        await until(lambda: "reply not accepted" in caplog.text)
    assert len(uses(place)) == 5


async def test_answer_waits_for_the_time_that_slack_named_for_the_notice(place):
    place.slack.arm(RESPONSE_URL, ratelimited(1))
    place.wechat.inject(SLOW)
    async with running(place, NOTICING):
        began = time.monotonic()
        answer = await (await typed(place)).answer()
    assert time.monotonic() - began > 1
    assert answer.text.startswith("Accounts 1 of 1")


async def test_notice_with_a_lost_response_is_not_repeated(place):
    place.slack.arm(RESPONSE_URL, reply_lost())
    place.wechat.inject(SLOW)
    async with running(place, NOTICING):
        said = await typed(place)
        assert [(await said.answer()).text[:8] for _ in range(2)] == ["Reading ", "Accounts"]


async def test_failed_read_replaces_the_notice(place):
    place.wechat.allow_list = ()
    place.wechat.inject(Fault(FaultMode.SLOW, seconds=0.4))
    async with running(place, NOTICING):
        said = await typed(place)
        notice, answer = await said.answer(), await said.answer()
    assert "errcode 40164" in answer.text
    assert answer.ts == notice.ts


async def test_click_in_the_askers_own_list_shows_the_notice_in_its_place(place):
    async with running(place, NOTICING):
        shown, said = await clicked(place, "kf.retry")
        notice, answer = await said.answer(), await said.answer()
    assert (notice.text, answer.text[:8]) == (READING.text, "Accounts")
    assert {notice.ts, answer.ts} == {shown.ts}


async def test_slow_click_in_a_channel_never_replaces_the_clicked_message(place):
    shown = place.slack.call("chat.postMessage", {"channel": CARE, "text": "alert", "blocks": [_button()]})
    (message,) = place.slack.messages(CARE)
    place.wechat.inject(SLOW)
    async with running(place, NOTICING):
        said = await place.slack.click(message, "kf.list")
        notice, answer = await said.answer(), await said.answer()
    assert shown["ok"]
    assert place.slack.messages(CARE) == [message]
    assert (notice.text, answer.text[:5]) == (READING.text, "Accou")
    assert len({notice.ts, answer.ts, message.ts}) == 3


def _button() -> dict:
    text = {"type": "plain_text", "text": "Show"}
    button = {"type": "button", "text": text, "action_id": "kf.list", "value": "v1:list:1:all"}
    return {"type": "actions", "elements": [button]}


@pytest.mark.parametrize("text", ["help", "find", "status"])
async def test_answers_without_wechat_are_not_announced(place, text):
    async with running(place, ResponseLimits(notice_after=0)):
        said = await typed(place, text)
        answer = await said.answer()
    assert answer.text != READING.text
    assert uses(place) == [answer.text]


async def test_shutdown_during_a_slow_read_replaces_the_notice(place, monkeypatch):
    monkeypatch.setattr("bot.app.DRAIN_SECONDS", 0.1)
    place.wechat.inject(Fault(FaultMode.SLOW, seconds=30))
    async with running(place, NOTICING):
        said = await typed(place)
        notice = await said.answer()
    (last,) = said.answers()
    assert (last.text, last.ts) == (RESTARTING.text, notice.ts)
