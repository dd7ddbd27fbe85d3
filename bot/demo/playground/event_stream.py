"""What happens, for every page that listens: server-sent events.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

BEHIND = 2000  # events; a page that far behind is cut off, and comes back for the whole state
STILL = 15.0  # seconds of silence after which a comment keeps the connection


class EventStream:
    """One queue for each page."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[bytes]] = set()

    def publish(self, kind: str, data: Any) -> None:
        event = encoded(kind, data)
        for queue in [*self._queues]:
            if queue.qsize() >= BEHIND:
                self._queues.discard(queue)
                queue.put_nowait(b"")  # the end
            else:
                queue.put_nowait(event)

    async def serve(self, request: web.Request, first: bytes) -> web.StreamResponse:
        """Send `first`, then all that happens, until the page leaves."""
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._queues.add(queue)
        try:
            await answer.prepare(request)
            await answer.write(first)
            while event := await _next(queue):
                await answer.write(event)
        except ConnectionError:
            pass  # it has left
        finally:
            self._queues.discard(queue)
        return answer

    def close(self) -> None:
        """Let every page go."""
        for queue in self._queues:
            queue.put_nowait(b"")


async def _next(queue: asyncio.Queue[bytes]) -> bytes:
    try:
        return await asyncio.wait_for(queue.get(), STILL)
    except TimeoutError:
        return b": still here\n\n"


def encoded(kind: str, data: Any) -> bytes:
    """Encode one event. JSON contains no line ends, so one data line is enough."""
    return f"event: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
