"""WeChat for the fleet, in a process of its own: each answer takes 30 ms, and each poll is recorded on arrival."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

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
REJECT = "/bench/reject"  # so many people of so many accounts
SILENCE = "/bench/silence"  # answer nothing but 502, or answer again
LONG = timedelta(days=3)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Poll:
    """A request for the list of an account; while WeChat is out of reach, also one for its token."""

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

    async def reject(self, accounts: int, people: int) -> None:
        """Let people of the first accounts refuse an invitation."""
        async with self.session.post(f"{self.url}{REJECT}", params={"accounts": accounts, "people": people}):
            pass

    async def silence(self, *, lasts: bool) -> None:
        """Let WeChat be out of reach, or answer again."""
        async with self.session.post(f"{self.url}{SILENCE}", params={"lasts": int(lasts)}):
            pass


@asynccontextmanager
async def serve_merchants() -> AsyncIterator[WeChat]:
    """Serve the accounts in another process, which is not one of those that are killed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.fleet.wechat_process"), cwd=ROOT, stdout=asyncio.subprocess.PIPE
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
    is_silent = False

    @web.middleware
    async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal is_silent
        if request.path == POLLS:
            return web.json_response(polls[int(request.query["after"]) :])
        if request.path == REJECT:
            for number in range(int(request.query["accounts"])):
                body = json.dumps(
                    {"appid": merchants.appid(number)}
                ).encode()  # creates it, as its first token does
                account = world.addressed(protocol.TOKEN, {}, body)
                merchants.reject(account, int(request.query["people"]), utc_now() + LONG)
            return web.Response()
        if request.path == SILENCE:
            is_silent = request.query["lasts"] == "1"
            return web.Response()
        # A poll without a token ends with the request for one, if that is not answered.
        if request.path == protocol.KF_LIST or (is_silent and request.path == protocol.TOKEN):
            account = world.addressed(request.path, request.query, await request.read())
            polls.append((time.time(), merchants.number_of(account.appid)))
        await asyncio.sleep(ANSWER_SECONDS)
        if is_silent:
            return web.Response(status=502)
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
