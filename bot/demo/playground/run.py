"""`python -m bot demo`: the playground from start to Ctrl-C. It leaves nothing behind."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.demo.playground import desktop
from bot.demo.playground.event_stream import EventStream
from bot.demo.playground.sandbox import Sandbox
from bot.demo.playground.site_server import application
from bot.demo.playground.snapshot import whole
from bot.demo.playground.supervisor import Start
from bot.demo.servers import serve
from bot.language import Language


def main(port: int = 3000, *, browser: bool = True) -> int:
    """Run until Ctrl-C, SIGTERM, or the end of the terminal."""
    return asyncio.run(_run(port, browser=browser))


async def _run(port: int, *, browser: bool) -> int:
    stop = asyncio.Event()
    ends = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        ends.append(signal.SIGHUP)  # the terminal was closed, and no `nohup` says to go on
    for number in ends:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with tempfile.TemporaryDirectory(prefix="kf-playground-") as folder:
        async with playground(Path(folder), _free(port), zone=desktop.zone()) as (url, _):
            print(f"The playground is at {url}/ – the real bot, a simulated WeChat, a small Slack.", flush=True)
            print("Ctrl-C ends it, and leaves nothing behind.", flush=True)
            if not browser or not desktop.open_browser(f"{url}/"):
                print("Open the address in a browser on this machine.", flush=True)
            await stop.wait()
    return 0


@asynccontextmanager
async def playground(
    folder: Path,
    port: int = 0,
    *,
    zone: str = "UTC",
    language: Language = Language.ENGLISH,
    start: Start | None = None,
) -> AsyncIterator[tuple[str, Sandbox]]:
    """Start the simulators, the bot and the page, and yield the address of the page. Port 0 picks a free one."""
    feed = EventStream()
    world = Sandbox(
        folder,
        feed.publish,
        zone=zone,
        language=language,
        start=start,
        on_fresh=lambda world: feed.publish("state", whole(world)),
    )
    async with world.alive(), serve(application(world, feed), port) as url:
        yield url, world


def _free(port: int) -> int:
    """Return the port, or 0 if another program uses it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that was left just now is free
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            print(f"Port {port} is taken; another one will do.", file=sys.stderr)
            return 0
    return port
