"""Connections to the server: bounded in number and idle time, so that strangers cannot exhaust the open files."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

from aiohttp import web
from aiohttp.typedefs import Handler

from bot.runtime.logs import LogEvent

log = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0  # between checks for connections that are idle for too long
LINE_EVERY = 60.0  # seconds, between two log lines of one kind
RELIEF_EVERY = 1.0  # seconds, between rounds of closing idle connections because none can be accepted
ACCEPT_FAILED = "socket.accept() out of system resource"  # asyncio's message, up to a thousand times a second


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The number of connections, and how long one may wait without a complete request head."""

    count: int = 4000
    head_seconds: float = 10.0  # from the connection, or from the first byte of a request
    idle_seconds: float = 60.0  # between two requests


class Connections:
    """The open connections of a server. At the limit the one that has been idle longest is closed for a new one."""

    def __init__(self, limits: ConnectionLimits, now: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._now = now
        # By the protocol that reads requests; the one that has been idle longest comes first.
        self._open: OrderedDict[asyncio.BaseProtocol, _Connection] = OrderedDict()
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = 0  # since the last log line
        self._times: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._open)

    def accept(self, reader: asyncio.Protocol) -> asyncio.Protocol:
        """Return the protocol of a new connection, around the one that reads its requests."""
        return _Connection(reader, self)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Note that a request is in progress: its connection is not idle."""
        connection = self._open.get(request.protocol)
        if connection is None:
            return await handler(request)
        connection.requests += 1
        connection.began_at = None
        try:
            return await handler(request)
        finally:
            connection.requests -= 1
            connection.idle_since, connection.is_new = self._now(), False
            if request.protocol in self._open:
                self._open.move_to_end(request.protocol)

    def handle_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handle an error of the event loop. If no connection can be accepted, close some, and log that."""
        if context.get("message") != ACCEPT_FAILED:
            loop.default_exception_handler(context)
            return
        if self._is_time("accept", LINE_EVERY):
            log.error(
                LogEvent("connections cannot be accepted", error=context.get("exception"), open=len(self._open))
            )
        if self._is_time("relief", RELIEF_EVERY):
            self._drop_idle(max(1, len(self._open) // 10))

    def opened(self, connection: _Connection) -> None:
        """Add a connection, and close the one that has been idle longest if there are too many."""
        connection.idle_since = self._now()
        self._open[connection.reader] = connection
        if len(self._open) > self._limits.count:
            self._drop_idle(len(self._open) - self._limits.count)
        if self._sweeping is None:
            self._sweep_later()

    def closed(self, connection: _Connection) -> None:
        self._open.pop(connection.reader, None)

    def received(self, connection: _Connection) -> None:
        """Note that bytes arrived: the first ones after a response begin the next request."""
        if not connection.requests and connection.began_at is None:
            connection.began_at = self._now()

    def close(self) -> None:
        """Stop checking for idle connections."""
        if self._sweeping:
            self._sweeping.cancel()

    def _drop_idle(self, count: int) -> None:
        idle = (one for one in self._open.values() if not one.requests)
        for one in list(islice(idle, count)):
            self._abort(one)
            self._closed += 1
        if self._closed and self._is_time("room", LINE_EVERY):
            log.warning(
                LogEvent("idle connections closed to make room", count=self._closed, limit=self._limits.count)
            )
            self._closed = 0

    def _abort(self, connection: _Connection) -> None:
        self.closed(connection)
        connection.abort()

    def _sweep_later(self) -> None:
        limits = self._limits
        pause = min(SWEEP_SECONDS, limits.head_seconds, limits.idle_seconds)
        self._sweeping = asyncio.get_running_loop().call_later(pause, self._sweep)

    def _sweep(self) -> None:
        now = self._now()
        for one in list(self._open.values()):
            if not one.requests and now >= self._deadline(one):
                self._abort(one)
        self._sweeping = None
        if self._open:
            self._sweep_later()

    def _deadline(self, connection: _Connection) -> float:
        limits = self._limits
        if connection.is_new:
            return connection.idle_since + limits.head_seconds
        if connection.began_at is not None:
            return connection.began_at + limits.head_seconds
        return connection.idle_since + limits.idle_seconds

    def _is_time(self, event: str, every: float) -> bool:
        """Return whether the last `event` is `every` seconds ago or more; if so, record one now."""
        now = self._now()
        if event in self._times and now - self._times[event] < every:
            return False
        self._times[event] = now
        return True


class _Connection(asyncio.Protocol):
    """A wrapper of the protocol that reads requests, which keeps the times of its connection."""

    def __init__(self, reader: asyncio.Protocol, connections: Connections) -> None:
        self.reader = reader
        self.requests = 0  # in progress
        self.is_new = True  # no request has been answered yet
        self.idle_since = 0.0
        self.began_at: float | None = None  # the next request, whose head is incomplete
        self._connections = connections
        self._transport: asyncio.Transport | None = None

    def abort(self) -> None:
        """Close the connection at once and discard pending output: an idle peer may never read it."""
        if self._transport:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.reader.connection_made(transport)
        self._connections.opened(self)

    def data_received(self, data: bytes) -> None:
        self._connections.received(self)
        self.reader.data_received(data)

    def eof_received(self) -> bool | None:
        return self.reader.eof_received()

    def pause_writing(self) -> None:
        self.reader.pause_writing()

    def resume_writing(self) -> None:
        self.reader.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.closed(self)
        self.reader.connection_lost(exc)
