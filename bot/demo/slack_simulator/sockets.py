"""Socket Mode: the app's websockets, and the envelopes that wait for their ack.

https://docs.slack.dev/apis/events-api/using-socket-mode
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from typing import Any

from aiohttp import WSCloseCode, web

from bot.demo.slack_simulator import wire
from bot.demo.slack_simulator.state import Workspace

MAX_CONNECTIONS = 10  # per app
EVENTS = "events_api"  # the type of envelopes that bring events

Retry = tuple[int, str]  # its number, from 1, and the reason


class Sockets:
    """The connections of one app. A payload goes to any one of them, here to each in turn."""

    def __init__(self, slack: Workspace) -> None:
        self._slack = slack
        self._open: list[web.WebSocketResponse] = []
        self._envelopes: dict[str, asyncio.Future[Any]] = {}
        self.silent = False  # connections are granted, and nothing ever comes through them, not even a pong

    def __len__(self) -> int:
        return len(self._open)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Hold one connection, from `hello` until either side closes it."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._slack.tickets:
            self._slack.unexpected.append("a websocket without a fresh ticket")
            return web.Response(status=403)
        self._slack.tickets.discard(ticket)
        socket = web.WebSocketResponse(autoping=not self.silent)
        await socket.prepare(request)
        if len(self._open) == MAX_CONNECTIONS:
            await socket.send_json({"type": "disconnect", "reason": "too_many_websockets"})
            await socket.close()
            return socket
        self._open.append(socket)
        try:
            if self.silent:
                await self._say_nothing(socket)
                return socket
            await socket.send_json(self._hello())
            async for frame in socket:
                self._heard(frame.data)
        finally:
            self._open.remove(socket)
        return socket

    async def _say_nothing(self, socket: web.WebSocketResponse) -> None:
        async for _ in socket:
            pass

    async def send(self, kind: str, payload: Mapping[str, Any], *, answerable: bool, retry: Retry | None) -> Any:
        """Deliver a payload, and return that of the app's ack (None if it has none), however late.

        `retry` is for events; the others are sent once.

        Raises:
            ConnectionError: no connection is open.
        """
        if not self._open:
            raise ConnectionError("no websocket is open")
        self._open.append(self._open.pop(0))
        envelope_id = str(uuid.uuid4())
        # Never forgotten: what is acknowledged too late is no unknown envelope.
        self._envelopes[envelope_id] = asyncio.get_running_loop().create_future()
        envelope: dict[str, Any] = {"envelope_id": envelope_id, "type": kind}
        envelope["accepts_response_payload"] = answerable
        if kind == EVENTS:
            number, reason = retry or (0, "")
            envelope |= {"retry_attempt": number, "retry_reason": reason}
        await self._open[0].send_json({**envelope, "payload": payload})
        return await self._envelopes[envelope_id]

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Send every connection a disconnect message; a `warning` only announces it, other reasons close."""
        for socket in [*self._open]:
            await socket.send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": "stand-in"}})
            if reason != "warning":
                await socket.close()

    async def close(self) -> None:
        for socket in [*self._open]:
            await socket.close(code=WSCloseCode.GOING_AWAY)

    def _hello(self) -> dict[str, Any]:
        return {
            "type": "hello",
            "num_connections": len(self._open),
            "connection_info": {"app_id": wire.APP_ID},
            "debug_info": {"host": "stand-in", "approximate_connection_time": 18060},
        }

    def _heard(self, frame: Any) -> None:
        try:
            said = json.loads(frame)
            waiting = self._envelopes[said["envelope_id"]]
        except (ValueError, TypeError, KeyError):
            self._slack.unexpected.append(f"the app says over its websocket {frame!r}")
            return
        if not waiting.done():
            waiting.set_result(said.get("payload"))
        elif not waiting.cancelled():
            self._slack.unexpected.append("an envelope acknowledged twice")
