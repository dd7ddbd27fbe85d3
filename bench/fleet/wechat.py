"""WeChat for the fleet, in a process of its own: each answer takes 30 ms, and each poll is recorded on arrival."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from bench.fleet import merchants
from bot.demo.process import ROOT
from bot.demo.servers import serve, wechat_application
from bot.ports import utc_now
from wechat_kf import protocol
from wechat_kf.simulator import World

ANSWER_SECONDS = 0.03
POLLS = "/bench/polls"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Poll:
    """A request for the list of an account."""

    at: float  # Unix seconds
    account: int


@dataclass
class WeChat:
    """The served accounts, and the polls that have arrived so far."""

    url: str
    session: aiohttp.ClientSession
    polls: list[Poll] = field(default_factory=list)

    async def read(self) -> list[Poll]:
        """Return the polls since the last call."""
        async with self.session.get(f"{self.url}{POLLS}", params={"after": len(self.polls)}) as answer:
            new = [Poll(*one) for one in await answer.json()]
        self.polls += new
        return new


@asynccontextmanager
async def serve_merchants() -> AsyncIterator[WeChat]:
    """Serve the accounts in another process, which is not one of those that are killed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.fleet.wechat"), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    if process.stdout is None:
        raise RuntimeError("the simulator has no output")
    try:
        url = (await process.stdout.readline()).decode().strip()
        async with aiohttp.ClientSession() as session:
            yield WeChat(url, session)
    finally:
        process.kill()
        await process.wait()


def application() -> web.Application:
    """Build the server of all accounts, which are created on first use."""
    world, polls = World(create=merchants.simulate), list[tuple[float, int]]()

    @web.middleware
    async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == POLLS:
            return web.json_response(polls[int(request.query["after"]) :])
        if request.path == protocol.KF_LIST:
            account = world.addressed(request.path, request.query, b"")
            polls.append((time.time(), merchants.number_of(account.appid)))
        await asyncio.sleep(ANSWER_SECONDS)
        return await handler(request)

    app = wechat_application(world, utc_now)
    app.middlewares.append(record)
    return app


async def main() -> None:
    """Serve until killed. Prints the address."""
    async with serve(application()) as url:
        print(url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
