"""Baseline of acknowledgements: a Bolt app on the same kind of server as the bot.

It only acknowledges /kf, and opens the modal of every click after its acknowledgement.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from datetime import UTC, datetime

import aiohttp
from aiohttp import web
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from bench.testbed import ALERTS, IDLE
from bot.alerting.episode import AccountStatus, AlertPolicy
from bot.blocks.context import RenderContext
from bot.blocks.modals.forms import invite_form
from bot.operations.operation import AccountFacts

# The form that the bot opens for the same click.
VIEW = invite_form(
    AccountFacts(IDLE, "客服 0", status=AccountStatus.IDLE),
    datetime.now(UTC),
    RenderContext(AlertPolicy()),
    channel=ALERTS,
)


async def authorize(enterprise_id, team_id):
    return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token="xoxb-bench")


async def main() -> None:
    secret = os.environ.pop("SLACK_SIGNING_SECRET")
    token = os.environ.pop("SLACK_BOT_TOKEN", None)
    session = aiohttp.ClientSession()
    client = AsyncWebClient(token, os.environ["SLACK_API_URL"], session=session)
    app = AsyncApp(signing_secret=secret, authorize=authorize, process_before_response=True)

    @app.command("/kf")
    async def kf(ack):
        await ack()

    opening: set[asyncio.Task[object]] = set()

    @app.action(re.compile(""))
    async def act(ack, body):
        await ack()
        task = asyncio.create_task(client.views_open(trigger_id=body["trigger_id"], view=VIEW))
        opening.add(task)
        task.add_done_callback(opening.discard)

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
    await session.close()


if __name__ == "__main__":
    asyncio.run(main())
