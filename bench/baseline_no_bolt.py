"""Baseline of answers: the same work without Bolt, written by hand.

It checks the signature, acknowledges, reads WeChat, renders with the bot's own blocks and posts.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import signal
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import aiohttp
import httpx
from aiohttp import web

from bot.accounts import Snapshot
from bot.alerting.episode import AlertPolicy
from bot.blocks.answers.overview import overview
from bot.blocks.context import RenderContext
from bot.demo.slack_simulator import sign
from wechat_kf import KfClient, StableToken

CONTEXT = RenderContext(AlertPolicy())


class Handler:
    def __init__(self, secret: str, accounts: KfClient, session: aiohttp.ClientSession) -> None:
        self._secret = secret
        self._accounts = accounts
        self._session = session
        self._answers: set[asyncio.Task[None]] = set()

    async def events(self, request: web.Request) -> web.Response:
        body = await request.read()
        expected = sign(body, self._secret, request.headers["X-Slack-Request-Timestamp"])
        if not hmac.compare_digest(expected, request.headers["X-Slack-Signature"]):
            return web.Response(status=401)
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        answer = asyncio.create_task(self._answer(form["response_url"]))
        self._answers.add(answer)
        answer.add_done_callback(self._answers.discard)
        return web.Response()

    async def _answer(self, response_url: str) -> None:
        snapshot = Snapshot.of(await self._accounts.kf_list(), datetime.now(UTC), CONTEXT.policy)
        message = overview(snapshot, CONTEXT)
        body = {"response_type": "ephemeral", "replace_original": False, "text": message.text}
        async with self._session.post(response_url, json={**body, "blocks": message.blocks}):
            pass


async def healthz(_request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def main() -> None:
    environ, stop = os.environ, asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with (
        httpx.AsyncClient(base_url=environ["WECHAT_API_URL"], trust_env=False, timeout=10) as wechat,
        aiohttp.ClientSession() as session,
    ):
        tokens = StableToken(wechat, environ["WECHAT_APPID"], environ["WECHAT_SECRET"])
        handler = Handler(environ["SLACK_SIGNING_SECRET"], KfClient(wechat, tokens), session)
        app = web.Application()
        app.router.add_post("/slack/events", handler.events)
        app.router.add_get("/healthz", healthz)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", int(environ["PORT"])).start()
        await stop.wait()
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
