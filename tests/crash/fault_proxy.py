"""A server before the simulated Slack: it counts requests, delays them, and kills the bot during one of them."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from bot.demo.servers import serve
from bot.demo.slack_simulator import RESPONSE_URL, SlackSimulator
from bot.demo.slack_simulator.http import application, hang_up
from tests.crash.failpoints import Failpoint, RequestPhase, Site

POST, EDIT = "chat.postMessage", "chat.update"
UPDATE_VIEW = "views.update"
LOOKUP_METHODS = ("conversations.history", "conversations.replies")
SITES = {
    POST: Site.POST,
    EDIT: Site.EDIT,
    UPDATE_VIEW: Site.VIEW,
    **dict.fromkeys(LOOKUP_METHODS, Site.LOOKUP),
}
LATE_DELIVERY = 1.0  # seconds that a request may still be under way after its sender died
HANDLING_SECONDS = 0.02  # seconds in which the bot may act on a response that has been sent

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Armed:
    """A failpoint that kills at the next request of its kind."""

    point: Failpoint
    kill: Callable[[], None]


class FaultProxy:
    """Forwards requests to the simulated Slack. Distinguishes posts by the key in their metadata."""

    def __init__(self, slack: SlackSimulator, rng: random.Random) -> None:
        self._slack = slack
        self._rng = rng
        self._armed: Armed | None = None
        self.requests: Counter[str] = Counter()  # by method
        self.posts: Counter[str] = Counter()  # by message key
        self.delays: deque[float] = deque()  # seconds until Slack receives the next posts

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        app = application(self._slack)
        app.middlewares.append(self._forward)
        async with serve(app) as self._slack.base_url, aiohttp.ClientSession() as self._slack.session:
            yield self._slack.api_url

    def arm(self, point: Failpoint, kill: Callable[[], None]) -> None:
        self._armed = Armed(point, kill)

    def disarm(self) -> None:
        self._armed = None

    @web.middleware
    async def _forward(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        method = request.path.rpartition("/")[2] if request.path.startswith("/api/") else RESPONSE_URL
        self.requests[method] += 1
        body = await request.read()  # before a kill: afterwards it cannot be read
        if method == POST:
            self.posts[_message_key(json.loads(body))] += 1
        armed = self._take_armed(method)
        if armed is None:
            if method == POST and self.delays:
                await asyncio.sleep(self.delays.popleft())
            return await handler(request)
        self._slack.take_fault(method)  # one fault per request
        return await kill_during(armed, request, handler, self._rng)

    def _take_armed(self, method: str) -> Armed | None:
        armed = self._armed
        if armed is None or SITES.get(method) is not armed.point.site:
            return None
        self._armed = None
        return armed


async def kill_during(
    armed: Armed, request: web.Request, handler: Handler, rng: random.Random
) -> web.StreamResponse:
    """Kill the sender of a request in the phase that its failpoint names."""
    phase = armed.point.what
    if phase in (RequestPhase.LOST, RequestPhase.LATE):
        armed.kill()
        if phase is RequestPhase.LATE:
            await asyncio.sleep(rng.uniform(0, LATE_DELIVERY))
            await handler(request)
        return hang_up(request)
    answer = await handler(request)
    if phase is RequestPhase.TAKEN:
        armed.kill()
        return hang_up(request)
    with suppress(ConnectionError):  # the bot may have closed the connection
        await answer.prepare(request)
        await answer.write_eof()
    await asyncio.sleep(rng.uniform(0, HANDLING_SECONDS))
    armed.kill()
    return answer


def _message_key(arguments: dict[str, Any]) -> str:
    return str(arguments["metadata"]["event_payload"]["k"])
