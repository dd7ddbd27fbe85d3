"""The real bot as a process of its own, on loopback, beside the stand-ins."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bot.demo.slack_simulator import SlackSimulator

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 20
STOP_SECONDS = 12  # the bot itself promises 10
PORTS = range(20_000, 32_000)


@dataclass
class BotProcess:
    """A running bot and where its health is."""

    process: asyncio.subprocess.Process
    url: str

    @property
    def slack_url(self) -> str:
        return f"{self.url}/slack/events"

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit status."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        try:
            return await asyncio.wait_for(self.process.wait(), STOP_SECONDS)
        except TimeoutError:
            self.process.kill()
            return await self.process.wait()


def environ_of(
    slack: SlackSimulator, wechat_url: str, appid: str, secret: str, channel: str, **more: str
) -> dict[str, str]:
    """Return the variables of a bot for one account; `more` are settings by name."""
    own = {"SLACK_ALERT_CHANNEL": channel, "WECHAT_APPID": appid, "WECHAT_SECRET": secret}
    return connected(slack, wechat_url, **{**own, **more})


def connected(slack: SlackSimulator, wechat_url: str, **more: str) -> dict[str, str]:
    """Return the variables that connect a bot to the simulators; `more` are settings by name."""
    return {
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_SIGNING_SECRET": slack.signing_secret,
        "SLACK_API_URL": slack.api_url,
        "WECHAT_API_URL": wechat_url,
        **more,
    }


def free_port() -> int:
    """Return a port that is free now.

    Systems give servers that ask for any port a higher one, so none of these takes it before the bot does.
    """
    while True:
        port = random.choice(PORTS)  # noqa: S311  guards nothing
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@asynccontextmanager
async def running(
    environ: Mapping[str, str],
    *arguments: str,
    log: Path | None = None,
    wait: bool = True,
    module: str = "bot",
    root: Path = ROOT,
) -> AsyncIterator[BotProcess]:
    """Start `python -m MODULE ARGUMENTS` with nothing but these variables, and stop it afterwards.

    It runs in an empty folder: the `.env` of the person who tries the bot must not apply.
    `wait` until it answers `/healthz`; its log goes to a file, or nowhere. Its code is below `root`.

    Raises:
        RuntimeError: it ended, or did not answer, within START_SECONDS.
    """
    port = free_port()
    variables = {**environ, "HOST": "127.0.0.1", "PORT": str(port)}
    with tempfile.TemporaryDirectory() as folder:
        process = await _start((module, *arguments), {"PYTHONPATH": str(root), **variables}, folder, log)
        bot = BotProcess(process, f"http://127.0.0.1:{port}")
        try:
            if wait:
                await _healthy(bot)
            yield bot
        finally:
            await bot.stop()


async def _start(
    arguments: Sequence[str], environ: Mapping[str, str], folder: str, log: Path | None
) -> asyncio.subprocess.Process:
    inherited = {
        name: value for name, value in os.environ.items() if name in ("PATH", "LANG") or "COVERAGE" in name
    }
    out = (log or Path(os.devnull)).open("ab")
    with out:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", *arguments, cwd=folder, env=inherited | dict(environ), stdout=out, stderr=out
        )


async def _healthy(bot: BotProcess) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(START_SECONDS):
        while bot.process.returncode is None:
            try:
                async with session.get(f"{bot.url}/healthz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(0.02)
    raise RuntimeError(f"the bot ended with status {bot.process.returncode}")
