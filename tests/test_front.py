"""The server of a process before there is anything behind it: the accounts are still being read."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from bot.demo.process import free_port
from bot.web.front import NOT_LOADED, Front, Handlers
from bot.web.rejections import Rejections
from bot.web.server import Readiness

pytestmark = pytest.mark.server


async def ready() -> Readiness:
    return Readiness()


async def dispatched(_text: str, _headers: object) -> tuple[int, str]:
    return 200, ""


async def measured() -> bytes:
    return b"up 1\n"


async def test_server_answers_healthz_before_the_accounts_are_read_and_other_requests_afterwards():
    front, port = Front(Rejections()), free_port()
    more = {"signing_secret": "s", "takes_commands": True, "has_metrics": True}
    await front.listen("127.0.0.1", port, **more)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

        async def get(path: str) -> tuple[int, str]:
            async with session.get(path) as answer:
                return answer.status, await answer.text()

        assert await get("/healthz") == (200, "ok\n")
        assert await get("/readyz") == (503, f"{NOT_LOADED}\n")
        waiting = asyncio.create_task(get("/metrics"))
        await asyncio.sleep(0)
        front.attach(Handlers(ready, dispatched, measured))
        assert await waiting == (200, "up 1\n")
        assert await get("/readyz") == (200, "ready\n")
        await front.listen("127.0.0.1", port, **more)  # again, as after a reload: it listens already
        assert await get("/healthz") == (200, "ok\n")
    await front.close()
