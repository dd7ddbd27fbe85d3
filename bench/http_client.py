"""Send commands over a kept connection and receive their answers, with little overhead."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web

from bot.demo.servers import serve

WITHIN = 30.0  # seconds until an answer counts as missing


@dataclass(frozen=True, slots=True)
class Reply:
    """A request to a response_url, and its time by `time.perf_counter`."""

    body: bytes
    at: float


class ReplyReceiver:
    """Receives answers, each at a separate `response_url`."""

    def __init__(self) -> None:
        self._awaited: dict[str, asyncio.Future[Reply]] = {}
        self._url = ""
        self.unexpected = 0  # answers that were not expected, or came late

    @asynccontextmanager
    async def open(self) -> AsyncIterator[ReplyReceiver]:
        app = web.Application()
        app.router.add_post("/{key}", self._take)
        async with serve(app) as self._url:
            yield self

    def expect(self, key: str) -> str:
        """Return the address for one answer."""
        self._awaited[key] = asyncio.get_running_loop().create_future()
        return f"{self._url}/{key}"

    async def receive(self, key: str) -> Reply:
        """Wait for it.

        Raises:
            TimeoutError: it did not come within WITHIN seconds.
        """
        try:
            async with asyncio.timeout(WITHIN):
                return await self._awaited[key]
        finally:
            del self._awaited[key]

    async def _take(self, request: web.Request) -> web.Response:
        body, at = await request.read(), time.perf_counter()
        awaited = self._awaited.get(request.match_info["key"])
        if awaited is None or awaited.done():
            self.unexpected += 1
        else:
            awaited.set_result(Reply(body, at))
        return web.Response()


class Connection:
    """One connection to an app."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, url: str) -> Connection:
        parts = urlsplit(url)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port))

    async def post(self, body: str, headers: Mapping[str, str]) -> int:
        """Send one request, in one piece, and return the status."""
        raw = body.encode()
        head = {"Host": "127.0.0.1", "Content-Length": str(len(raw)), **headers}
        lines = ["POST /slack/events HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
        self._writer.write("\r\n".join(lines).encode() + raw)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(
            int(line.split(":")[1]) for line in answer.split("\r\n") if line.startswith("content-length:")
        )
        await self._reader.readexactly(length)
        return int(answer.split()[1])
