"""The environment of all measurements: simulated WeChat with a hundred accounts, and Slack."""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

from aiohttp import web

from bot.demo.process import ROOT, environ_of
from bot.demo.servers import serve, serve_slack, serve_wechat
from bot.demo.slack_simulator import Channel, SlackSimulator, sign
from wechat_kf.simulator import Simulator

APPID, SECRET, ALERTS = "wx-bench", "bench-secret", "C0ALERTS"
ACCOUNTS = 100
IDLE = "kf0@harbour_tea"  # an account without an invitation
OPERATOR = "U0MEI"  # the person who sends everything
# Before the packages of the tests, so that a measured process imports what a deployment does: 4 MB less.
PYTHONPATH = os.pathsep.join([str(Path(__file__).parent / "not_in_production"), str(ROOT)])


@dataclass(frozen=True, slots=True)
class Testbed:
    """The running simulators, and a sink for answers that are not read."""

    slack: SlackSimulator
    wechat: Simulator
    wechat_url: str
    sink: str

    def environ(self, store_url: str, **changed: str) -> dict[str, str]:
        """Return the environment variables that connect a bot to the simulators."""
        more = {"DATABASE_URL": store_url, "PYTHONPATH": PYTHONPATH, **changed}
        return environ_of(*(self.slack, self.wechat_url, APPID, SECRET, ALERTS), **more)


@asynccontextmanager
async def serve_testbed() -> AsyncIterator[Testbed]:
    """Serve the simulators."""
    slack = SlackSimulator(channels=[Channel(ALERTS, "kf-alerts")])
    wechat = harbour_tea()
    async with serve_slack(slack), serve_wechat(wechat) as wechat_url, serve(_sink()) as sink:
        yield Testbed(slack, wechat, wechat_url, f"{sink}/")


def harbour_tea() -> Simulator:
    """Create a hundred accounts: half of them invited, some of those with problems. Nothing changes for hours."""
    wechat = Simulator(APPID, SECRET)
    now = datetime.now(UTC)
    for number in range(ACCOUNTS):
        key = f"kf{number}@harbour_tea"
        wechat.add_account(key, f"客服 {number}")
        if number % 2:
            left = timedelta(hours=20) if number % 20 == 1 else timedelta(days=3)
            wechat.invite(key, f"person_{number}", now + left + timedelta(minutes=number))
        if number % 20 == 3:
            wechat.reject(key)
    return wechat


def sqlite(folder: Path, name: str) -> str:
    return f"sqlite:///{folder / name}.db"


def signed(secret: str, text: str, response_url: str, trigger_id: str) -> tuple[str, dict[str, str]]:
    """Return body and headers of a `/kf` as Slack sends it. A new `trigger_id` keeps it from being a replay."""
    fields = {
        "token": "x",
        "team_id": "T0001",
        "team_domain": "bench",
        "channel_id": "C0CARE",
        "channel_name": "care",
        "user_id": OPERATOR,
        "user_name": "mei",
        "command": "/kf",
        "text": text,
        "api_app_id": "A0001",
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": trigger_id,
    }
    return _signed(secret, urlencode(fields))


def signed_interaction(secret: str, kind: str, trigger_id: str, **parts: object) -> tuple[str, dict[str, str]]:
    """Return body and headers of a click or a submitted form as Slack sends it."""
    payload = {
        "type": kind,
        "user": {"id": OPERATOR, "username": "mei", "name": "mei", "team_id": "T0001"},
        "team": {"id": "T0001", "domain": "bench"},
        "api_app_id": "A0001",
        "token": "x",
        "is_enterprise_install": False,
        "enterprise": None,
        "trigger_id": trigger_id,
        **parts,
    }
    return _signed(secret, urlencode({"payload": json.dumps(payload)}))


def _signed(secret: str, body: str) -> tuple[str, dict[str, str]]:
    stamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": sign(body, secret, stamp),
    }
    return body, headers


def _sink() -> web.Application:
    """Accept any number of answers, unlike a real response_url."""

    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    app = web.Application()
    app.router.add_post("/{rest:.*}", take)
    return app
