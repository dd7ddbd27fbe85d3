"""A transport for many requests at the same time: each has a connection of its own, which later ones use again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import cast

import httpx


class SeparateConnections(httpx.AsyncBaseTransport):
    """Gives each request that runs at the same time as others a transport of its own.

    One pool of connections looks through all of them, and through all requests, at every request: with 64 at a time
    that costs more than everything else.
    """

    def __init__(self, make: Callable[[], httpx.AsyncBaseTransport]) -> None:
        """Take what makes a transport. There are as many as requests ever ran at the same time."""
        self._make = make
        self._all: list[httpx.AsyncBaseTransport] = []
        self._idle: list[httpx.AsyncBaseTransport] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        transport = self._idle.pop() if self._idle else self._added()
        try:
            response = await transport.handle_async_request(request)
        except BaseException:
            self._idle.append(transport)
            raise
        body = cast(httpx.AsyncByteStream, response.stream)
        response.stream = _Stream(body, lambda: self._idle.append(transport))
        return response

    async def aclose(self) -> None:
        for transport in self._all:
            await transport.aclose()

    def _added(self) -> httpx.AsyncBaseTransport:
        transport = self._make()
        self._all.append(transport)
        return transport


class _Stream(httpx.AsyncByteStream):
    """The body of a response, with a call when it is closed."""

    def __init__(self, body: httpx.AsyncByteStream, closed: Callable[[], None]) -> None:
        self._body = body
        self._closed = closed

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._body:
            yield chunk

    async def aclose(self) -> None:
        try:
            await self._body.aclose()
        finally:
            self._closed()
