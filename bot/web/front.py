"""The HTTP server of a `web` process, which outlives its services: after a reload requests go to the new ones."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from bot.web.connection_limits import ConnectionLimits
from bot.web.file_limit import connections_within, raise_soft_limit
from bot.web.guard import Dispatch
from bot.web.rejections import Rejections
from bot.web.server import Exposition, Readiness, Ready, Server, make_web_app

if TYPE_CHECKING:
    from bot.web.platform_endpoint import OpenPush, PlatformEndpoint, PlatformHandlers

NOT_LOADED = "The Official Accounts have not been read yet."


@dataclass(frozen=True, slots=True)
class Handlers:
    """What answers the requests."""

    ready: Ready
    dispatch: Dispatch
    metrics: Exposition
    platform: PlatformHandlers | None = None  # None without a third-party platform


class Front:
    """One listening server, and the present handlers of its requests. Before there are any, requests wait for them.

    So `/healthz` is answered while thousands of accounts are being read.
    """

    def __init__(self, rejections: Rejections) -> None:
        self.rejections = rejections
        self._server: Server | None = None
        self._handlers: Handlers
        self._is_attached = asyncio.Event()

    async def listen(
        self,
        host: str,
        port: int,
        *,
        signing_secret: str,
        takes_commands: bool,
        has_metrics: bool,
        open_push: OpenPush | None = None,
    ) -> None:
        """Accept requests. A second call changes nothing.

        Args:
            takes_commands: Slack's requests come here, and not over a connection of the `worker`.
            open_push: verifies and decrypts the pushes to a third-party platform; None without one.

        Raises:
            CannotListenError: the address is in use, or not one of this machine.
        """
        if self._server:
            return
        app = make_web_app(
            self._ready,
            self._dispatch if takes_commands else None,
            self._metrics if has_metrics else None,
            signing_secret=signing_secret,
            rejections=self.rejections,
            platform=self._platform_endpoint(open_push) if open_push else None,
        )
        self._server = Server(app, ConnectionLimits(connections_within(raise_soft_limit())))
        await self._server.listen(host, port)

    def attach(self, handlers: Handlers) -> None:
        """Pass requests to these handlers from now on."""
        self._handlers = handlers
        self._is_attached.set()

    def _platform_endpoint(self, open_push: OpenPush) -> PlatformEndpoint:
        # Only here: without a platform nothing of it is imported.
        from bot.web.platform_endpoint import PlatformEndpoint

        return PlatformEndpoint(open_push, self._platform, self.rejections)

    def stop_accepting(self) -> None:
        if self._server:
            self._server.stop_accepting()

    async def close(self) -> None:
        if self._server:
            await self._server.close()

    async def _ready(self) -> Readiness:
        return await self._handlers.ready() if self._is_attached.is_set() else Readiness(NOT_LOADED)

    async def _dispatch(self, text: str, headers: Mapping[str, str]) -> tuple[int, str]:
        await self._is_attached.wait()
        return await self._handlers.dispatch(text, headers)

    async def _metrics(self) -> bytes:
        await self._is_attached.wait()
        return await self._handlers.metrics()

    async def _platform(self) -> PlatformHandlers:
        await self._is_attached.wait()
        return cast("PlatformHandlers", self._handlers.platform)
