"""The stand-ins on loopback, each on a free port, for as long as a block lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from email.utils import format_datetime

import aiohttp
from aiohttp import web

from bot.demo.slack_simulator import SlackSimulator
from bot.demo.slack_simulator.http import application, hang_up
from bot.ports import Clock, utc_now
from wechat_kf.simulator import Simulator, TokenService, World


@asynccontextmanager
async def serve(app: web.Application, port: int = 0) -> AsyncIterator[str]:
    """Serve an application, and yield its address, without a slash at the end. Port 0 is any that is free.

    Raises:
        OSError: the port is taken.
    """
    # A handler that sleeps on purpose must not hold up the end.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def serve_slack(slack: SlackSimulator) -> AsyncIterator[SlackSimulator]:
    """Serve a Slack simulator: `slack.api_url` is the address for the app's client."""
    async with serve(application(slack)) as slack.base_url, aiohttp.ClientSession() as slack.session:
        yield slack


@asynccontextmanager
async def serve_wechat(wechat: Simulator | World, clock: Clock = utc_now) -> AsyncIterator[str]:
    """Serve a simulated WeChat API, and yield its address. `clock` is its source of time."""
    async with serve(wechat_application(wechat, clock)) as url:
        yield url


@asynccontextmanager
async def serve_token_service(service: TokenService, clock: Clock = utc_now) -> AsyncIterator[str]:
    """Serve a simulated token service, and yield its address without a path. `clock` is its source of time."""

    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(service.seconds)
        authorization = request.headers.get("Authorization", "")
        given = service.answer(request.method, request.path, dict(request.query), authorization, clock())
        return web.Response(status=given.status, body=given.body, headers=given.headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with serve(app) as url:
        yield url


def wechat_application(wechat: Simulator | World, clock: Clock) -> web.Application:
    """Build the server of a simulated WeChat API, with one Official Account or several."""

    async def answer(request: web.Request) -> web.StreamResponse:
        body, query = await request.read(), dict(request.query)
        simulator = wechat.addressed(request.path, query, body) if isinstance(wechat, World) else wechat
        fault = simulator.next_request_fault(request.path)
        await asyncio.sleep(fault.seconds)
        now = clock()
        try:
            status, said = simulator.answer(request.method, request.path, query, body, now, fault=fault)
        except ConnectionError:
            return hang_up(request)
        await asyncio.sleep(fault.answer_delay)
        # The bot compares WeChat's clock with its own.
        headers = {"Content-Type": fault.content_type, "Date": format_datetime(now, usegmt=True)}
        if fault.content_encoding:
            headers["Content-Encoding"] = fault.content_encoding
        if fault.drip:
            return await _drip(request, status, said, headers, fault.drip)
        return web.Response(status=status, body=said, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    return app


async def _drip(
    request: web.Request, status: int, body: bytes, headers: Mapping[str, str], seconds: float
) -> web.StreamResponse:
    """Send a body byte by byte, for as long as the client listens."""
    response = web.StreamResponse(status=status, headers=headers)
    await response.prepare(request)
    with suppress(ConnectionError):
        for byte in body:
            await asyncio.sleep(seconds)
            await response.write(bytes([byte]))
    return response
