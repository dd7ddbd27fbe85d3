"""The HTTP server of a `web` process, which outlives its services: after a reload requests go to the new ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.web.connections import ConnectionLimits
from bot.web.file_limit import connections_within, raise_soft_limit
from bot.web.guard import Dispatch
from bot.web.rejections import Rejections
from bot.web.server import Exposition, Readiness, Ready, Server, make_web_app


@dataclass(frozen=True, slots=True)
class Handlers:
    """What answers the requests."""

    ready: Ready
    dispatch: Dispatch
    metrics: Exposition


class Front:
    """One listening server, and the present handlers of its requests."""

    def __init__(self, rejections: Rejections) -> None:
        self.rejections = rejections
        self._server: Server | None = None
        self._handlers: Handlers

    async def attach(
        self,
        handlers: Handlers,
        host: str,
        port: int,
        *,
        signing_secret: str,
        takes_commands: bool,
        has_metrics: bool,
    ) -> None:
        """Pass requests to these handlers from now on. The first call listens, and decides which paths there are.

        Args:
            takes_commands: Slack's requests come here, and not over a connection of the `worker`.

        Raises:
            CannotListenError: the address is in use, or not one of this machine.
        """
        self._handlers = handlers
        if self._server:
            return
        app = make_web_app(
            self._ready,
            self._dispatch if takes_commands else None,
            self._metrics if has_metrics else None,
            signing_secret=signing_secret,
            rejections=self.rejections,
        )
        self._server = Server(app, ConnectionLimits(connections_within(raise_soft_limit())))
        await self._server.listen(host, port)

    def stop_accepting(self) -> None:
        if self._server:
            self._server.stop_accepting()

    async def close(self) -> None:
        if self._server:
            await self._server.close()

    async def _ready(self) -> Readiness:
        return await self._handlers.ready()

    async def _dispatch(self, text: str, headers: Mapping[str, str]) -> tuple[int, str]:
        return await self._handlers.dispatch(text, headers)

    async def _metrics(self) -> bytes:
        return await self._handlers.metrics()
