"""Measure acknowledgement, start and memory of the real bot, and write bench/RESULTS.md."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import psutil
from aiohttp import web

from bench import machine
from bot.demo.process import running
from bot.demo.servers import serve, serve_slack, serve_wechat
from bot.demo.slack import Channel, SlackStandIn
from wechat_kf.simulator import Simulator

RESULTS = Path(__file__).with_name("RESULTS.md")
PAIRS = 1500  # acknowledgements of each app, in turn
STARTS = 7
ACCOUNTS = 100
MEGABYTE = 1_000_000
PACKAGES = ("slack-bolt", "aiohttp", "httpx", "sqlalchemy")


def harbour_tea() -> Simulator:
    wechat = Simulator("wx-bench", "bench-secret")
    now = datetime.now(UTC)
    for number in range(ACCOUNTS):
        key = f"kf{number}@harbour_tea"
        wechat.add_account(key, f"客服 {number}")
        if number % 2:
            wechat.invite(key, f"person_{number}", now + timedelta(days=3, minutes=number))
    return wechat


def environ_of(slack: SlackStandIn, wechat_url: str, folder: Path, name: str) -> dict[str, str]:
    return {
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_SIGNING_SECRET": slack.signing_secret,
        "SLACK_API_URL": slack.api_url,
        "SLACK_ALERT_CHANNEL": "C0ALERTS",
        "WECHAT_APPID": "wx-bench",
        "WECHAT_SECRET": "bench-secret",
        "WECHAT_API_URL": wechat_url,
        "DATABASE_URL": f"sqlite:///{folder / name}.db",
    }


async def acks(slack: SlackStandIn, *urls: str) -> list[list[float]]:
    """Acknowledgement times in milliseconds of each app; they take turns."""
    async with serve(_sink()) as response_url:
        client = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.acks", slack.signing_secret, response_url, str(PAIRS), *urls),
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await client.communicate()
    times: list[list[float]] = json.loads(printed)
    return times


def _sink() -> web.Application:
    """Takes the answers, more of them than a real response_url does."""

    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    return app


async def start(environ: dict[str, str]) -> float:
    """Seconds from the start of the process to the first `/healthz`."""
    began = time.perf_counter()
    async with running(environ):
        return time.perf_counter() - began


async def page() -> float:
    """Seconds from `make demo` to a page whose bot is there, on a machine that has everything."""
    began = time.perf_counter()
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "demo", "--no-browser", "--port", "0"), stdout=asyncio.subprocess.PIPE
    )
    try:
        words = (await demo.stdout.readline()).decode().split() if demo.stdout else []
        url = next(word for word in words if word.startswith("http://"))
        async with aiohttp.ClientSession() as session, session.get(f"{url}events") as feed:
            async for line in feed.content:
                if b'"state": "running"' in line:
                    return time.perf_counter() - began
        raise RuntimeError("the playground ended")
    finally:
        demo.terminate()
        await demo.wait()


async def memory(slack: SlackStandIn, pid: int, url: str) -> tuple[float, float]:
    """Resident megabytes after the start, and after 500 answers about a hundred accounts."""
    process = psutil.Process(pid)
    before = process.memory_info().rss / MEGABYTE
    slack.app_url = url
    for number in range(500):
        said = await slack.command("list" if number % 2 else "", channel="C0CARE")
        await said.answer()
    return before, process.memory_info().rss / MEGABYTE


def percentile(values: Sequence[float], per_cent: int) -> float:
    return statistics.quantiles(values, n=100)[per_cent - 1]


async def measure() -> list[tuple[str, str, str, bool]]:
    """Rows of (what, measured, bound, kept)."""
    slack = SlackStandIn(channels=[Channel("C0CARE", "care"), Channel("C0ALERTS", "kf-alerts")])
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        await stack.enter_async_context(serve_slack(slack))
        wechat_url = await stack.enter_async_context(serve_wechat(harbour_tea()))
        starts = [await start(environ_of(slack, wechat_url, folder, f"start{number}")) for number in range(STARTS)]
        environ = environ_of(slack, wechat_url, folder, "kf")
        bot = await stack.enter_async_context(running(environ))
        bare = await stack.enter_async_context(running(environ, module="bench.bare"))
        ours, theirs = await acks(slack, bot.url, bare.url)
        fresh, used = await memory(slack, bot.process.pid, bot.slack_url)
    pages = [await page() for _ in range(STARTS)]
    ratio = percentile(ours, 50) / percentile(theirs, 50)
    begun, shown = statistics.median(starts), statistics.median(pages)
    return [
        ("Acknowledgement p50", f"{percentile(ours, 50):.2f} ms", "", True),
        ("The same, bare Bolt app", f"{percentile(theirs, 50):.2f} ms", "", True),
        ("Ratio of the two", f"{ratio:.2f}", "at most 1.3", ratio <= 1.3),
        (
            "Acknowledgement p99, ours / bare",
            f"{percentile(ours, 99):.2f} / {percentile(theirs, 99):.2f} ms",
            "",
            True,
        ),
        ("Start to first `/healthz`, median", f"{begun:.2f} s", "under 1.5 s", begun < 1.5),
        ("`make demo` to a usable page, median", f"{shown:.2f} s", "under 3 s", shown < 3),
        ("Resident memory after the start", f"{fresh:.0f} MB", "under 110 MB", fresh < 110),
        (f"The same after 500 answers about {ACCOUNTS} accounts", f"{used:.0f} MB", "under 110 MB", used < 110),
    ]


def report(rows: Sequence[tuple[str, str, str, bool]]) -> str:
    lines = [
        "# Figures",
        "",
        machine.measured("make bench", *PACKAGES),
        "",
        "| what | measured | bound | |",
        "| --- | --- | --- | --- |",
        *(
            f"| {what} | {got} | {bound} | {('✓' if kept else '✗') if bound else ''} |"
            for what, got, bound, kept in rows
        ),
        "",
        "What it means: Slack gives an app 3 seconds to acknowledge a command. The acknowledgement is the time",
        "from sending a signed `/kf` over loopback to its 200, seen by a client in a process of its own. The bare",
        "app does nothing but acknowledge: the ratio is what the guard and the start of the answer cost. The two",
        "take turns, so that a busy machine slows both. The start decides how long a restart is felt, and the",
        "memory which machine is needed (the smallest dyno has 512 MB).",
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    rows = asyncio.run(measure())
    text = report(rows)
    RESULTS.write_text(text)
    print(text)
    return 0 if all(kept for *_, kept in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
