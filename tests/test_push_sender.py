"""The pushes of the simulated platform over HTTP: what counts as an answer, and what is sent again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from bot.demo.push_sender import EVENTS_PATH, PushSender
from bot.demo.servers import serve
from tests.conftest import VirtualClock
from tests.platforms import opened, platform
from tests.running import until
from tests.vectors_of_pushes import TICKET
from wechat_kf.simulator.component import SealedPush


class Bot:
    """Answers each push in turn, and then the last answer again."""

    def __init__(self, *answers: web.Response | None) -> None:
        self.answers = list(answers)  # None: no answer in time
        self.pushes: list[SealedPush] = []
        self.statuses: list[int | None] = []
        self.url = ""

    @asynccontextmanager
    async def reached(self) -> AsyncIterator[PushSender]:
        app = web.Application()
        app.router.add_post(EVENTS_PATH, self.receive)
        app.router.add_get(EVENTS_PATH, self.redirected)
        async with serve(app) as self.url, aiohttp.ClientSession() as session:
            yield PushSender(
                session, lambda: self.url, within=0.1, report=lambda push, status: self.statuses.append(status)
            )

    async def receive(self, request: web.Request) -> web.StreamResponse:
        self.pushes.append(SealedPush(await request.read(), dict(request.query)))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            await asyncio.sleep(1)
        if answer is None:
            return said("success")
        return web.Response(status=answer.status, body=answer.body, headers={"Location": EVENTS_PATH})

    async def redirected(self, request: web.Request) -> web.StreamResponse:
        return said("success")


def said(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status)


async def test_push_arrives_unchanged_and_is_sent_once() -> None:
    bot, push = Bot(said("success")), SealedPush(TICKET.body, TICKET.query)
    async with bot.reached() as sender:
        assert await sender.send(push)
    assert (bot.pushes, bot.statuses) == ([push], [200])


@pytest.mark.parametrize(
    "answer",
    [said("success\n"), said('"success"'), said("SUCCESS"), said(""), said("success", 500), said("", 302), None],
)
async def test_push_without_the_required_answer_is_sent_three_times(answer: web.Response | None) -> None:
    bot = Bot(answer)
    async with bot.reached() as sender:
        assert not await sender.send(SealedPush(TICKET.body, TICKET.query))
    assert len(bot.pushes) == 3
    assert bot.statuses == [answer.status if answer else None] * 3


async def test_push_is_sent_again_until_it_is_accepted() -> None:
    bot = Bot(said("", 503), said("success"))
    async with bot.reached() as sender:
        assert await sender.send(SealedPush(TICKET.body, TICKET.query))
    assert bot.statuses == [503, 200]


async def test_push_to_no_server_fails() -> None:
    async with aiohttp.ClientSession() as session:
        assert not await PushSender(session, lambda: "http://127.0.0.1:1").send(SealedPush(b"", {}))


async def test_tickets_follow_the_clock_once_the_bot_has_an_address() -> None:
    bot, clock, component = Bot(said("success")), VirtualClock(), platform()
    async with bot.reached() as sender:
        url, bot.url = bot.url, ""
        sending = asyncio.create_task(sender.send_tickets(component, clock))
        await asyncio.sleep(0)
        bot.url = url
        await until(lambda: len(bot.pushes) == 1)
        clock.forward(minutes=10)
        await until(lambda: len(bot.pushes) == 2)
        sending.cancel()
    assert {opened(push)["InfoType"] for push in bot.pushes} == {"component_verify_ticket"}
