"""Socket Mode against the simulator: a silent connection is given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from bot.app import Process
from bot.demo.servers import serve, serve_slack
from bot.demo.slack_simulator import SlackSimulator
from bot.fleet import build_fleet
from bot.ports import Announce, BlockAction, Command, FieldErrors, HomeOpened, Message, Submission, SubmissionAnswer
from bot.runtime.tasks import BackgroundTasks
from bot.settings.values import Settings
from bot.slack.bolt_app import make_app
from bot.slack.listeners import register
from bot.slack.socket_mode import DeadSocketError, SocketTimeouts, run_socket_mode
from bot.tenants.tenant import of_environment
from tests.running import until, world

pytestmark = pytest.mark.server

QUICK = SocketTimeouts(ping=0.05, silent=0.4)


class Answers:
    def restarting(self, user_id: str) -> Message:
        return Message("")

    failed = restarting

    async def handle_command(self, command: Command, announce: Announce) -> Message:
        return Message(f"{command.user_id} asked {command.text}")

    async def handle_action(self, click: BlockAction, announce: Announce) -> None:
        return None

    async def handle_submission(self, submission: Submission) -> SubmissionAnswer:
        return FieldErrors({})

    async def handle_home_opened(self, opened: HomeOpened) -> None:
        return None


def granted(slack: SlackSimulator) -> int:
    return sum(call.method == "apps.connections.open" for call in slack.calls)


@asynccontextmanager
async def holding(slack: SlackSimulator) -> AsyncIterator[asyncio.Task[None]]:
    async with aiohttp.ClientSession() as session:
        app = make_app(slack.bot_token, slack.api_url)
        register(app, Answers(), BackgroundTasks(), session)
        task = asyncio.create_task(run_socket_mode(app, slack.app_token, slack.api_url, QUICK))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_process_exits_when_connections_never_receive_anything():
    async with serve_slack(SlackSimulator()) as slack:
        slack.sockets.silent = True
        async with holding(slack) as held:
            with pytest.raises(DeadSocketError):
                await asyncio.wait_for(held, 10)


async def test_silent_connection_is_reopened_and_works():
    async with serve_slack(SlackSimulator()) as slack:
        slack.sockets.silent = True
        async with holding(slack) as held:
            await until(lambda: len(slack.sockets))
            slack.sockets.silent = False
            await asyncio.sleep(3 * QUICK.silent)  # longer than anything silent is waited for
            assert not held.done()
            said = await slack.command("list", channel="C0ALERTS", user="U0TOM")
            assert (await said.answer()).text == "U0TOM asked list"


async def test_idle_connection_with_pings_is_kept():
    async with serve_slack(SlackSimulator()) as slack, holding(slack):
        await until(lambda: len(slack.sockets))
        before = granted(slack)
        await asyncio.sleep(3 * QUICK.silent)
        assert granted(slack) == before


async def test_connection_without_a_close_frame_leaves_nothing_behind():
    hung = asyncio.Event()

    async def grant(request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "url": f"ws://{request.host}/link"})

    async def link(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=False, autoclose=False)
        await socket.prepare(request)
        await hung.wait()  # it reads nothing, not even that the other side wants to go
        return socket

    slack = web.Application()
    slack.router.add_post("/api/apps.connections.open", grant)
    slack.router.add_get("/link", link)
    async with serve(slack) as url:
        app = make_app("xoxb-1", f"{url}/api/")
        with pytest.raises(DeadSocketError):
            await asyncio.wait_for(run_socket_mode(app, "xapp-1", f"{url}/api/", QUICK), 20)
        await asyncio.sleep(0)
        left = [task for task in asyncio.all_tasks() if "slack_sdk" in str(task)]
        hung.set()
    assert left == []


async def test_process_with_an_abandoned_socket_exits_with_status_1(sqlite_url, monkeypatch):
    monkeypatch.setattr("bot.slack.socket_mode.TRIES", 0)  # as after the last of them
    async with world(sqlite_url) as place:
        settings = Settings.from_environ(
            place.environ | {"SLACK_APP_TOKEN": place.slack.app_token, "ALERTS": "off"}
        )
        async with build_fleet(settings, [of_environment(settings)], role="worker") as fleet:
            running = Process(fleet, "worker", lambda status: None).run(asyncio.Event(), [])
            assert await asyncio.wait_for(running, 10) == 1
