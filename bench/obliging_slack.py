"""A Slack that accepts every call: the simulator knows no trigger of a client in another process."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from bot.demo.servers import serve

ANSWER = {
    "ok": True,
    "channel": "C0ALERTS",
    "ts": "1795396440.000100",
    "team_id": "T0001",
    "view": {"id": "V0BENCH", "hash": "1795396440.abc"},
    "user": {"id": "U0MEI", "locale": "en-US", "tz": "Etc/UTC"},
}


@dataclass
class ObligingSlack:
    """Counts the calls of each method, by token."""

    url: str = ""
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)

    async def take(self, request: web.Request) -> web.Response:
        await request.read()
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.calls[token, request.match_info["method"]] += 1
        return web.json_response(ANSWER)


@asynccontextmanager
async def serve_obliging_slack() -> AsyncIterator[ObligingSlack]:
    """Serve it; its `url` is the address for a client."""
    slack = ObligingSlack()
    app = web.Application()
    app.router.add_post("/api/{method}", slack.take)
    async with serve(app) as address:
        slack.url = f"{address}/api/"
        yield slack
