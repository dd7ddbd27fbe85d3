"""The way to Slack: requests are counted here, and the bot is killed while one of them is under way."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot.demo.servers import serve
from bot.demo.slack import SlackStandIn
from bot.demo.slack.http import application, hang_up
from tests.crash.failpoints import Moment, Point, Where

POST, EDIT = "chat.postMessage", "chat.update"
LOOKS = ("conversations.history", "conversations.replies")
KIND = {POST: Where.POST, EDIT: Where.EDIT, **dict.fromkeys(LOOKS, Where.LOOK)}
ON_ITS_WAY = 1.0  # seconds a request may take to Slack when its sender is dead already
HANDLING = 0.02  # seconds in which an answer that has left may be acted on

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class _Trap:
    """Kills at the next request of a kind."""

    point: Point
    kill: Callable[[], None]


class Gate:
    """Stands before a stand-in. Tells posts apart by the mark in their metadata."""

    def __init__(self, slack: SlackStandIn, rng: random.Random) -> None:
        self._slack = slack
        self._rng = rng
        self._trap: _Trap | None = None
        self.requests: Counter[str] = Counter()  # by method
        self.posts: Counter[str] = Counter()  # by the message's mark
        self.delays: deque[float] = deque()  # seconds until Slack takes the next posts

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        app = application(self._slack)
        app.middlewares.append(self._pass)
        async with serve(app) as self._slack.base_url:
            yield self._slack.api_url

    def set_trap(self, point: Point, kill: Callable[[], None]) -> None:
        self._trap = _Trap(point, kill)

    def take_trap(self) -> None:
        self._trap = None

    @web.middleware
    async def _pass(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        method = request.path.rpartition("/")[2]
        self.requests[method] += 1
        body = await request.read()  # now: its sender may not live to be asked for it
        if method == POST:
            self.posts[_mark(json.loads(body))] += 1
        trap = self._sprung(method)
        if trap is None:
            if method == POST and self.delays:
                await asyncio.sleep(self.delays.popleft())
            return await handler(request)
        self._slack.take_fault(method)  # this request has trouble enough
        return await self._die(trap, request, handler)

    def _sprung(self, method: str) -> _Trap | None:
        trap = self._trap
        if trap is None or KIND.get(method) is not trap.point.where:
            return None
        self._trap = None
        return trap

    async def _die(self, trap: _Trap, request: web.Request, handler: Handler) -> web.StreamResponse:
        moment = trap.point.what
        if moment in (Moment.LOST, Moment.LATE):
            trap.kill()
            if moment is Moment.LATE:
                await asyncio.sleep(self._rng.uniform(0, ON_ITS_WAY))
                await handler(request)
            return hang_up(request)
        answer = await handler(request)
        if moment is Moment.TAKEN:
            trap.kill()
            return hang_up(request)
        with suppress(ConnectionError):  # the bot may have given it up
            await answer.prepare(request)
            await answer.write_eof()
        await asyncio.sleep(self._rng.uniform(0, HANDLING))
        trap.kill()
        return answer


def _mark(arguments: dict[str, Any]) -> str:
    return str(arguments["metadata"]["event_payload"]["k"])
