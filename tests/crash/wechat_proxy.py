"""A server before the simulated WeChat: it reports the writes that arrive, and kills the bot during one of them."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

from aiohttp import web

from bot.demo.servers import serve, wechat_application
from tests.crash.failpoints import Failpoint, Site
from tests.crash.fault_proxy import Armed, Handler, kill_during
from tests.crash.workload import utc_now
from wechat_kf import writes
from wechat_kf.simulator import World


class WriteListener(Protocol):
    """Receives the fields of each write to an Official Account."""

    def write_arrived(self, fields: Mapping[str, str], /) -> None:
        """A write arrived, and WeChat has not received it."""

    def write_handled(self, fields: Mapping[str, str], /) -> None:
        """WeChat has carried a write out, or refused it."""


class WeChatProxy:
    """Forwards requests to the simulated WeChat."""

    def __init__(self, wechat: World, rng: random.Random, listeners: Mapping[str, WriteListener]) -> None:
        """`listeners` are by AppID, one for each account."""
        self._wechat = wechat
        self._rng = rng
        self._listeners = listeners
        self._armed: Armed | None = None

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        app = wechat_application(self._wechat, utc_now)
        app.middlewares.append(self._forward)
        async with serve(app) as url:
            yield url

    def arm(self, point: Failpoint, kill: Callable[[], None]) -> None:
        if point.site is Site.WRITE:
            self._armed = Armed(point, kill)

    def disarm(self) -> None:
        self._armed = None

    @web.middleware
    async def _forward(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in writes.PATHS:
            return await handler(request)
        body = await request.read()
        fields = json.loads(body)
        listener = self._listeners[self._wechat.addressed(request.path, request.query, body).appid]
        listener.write_arrived(fields)

        async def carry_out(write: web.Request) -> web.StreamResponse:
            try:
                return await handler(write)
            finally:
                listener.write_handled(fields)

        armed, self._armed = self._armed, None
        if armed:
            return await kill_during(armed, request, carry_out, self._rng)
        return await carry_out(request)
