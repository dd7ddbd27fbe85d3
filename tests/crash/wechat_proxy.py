"""A server before the simulated WeChat: it reports the writes that arrive, and kills the bot during one of them."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from bot.demo.servers import serve, wechat_application
from tests.crash.failpoints import Failpoint, Site
from tests.crash.fault_proxy import Armed, Handler, kill_during
from tests.crash.workload import utc_now
from wechat_kf import writes
from wechat_kf.simulator import Simulator

WriteListener = Callable[[Mapping[str, str]], None]  # receives the fields of the request


class WeChatProxy:
    """Forwards requests to the simulated WeChat."""

    def __init__(
        self, wechat: Simulator, rng: random.Random, *, arrived: WriteListener, handled: WriteListener
    ) -> None:
        """Set the listeners.

        Args:
            arrived: is called before WeChat receives a write.
            handled: is called after WeChat has carried it out or refused it.
        """
        self._wechat = wechat
        self._rng = rng
        self._arrived = arrived
        self._handled = handled
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
        fields = json.loads(await request.read())
        self._arrived(fields)

        async def carry_out(write: web.Request) -> web.StreamResponse:
            try:
                return await handler(write)
            finally:
                self._handled(fields)

        armed, self._armed = self._armed, None
        if armed:
            return await kill_during(armed, request, carry_out, self._rng)
        return await carry_out(request)
