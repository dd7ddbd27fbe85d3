"""Each reader in their own language, by the whole bot between its simulators, over signed HTTP."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import pytest

from bot.demo.slack_simulator import error, slow
from tests.running import ALERTS, CARE, World, bot_in_loop, final_answer, until, world
from wechat_kf.simulator import Fault, FaultMode

pytestmark = pytest.mark.server

BERLIN, GUANGZHOU = "U0TOM", "U0LIN"


@pytest.fixture
async def place(sqlite_url: str) -> AsyncIterator[World]:
    async with world(sqlite_url) as made:
        made.wechat.add_account("anna@harbour_tea", "Anna", kf_wx="anna_example")
        made.invite("bo", timedelta(days=3), "小波")
        made.slack.add_person(BERLIN, "tom", locale="en-GB", tz="Europe/Berlin")
        made.slack.add_person(GUANGZHOU, "林晓", locale="zh-CN", tz="Asia/Shanghai")
        yield made


async def ask(place: World, user: str, text: str) -> str:
    said = await place.slack.command(text, channel=CARE, user=user)
    assert said.ack.status == 200
    return (await final_answer(said)).text


async def test_two_people_ask_at_once_and_each_reads_their_own_language(place):
    async with bot_in_loop(place, ALERTS="off"):
        german, chinese = await asyncio.gather(ask(place, BERLIN, "waiting"), ask(place, GUANGZHOU, "待确认"))
        again = await ask(place, GUANGZHOU, "查找小波")
    assert german.startswith("1 account is waiting: 小波. Read from WeChat")
    assert german.endswith("Europe/Berlin.")
    assert chinese.startswith("1 个等待确认的账号：小波。数据时间 ")
    assert chinese.endswith("（北京时间）。")
    assert again.startswith("等待确认：小波（bo@harbour_tea）。bo_example 尚未确认。请对方在微信中接受邀请。")
    asked = [call.arguments["user"] for call in place.slack.calls if call.method == "users.info"]
    assert sorted(asked) == [GUANGZHOU, BERLIN]  # once each


async def test_late_language_is_that_of_the_channel_and_known_for_the_next_answer(place):
    place.slack.arm("users.info", slow(1.6))
    async with bot_in_loop(place, ALERTS="off"):
        began = time.monotonic()
        said = await place.slack.command("list", channel=CARE, user=GUANGZHOU)
        acknowledged = time.monotonic() - began
        first = (await said.answer()).text
        waited = time.monotonic() - began
        await until(lambda: any(call.method == "users.info" for call in place.slack.calls))
        await asyncio.sleep(0.8)
        assert (await ask(place, GUANGZHOU, "list")).startswith("账号：第 1 到 2 个")
    assert first.startswith("Accounts 1 to 2 of 2")
    assert acknowledged < 0.5
    assert waited < 1.5


async def test_without_the_scope_all_answers_are_in_the_language_of_the_channel(place, caplog):
    place.slack.scopes = place.slack.scopes - {"users:read"}
    with caplog.at_level(logging.WARNING):
        async with bot_in_loop(place, ALERTS="off", KF_LANGUAGE="zh"):
            answers = [await ask(place, user, "rejected") for user in (BERLIN, GUANGZHOU, BERLIN)]
    assert {answer[:10] for answer in answers} == {"没有“已拒绝”的账号"}
    assert sum("users:read" in record.getMessage() for record in caplog.records) == 1


async def test_people_whose_language_slack_does_not_tell_read_that_of_the_channel(place):
    place.slack.arm("users.info", error("internal_error"))
    async with bot_in_loop(place, ALERTS="off", KF_LANGUAGE="zh"):
        assert (await ask(place, BERLIN, "status")).startswith("运行正常，告警已关闭。")


async def test_changed_language_edits_each_open_message_once_and_posts_nothing(place):
    for name in ("dee", "chen"):
        place.invite(name, timedelta(days=3))
    async with bot_in_loop(place):
        await until(lambda: len(place.wechat.log) > 2)
        for number, name in enumerate(("bo", "dee", "chen"), 1):
            place.wechat.reject(f"{name}@harbour_tea")
            await until(lambda number=number: len(place.texts) == number)
    assert {text[:10] for text in place.texts} == {"Rejected: "}
    before = len(place.slack.calls)
    async with bot_in_loop(place, KF_LANGUAGE="zh") as url:
        await until(lambda: all(text.startswith("已拒绝：") for text in place.texts))
        async with aiohttp.ClientSession() as session, session.get(f"{url}/readyz") as ready:
            assert (await ready.text()).isascii()
        edited = [call.method for call in place.slack.calls[before:]]
        assert (edited.count("chat.update"), edited.count("chat.postMessage")) == (3, 0)
        said = await place.slack.click(place.slack.messages(ALERTS)[0], "alert.ack", user=BERLIN)
        assert said.ack.status == 200
        await until(lambda: place.texts[3:])
    assert place.texts[3].startswith("Tom 已知悉：小波（bo@harbour_tea）。此邀请不再提醒。")


async def test_log_stays_english(place, caplog):
    place.wechat.inject(Fault(FaultMode.ERRCODE, times=None, errcode=48001))
    with caplog.at_level(logging.INFO):
        async with bot_in_loop(place, KF_LANGUAGE="zh"):
            await until(lambda: any("problem began" in record.getMessage() for record in caplog.records))
    assert [line for record in caplog.records if not (line := record.getMessage()).isascii()] == []
