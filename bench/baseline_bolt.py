"""Baseline of acknowledgements: a Bolt app that only acknowledges /kf, on the same kind of server as the bot."""

from __future__ import annotations

import asyncio
import os
import signal

from aiohttp import web
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult


async def authorize(enterprise_id, team_id):
    return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token="xoxb-bench")


async def main() -> None:
    secret = os.environ.pop("SLACK_SIGNING_SECRET")
    os.environ.pop("SLACK_BOT_TOKEN", None)
    app = AsyncApp(signing_secret=secret, authorize=authorize, process_before_response=True)

    @app.command("/kf")
    async def kf(ack):
        await ack()

    async def healthz(_request):
        return web.Response(text="ok\n")

    site = app.web_app(path="/slack/events")
    site.router.add_get("/healthz", healthz)
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(os.environ["PORT"])).start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
